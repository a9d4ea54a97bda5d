// Kills workers and mains at random instants while they work, and looks whether anything hangs, is
// left behind, is not answered, or happens twice.
//
//   torture --kills=10000 --seed=1
//
// A tenth of the kills are of mains: one after the other is started, comes under load, loses its
// worker perhaps, and is killed; its worker and that one's child must end. All other workers are
// those of one main, which at the end must hold what it held at the beginning. The last line is
//
//   kills N hangs H leaks L unanswered U doubled D
//
// hangs: mains that did not go on. leaks: processes that outlived their main, and kinds of things
// of which a main has more in the end. unanswered: calls that did not return. doubled: calls that a
// worker has run more than once. Exits with 0 if all of them are 0 and all answers were right.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/find_program.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/testing/clock.h"
#include "slabpipe/tests/testing/orphans.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/transport/unique_fd.h"

ABSL_FLAG(int, kills, 1000, "how many processes are killed, nine of ten of them workers");
ABSL_FLAG(uint64_t, seed, 0, "of all that is random; 0: any, which is printed");
ABSL_FLAG(int, seconds, 0, "no more kills of workers after this time; 0: never");
ABSL_FLAG(int, threads, 4, "that call at once, in each main");

namespace slabpipe::tests {
namespace {

constexpr int64_t kPatienceUs = (kSanitized ? 400 : 100) * int64_t{1'000'000};
constexpr uint64_t kLongestPauseUs = 5'000;

struct Tally {
  int kills = 0;
  size_t hangs = 0, leaks = 0, doubled = 0;
  uint64_t calls = 0, answers = 0, errors = 0, wrong = 0, unanswered = 0;

  bool good() const {
    return hangs == 0 && leaks == 0 && unanswered == 0 && doubled == 0 && wrong == 0;
  }
};

// One loaded_main, from its start to its end.
class LoadedMain {
 public:
  // `number` tells its tokens from those of others.
  LoadedMain(int number, int kills, uint64_t seed, const std::string& token_file, bool lingers) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) ::perror("pipe2"), ::abort();
    output_.reset(ends[0]);
    const UniqueFd its(ends[1]);
    const int seconds = absl::GetFlag(FLAGS_seconds);
    absl::StatusOr<std::string> path = FindProgram("loaded_main");
    if (!path.ok()) Die(path.status());
    absl::StatusOr<ChildProcess> process =
        ChildProcess::Spawn({.path = *path,
                             .arguments = {absl::StrCat(kills), absl::StrCat(seed),
                                           absl::StrCat(absl::GetFlag(FLAGS_threads)),
                                           absl::StrCat(static_cast<uint64_t>(number) << 40),
                                           token_file, lingers ? "linger" : "finish",
                                           absl::StrCat(seconds > 0 ? seconds : 1 << 20)},
                             .descriptors = {{its.get(), 1}}});
    if (!process.ok()) Die(process.status());
    process_.emplace(*std::move(process));
  }

  // A line of its output; "" if it has ended or does not go on. Orphans are reaped meanwhile.
  std::string ReadLine() {
    std::string line;
    int64_t last_us = NowUs();
    while (NowUs() - last_us < kPatienceUs) {
      pollfd readable = {.fd = output_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&readable, 1, 50) > 0) {
        char c;
        if (::read(output_.get(), &c, 1) != 1 || c == '\n') return line;
        line += c;
      } else if (ReapOrphans()) {
        last_us = NowUs();  // workers are still killed and started
      }
    }
    return "";
  }

  WorkerEnd Kill() { return process_->Kill(); }
  std::optional<WorkerEnd> Wait() {
    return process_->Wait(Deadline::After(absl::Microseconds(kPatienceUs)));
  }

 private:
  [[noreturn]] static void Die(const absl::Status& status) {
    std::fprintf(stderr, "torture: %s\n", status.ToString().c_str());
    std::exit(2);
  }
  // What is left of its workers. True if there was any.
  bool ReapOrphans() {
    bool any = false;
    for (const pid_t child : Children()) {
      if (child == process_->pid() || !IsZombie(child)) continue;
      any |= ::waitpid(child, nullptr, WNOHANG) == child;
    }
    return any;
  }

  UniqueFd output_;
  std::optional<ChildProcess> process_;
};

// A main whose workers are killed, and which is not.
void TortureWorkers(int kills, uint64_t seed, const std::string& token_file, Tally& tally) {
  LoadedMain main(1, kills, seed, token_file, false);
  int killed = 0;
  const std::string first = main.ReadLine(), second = main.ReadLine();
  Tally its;
  if (std::sscanf(first.c_str(), "killed %d", &killed) != 1 ||
      std::sscanf(second.c_str(),
                  "calls %lu answers %lu errors %lu wrong %lu unanswered %lu leaks %zu", &its.calls,
                  &its.answers, &its.errors, &its.wrong, &its.unanswered, &its.leaks) != 6 ||
      main.Wait() != WorkerEnd(Exited{.code = 0})) {
    std::fprintf(stderr, "torture: a main did not finish: it %s\n",
                 DescribeEnd(main.Kill()).c_str());
    ++tally.hangs;
    for (const std::string& line : {first, second}) {
      uint64_t unanswered = 0;
      if (std::sscanf(line.c_str(), "unanswered %lu", &unanswered) == 1) {
        its.unanswered += unanswered;
      }
    }
  }
  tally.kills += killed;
  tally.calls += its.calls;
  tally.answers += its.answers;
  tally.errors += its.errors;
  tally.wrong += its.wrong;
  tally.unanswered += its.unanswered;
  tally.leaks += its.leaks + ReapAll();
}

// A main that is killed: while it starts, or, `loses_worker`, after it has lost a worker and got
// another one.
void TortureMain(int number, uint64_t seed, bool loses_worker, const std::string& token_file,
                 Tally& tally) {
  std::mt19937_64 random(seed);
  LoadedMain main(number, loses_worker ? 1 : 0, seed, token_file, true);
  if (loses_worker) {
    if (main.ReadLine() == "killed 1") {
      ++tally.kills;
    } else {
      std::fprintf(stderr, "torture: a main did not go on\n");
      ++tally.hangs;
    }
  }
  ::usleep(static_cast<useconds_t>(random() % kLongestPauseUs));
  main.Kill();
  ++tally.kills;
  tally.leaks += ReapAll();
}

size_t CountDoubled(const std::string& token_file) {
  std::ifstream file(token_file, std::ios::binary);
  std::vector<uint64_t> tokens;
  for (uint64_t token; file.read(reinterpret_cast<char*>(&token), sizeof(token));) {
    tokens.push_back(token);
  }
  std::sort(tokens.begin(), tokens.end());
  size_t doubled = 0;
  for (size_t i = 1; i < tokens.size(); ++i) doubled += tokens[i] == tokens[i - 1] ? 1 : 0;
  return doubled;
}

std::string NewTokenFile() {
  const char* folder = ::getenv("TEST_TMPDIR");
  std::string path = absl::StrCat(folder == nullptr ? "/tmp" : folder, "/torture.XXXXXX");
  const int file = ::mkstemp(path.data());
  if (file < 0) ::perror("mkstemp"), ::exit(2);
  ::close(file);
  return path;
}

int Run() {
  const int kills = absl::GetFlag(FLAGS_kills);
  uint64_t seed = absl::GetFlag(FLAGS_seed);
  if (seed == 0) seed = std::random_device()() % 1'000'000 + 1;
  std::printf("torture --kills=%d --seed=%lu --threads=%d\n", kills, seed,
              absl::GetFlag(FLAGS_threads));
  std::fflush(stdout);
  AdoptOrphans();
  const std::string token_file = NewTokenFile();
  const int64_t start_us = NowUs();
  Tally tally;
  TortureWorkers(kills - kills * 2 / 10, seed, token_file, tally);
  const int left = kills - tally.kills;
  for (int number = 2; tally.kills < kills && number < left + 2; ++number) {
    const bool loses_worker = number % 8 != 0 && tally.kills + 2 <= kills;
    TortureMain(number, seed + static_cast<uint64_t>(number), loses_worker, token_file, tally);
  }
  tally.doubled = CountDoubled(token_file);
  ::unlink(token_file.c_str());
  std::printf(
      "%.1f s; of one main's %lu calls %lu were answered and %lu ended in an error, %lu wrong\n",
      static_cast<double>(NowUs() - start_us) / 1e6, tally.calls, tally.answers, tally.errors,
      tally.wrong);
  if (!tally.good()) {
    std::printf("the same again: torture --kills=%d --seed=%lu --threads=%d\n", kills, seed,
                absl::GetFlag(FLAGS_threads));
  }
  std::printf("kills %d hangs %zu leaks %zu unanswered %lu doubled %zu\n", tally.kills, tally.hangs,
              tally.leaks, tally.unanswered, tally.doubled);
  return tally.good() ? 0 : 1;
}

}  // namespace
}  // namespace slabpipe::tests

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return slabpipe::tests::Run();
}
