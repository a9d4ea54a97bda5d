// Mains that are struck by a fault at one point of a session. One that is gone takes its worker
// along; one that breaks the protocol loses it; one that only stops for a while finds it as it was.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/faults/matrix.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/clock.h"
#include "slabpipe/tests/testing/orphans.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/read_text.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::tests {
namespace {

// Phase, fault.
using Strike = std::tuple<const char*, const char*>;

// The ends of a pipe whose other ends are a main's stdin and stdout.
struct Talk {
  UniqueFd in, out;

  std::string ReadLine() const { return tests::ReadLine(out.get()); }
  void Say(char c) const { ASSERT_EQ(::write(in.get(), &c, 1), 1); }
};

class MainFaultTest : public SessionTest, public ::testing::WithParamInterface<Strike> {
 protected:
  MainFaultTest() { AdoptOrphans(); }

  std::string phase() const { return std::get<0>(GetParam()); }
  std::string fault() const { return std::get<1>(GetParam()); }
  bool GoesOn() const { return fault() == "hang" || fault() == "SIGSTOP"; }

  // Starts main, and returns when it is about to be struck.
  void StartMain() {
    int in[2], out[2];
    ASSERT_EQ(::pipe2(in, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    const UniqueFd its_in(in[0]), its_out(out[1]);
    talk_ = {.in = UniqueFd(in[1]), .out = UniqueFd(out[0])};
    absl::StatusOr<ChildProcess> main =
        ChildProcess::Spawn({.path = "tests/faults/faulty_main",
                             .arguments = {phase(), fault(), kGoodWorker, gate_.path()},
                             .descriptors = {{its_in.get(), 0}, {its_out.get(), 1}}});
    ASSERT_THAT(main, IsOk());
    main_.emplace(*std::move(main));
    ASSERT_TRUE(absl::SimpleAtoi(talk_.ReadLine(), &worker_));
  }
  void AwaitStrike() {
    const std::string line = talk_.ReadLine();
    absl::string_view text = line;
    ASSERT_TRUE(absl::ConsumePrefix(&text, "struck ")) << line;
    ASSERT_TRUE(absl::SimpleAtoi(text, &struck_us_));
  }

  // Main stops, and the worker is there. Main goes on, and gets what it waits for.
  void LetGoOn() {
    if (fault() == "SIGSTOP") {
      siginfo_t info = {};
      ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(main_->pid()), &info, WSTOPPED), 0);
    }
    EXPECT_TRUE(IsRunning(worker_));
    if (fault() == "SIGSTOP") {
      ::kill(main_->pid(), SIGCONT);
    } else {
      talk_.Say('.');
    }
    if (phase() == "mid-shutdown") end_ = talk_.ReadLine();
    EXPECT_EQ(talk_.ReadLine(), "fine");
    fine_ = true;
    struck_us_ = NowUs();
    main_->Kill();
  }

  static bool IsRunning(pid_t process) { return ProcessExists(process) && !IsZombie(process); }

  // How the worker ended. Unless its main has taken it, it is this process's when its main is gone.
  std::string AwaitWorkersEnd() {
    AwaitEnd(worker_);
    noticed_us_ = NowUs() - struck_us_;
    if (!end_.empty()) return end_;
    if (fault() == "garbage") return talk_.ReadLine();
    main_->Kill();
    int status = 0;
    if (::waitpid(worker_, &status, 0) != worker_) return "was not reaped";
    if (WIFEXITED(status)) return DescribeEnd(Exited{.code = WEXITSTATUS(status)});
    return DescribeEnd(Signalled{.signal = WTERMSIG(status)});
  }

  std::optional<ChildProcess> main_;
  bool fine_ = false;
  int64_t noticed_us_ = 0;

 private:
  Gate gate_;
  Talk talk_;
  pid_t worker_ = -1;
  std::string end_;  // the worker's, if main has waited for it
  int64_t struck_us_ = 0;
};

TEST_P(MainFaultTest, TheWorkerIsThereAsLongAsItsMain) {
  StartMain();
  if (HasFatalFailure()) return;
  AwaitStrike();
  if (HasFatalFailure()) return;
  if (GoesOn()) LetGoOn();
  const std::string outcome = AwaitWorkersEnd();
  main_->Kill();
  const size_t left = ReapAll();
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(fine_, GoesOn());
  std::string after = GoesOn() ? "it goes on, then the worker is gone" : "the worker is gone";
  TheMatrix().Add({.who = "main",
                   .phase = phase(),
                   .fault = fault(),
                   .outcome = outcome,
                   .noticed_us = noticed_us_,
                   .left = left,
                   .after = HasFailure() ? "FAILED" : after});
}

INSTANTIATE_TEST_SUITE_P(Matrix, MainFaultTest,
                         ::testing::Combine(::testing::Values("before hello", "mid-request",
                                                              "mid-run", "mid-response",
                                                              "mid-stream", "mid-shutdown"),
                                            ::testing::ValuesIn(kFaults)),
                         [](const auto& info) {
                           return ToTestName(
                               absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace slabpipe::tests
