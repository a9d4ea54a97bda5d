#include "slabpipe/session/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/read_text.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::Optional;
using ::testing::StartsWith;

constexpr char kInspector[] = "tests/workers/inspector";

// Takes the rights of root away from this process. For a child.
void DropPrivileges() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[2] = {};
  ASSERT_EQ(::syscall(SYS_capset, &header, none), 0);
}

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildProcessTest() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
  }
  ~ChildProcessTest() override { EXPECT_THAT(tests::Children(), IsEmpty()) << "zombies"; }

  // The inspector, told to do `what`; its stdout can be read.
  ChildProcess Start(std::vector<std::string> what, SpawnOptions options = {}) {
    options.path = kInspector;
    options.arguments = std::move(what);
    options.descriptors.push_back({writer_.get(), 1});
    absl::StatusOr<ChildProcess> child = ChildProcess::Spawn(options);
    if (!child.ok()) ::abort();
    return *std::move(child);
  }
  // The same; it waits until all that Spawn does has been done.
  ChildProcess StartRestricted(const std::string& what, SpawnOptions options) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd start(ends[0]), closed_at_the_end(ends[1]);
    options.descriptors.push_back({start.get(), 5});
    return Start({what}, std::move(options));
  }
  // What it printed till its end.
  std::vector<std::string> Output() {
    writer_.reset();
    return absl::StrSplit(tests::ReadToEnd(reader_.get()), '\n', absl::SkipEmpty());
  }
  // A number that it prints at once.
  pid_t ReadPid() {
    const std::string line = tests::ReadLine(reader_.get());
    int pid = -1;
    EXPECT_TRUE(absl::SimpleAtoi(line, &pid)) << line;
    return pid;
  }

  tests::Watchdog watchdog_;
  UniqueFd reader_, writer_;
};

// Spawn.

TEST_F(ChildProcessTest, WhatCanNotBeRunIsAStatus) {
  EXPECT_THAT(ChildProcess::Spawn({.path = "/no/such/program"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/such/program")));
  EXPECT_THAT(ChildProcess::Spawn({.path = "/etc/passwd"}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("/etc/passwd")));
  EXPECT_THAT(ChildProcess::Spawn({.path = "/tmp"}), StatusIs(absl::StatusCode::kPermissionDenied));
  const std::string path = ::testing::TempDir() + "/no_program";
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
  ASSERT_EQ(::write(file,
                    "\x7f"
                    "ELF",
                    4),
            4);
  ::close(file);
  EXPECT_THAT(ChildProcess::Spawn({.path = path}), StatusIs(absl::StatusCode::kInternal));
  ::unlink(path.c_str());
}

TEST_F(ChildProcessTest, WithoutDescriptorsItIsAStatus) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not under this sanitizer";
  EXPECT_TRUE(tests::PassesInChild([&] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(ChildProcess::Spawn({.path = kInspector, .descriptors = {{writer_.get(), 1}}}),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
    EXPECT_THAT(ChildProcess::Spawn({.path = kInspector}),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(tests::Children(), IsEmpty()) << "what was started has been ended";
  }));
}

TEST_F(ChildProcessTest, ArgumentsAndEnvironmentAreAsAsked) {
  ChildProcess child =
      Start({"show", "two words", ""}, {.path = kInspector, .environment = {{"INSPECTED", "a=b"}}});
  const std::vector<std::string> output = Output();
  EXPECT_THAT(output, IsSupersetOf({absl::StrCat("argument 0 ", kInspector),
                                    std::string("argument 2 two words"), std::string("argument 3 "),
                                    std::string("INSPECTED a=b")}));
  EXPECT_THAT(child.Wait(Deadline::Never()), Optional(WorkerEnd(Exited{.code = 0})));
}

TEST_F(ChildProcessTest, VariablesCanBeUnset) {
  ::setenv("INSPECTED", "1", 1);
  ChildProcess child =
      Start({"show"}, {.path = kInspector, .environment = {{"INSPECTED", std::nullopt}}});
  EXPECT_THAT(Output(), Contains("INSPECTED is not set"));
  EXPECT_STREQ(::getenv("INSPECTED"), "1") << "not of this process";
  ::unsetenv("INSPECTED");
}

TEST_F(ChildProcessTest, OnlyTheAgreedDescriptorsAreInherited) {
  std::vector<UniqueFd> open;  // without O_CLOEXEC, as careless applications do
  for (int i = 0; i < 20; ++i) open.emplace_back(::open("/dev/zero", O_RDONLY));
  const UniqueFd full(::open("/dev/full", O_RDWR));
  ChildProcess child = Start({"show"}, {.path = kInspector, .descriptors = {{full.get(), 5}}});
  std::vector<std::string> descriptors;
  for (std::string& line : Output()) {
    if (line.rfind("fd ", 0) == 0 && line.rfind("fd 1 ", 0) != 0 && line.rfind("fd 2 ", 0) != 0) {
      descriptors.push_back(std::move(line));
    }
  }
  EXPECT_THAT(descriptors, ::testing::UnorderedElementsAre("fd 0 /dev/null", "fd 5 /dev/full"));
}

TEST_F(ChildProcessTest, DescriptorsMayTradePlaces) {
  const UniqueFd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const UniqueFd full(::open("/dev/full", O_RDWR | O_CLOEXEC));
  ASSERT_LT(zero.get(), 10);
  ASSERT_LT(full.get(), 10);
  ChildProcess child = Start(
      {"show"},
      {.path = kInspector, .descriptors = {{zero.get(), full.get()}, {full.get(), zero.get()}}});
  EXPECT_THAT(Output(), IsSupersetOf({absl::StrCat("fd ", full.get(), " /dev/zero"),
                                      absl::StrCat("fd ", zero.get(), " /dev/full")}));
}

TEST_F(ChildProcessTest, SignalsAreAsANewProgramExpectsThemAndOursStay) {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigaddset(&blocked, SIGUSR1);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  struct sigaction ignore = {}, pipe_before, pipe_after;
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGPIPE, &ignore, &pipe_before), 0);
  ChildProcess child = Start({"show"});
  const std::vector<std::string> output = Output();
  EXPECT_THAT(output, IsSupersetOf({"blocked", "ignored", "leads 1"})) << "none and none";
  sigset_t after;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, &after), 0);
  EXPECT_EQ(::sigismember(&after, SIGUSR1), 1);
  EXPECT_EQ(::sigismember(&after, SIGINT), 0);
  ASSERT_EQ(::sigaction(SIGPIPE, &pipe_before, &pipe_after), 0);
  EXPECT_EQ(pipe_after.sa_handler, SIG_IGN);
}

TEST_F(ChildProcessTest, NoDescriptorIsLeftHere) {
  Start({"exit", "0"}).Kill();
  const size_t before = tests::OpenDescriptors();
  for (int i = 0; i < 5; ++i) Start({"exit", "0"}).Kill();
  EXPECT_EQ(tests::OpenDescriptors(), before);
}

// Where it runs, and what it may use.

TEST_F(ChildProcessTest, ItStartsInItsWorkingDirectory) {
  const std::string here = std::filesystem::current_path().string();
  const std::string folder = std::filesystem::canonical(::testing::TempDir()).string();
  StartRestricted("limits", {.path = kInspector, .working_directory = folder})
      .Wait(Deadline::Never());
  EXPECT_THAT(Output(), Contains(absl::StrCat("folder ", folder)))
      << "though the program's path is seen from here";
  EXPECT_EQ(std::filesystem::current_path().string(), here);
}

TEST_F(ChildProcessTest, AWorkingDirectoryThatIsNoneIsNamed) {
  EXPECT_THAT(
      ChildProcess::Spawn({.path = kInspector, .working_directory = "/no/such/folder"}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("working directory '/no/such/folder'")));
  EXPECT_THAT(ChildProcess::Spawn({.path = kInspector, .working_directory = "nowhere"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("seen from /")));
  EXPECT_THAT(ChildProcess::Spawn({.path = kInspector, .working_directory = "/etc/passwd"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/etc/passwd")));
}

TEST_F(ChildProcessTest, LimitsAreAsAsked) {
  const ResourceLimits limits = {
      .cpu_time = absl::Milliseconds(29'001), .open_files = 123, .core_bytes = 0};
  StartRestricted("limits", {.path = kInspector, .limits = limits}).Wait(Deadline::Never());
  EXPECT_THAT(Output(), IsSupersetOf({"processor 30 31", "files 123 123", "core 0 0"}));
}

TEST_F(ChildProcessTest, TheLimitOfMemoryIsAsAsked) {
  if (tests::kSanitized) GTEST_SKIP() << "sanitizers don't start with any";
  const ResourceLimits limits = {.memory_bytes = uint64_t{1} << 32};
  StartRestricted("limits", {.path = kInspector, .limits = limits}).Wait(Deadline::Never());
  EXPECT_THAT(Output(), Contains("memory 4294967296 4294967296"));
}

TEST_F(ChildProcessTest, WithoutLimitsTheyAreOurs) {
  rlimit files;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  StartRestricted("limits", {.path = kInspector}).Wait(Deadline::Never());
  EXPECT_THAT(Output(), IsSupersetOf({absl::StrCat("files ", files.rlim_cur, " ", files.rlim_max),
                                      absl::StrCat("niceness ", ::getpriority(PRIO_PROCESS, 0))}));
}

TEST_F(ChildProcessTest, TheLimitOfProcessorTimeIsNoLongerThanTheSystems) {
  EXPECT_TRUE(tests::PassesInChild([&] {
    const rlimit ours = {.rlim_cur = 100, .rlim_max = 100};
    ASSERT_EQ(::setrlimit(RLIMIT_CPU, &ours), 0);
    const ChildProcess child =
        Start({"hang"}, {.path = kInspector, .limits = {.cpu_time = absl::Seconds(100)}});
    rlimit limit;
    ASSERT_EQ(::prlimit(child.pid(), RLIMIT_CPU, nullptr, &limit), 0);
    EXPECT_EQ(limit.rlim_cur, 100u);
    EXPECT_EQ(limit.rlim_max, 100u);
  }));
}

TEST_F(ChildProcessTest, WhatTheSystemDoesNotAllowIsAStatusAndNothingRuns) {
  EXPECT_THAT(
      ChildProcess::Spawn(
          {.path = kInspector, .arguments = {"hang"}, .limits = {.open_files = uint64_t{1} << 40}}),
      StatusIs(absl::StatusCode::kPermissionDenied,
               AllOf(HasSubstr("open_files"), HasSubstr("RLIMIT_NOFILE"),
                     HasSubstr("1099511627776"), HasSubstr("allows at most"))));
  EXPECT_TRUE(tests::PassesInChild([] {
    const rlimit ours = {.rlim_cur = 64, .rlim_max = 64};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &ours), 0);
    DropPrivileges();
    EXPECT_THAT(ChildProcess::Spawn(
                    {.path = "/bin/sleep", .arguments = {"100000"}, .limits = {.open_files = 65}}),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("allows at most 64")));
    EXPECT_THAT(
        ChildProcess::Spawn({.path = "/bin/sleep", .arguments = {"100000"}, .niceness = -7}),
        StatusIs(absl::StatusCode::kPermissionDenied,
                 AllOf(HasSubstr("niceness to -7"), HasSubstr("allows "))));
    EXPECT_THAT(tests::Children(), IsEmpty());
  }));
}

TEST_F(ChildProcessTest, LimitsThatAreNoneAreRefused) {
  const auto refused = [](ResourceLimits limits, absl::string_view name) {
    EXPECT_THAT(ChildProcess::Spawn({.path = kInspector, .arguments = {"hang"}, .limits = limits}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  refused({.memory_bytes = 0}, "memory_bytes is 0");
  refused({.open_files = 0}, "open_files is 0");
  refused({.cpu_time = absl::ZeroDuration()}, "cpu_time is 0");
  refused({.cpu_time = -absl::Seconds(1)}, "cpu_time is -1s");
  refused({.cpu_time = absl::InfiniteDuration()}, "cpu_time is inf");
  for (const int niceness : {-21, 20}) {
    EXPECT_THAT(ChildProcess::Spawn({.path = kInspector, .niceness = niceness}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("is ", niceness, "; it is between -20 and 19"))));
  }
}

TEST_F(ChildProcessTest, OneThatUsesUpItsProcessorTimeIsEndedByItsSignal) {
  ChildProcess child =
      StartRestricted("spin", {.path = kInspector, .limits = {.cpu_time = absl::Milliseconds(1)}});
  const std::optional<WorkerEnd> end = child.Wait(Deadline::Never());
  ASSERT_TRUE(end.has_value() && std::holds_alternative<Signalled>(*end));
  EXPECT_EQ(std::get<Signalled>(*end).signal, SIGXCPU);
}

TEST_F(ChildProcessTest, NicenessIsAbsolute) {
  StartRestricted("limits", {.path = kInspector, .niceness = 19}).Wait(Deadline::Never());
  EXPECT_THAT(Output(), Contains("niceness 19"));
}

// Its end.

TEST_F(ChildProcessTest, TellsHowItEnded) {
  EXPECT_THAT(Start({"exit", "7"}).Wait(Deadline::Never()), Optional(WorkerEnd(Exited{.code = 7})));
  EXPECT_THAT(Start({"exit", "255"}).Wait(Deadline::Never()),
              Optional(WorkerEnd(Exited{.code = 255})));
  for (const int signal : {SIGTERM, SIGKILL, SIGUSR2}) {
    EXPECT_THAT(Start({"signal", absl::StrCat(signal)}).Wait(Deadline::Never()),
                Optional(WorkerEnd(Signalled{.signal = signal})));
  }
}

TEST_F(ChildProcessTest, TellsWhetherThereIsACoreDump) {
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_CORE, &limit), 0);
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  if (tests::kSanitized || limit.rlim_max == 0 || pattern.empty() || pattern[0] == '|') {
    GTEST_SKIP() << "this system, or a sanitizer, writes none";
  }
  const std::string folder = ::testing::TempDir() + "/dumps";
  std::filesystem::create_directories(folder);
  EXPECT_TRUE(tests::PassesInChild([&] {
    for (const bool dumps : {true, false}) {
      limit.rlim_cur = dumps ? limit.rlim_max : 0;
      ASSERT_EQ(::setrlimit(RLIMIT_CORE, &limit), 0);
      ChildProcess child =
          Start({"signal", absl::StrCat(SIGABRT)}, {.path = "", .working_directory = folder});
      EXPECT_THAT(child.Wait(Deadline::Never()),
                  Optional(WorkerEnd(Signalled{.signal = SIGABRT, .core_dumped = dumps})));
    }
  }));
  std::filesystem::remove_all(folder);
}

TEST_F(ChildProcessTest, WaitEndsAtItsDeadline) {
  ChildProcess child = Start({"hang"});
  EXPECT_EQ(child.Wait(Deadline::After(absl::ZeroDuration())), std::nullopt);
  EXPECT_EQ(child.Wait(Deadline::After(absl::Milliseconds(20))), std::nullopt);
  EXPECT_TRUE(tests::ProcessExists(child.pid()));
  EXPECT_EQ(child.Kill(), WorkerEnd(Signalled{.signal = SIGKILL}));
  EXPECT_FALSE(tests::ProcessExists(child.pid()));
}

TEST_F(ChildProcessTest, TheFirstEndStays) {
  ChildProcess child = Start({"exit", "3"});
  tests::AwaitEnd(child.pid());
  EXPECT_EQ(child.Kill(), WorkerEnd(Exited{.code = 3})) << "it had ended by itself";
  EXPECT_EQ(child.Kill(), WorkerEnd(Exited{.code = 3}));
  EXPECT_THAT(child.Wait(Deadline::Never()), Optional(WorkerEnd(Exited{.code = 3})));
}

TEST_F(ChildProcessTest, TheDestructorEndsAndReapsIt) {
  pid_t pid;
  {
    ChildProcess child = Start({"hang"});
    pid = child.pid();
    ChildProcess moved = std::move(child);
    EXPECT_TRUE(tests::ProcessExists(pid));
  }
  EXPECT_FALSE(tests::ProcessExists(pid));
}

TEST_F(ChildProcessTest, KillTakesItsChildrenAlong) {
  ChildProcess child = Start({"family"});
  const pid_t grandchild = ReadPid();
  ASSERT_TRUE(tests::ProcessExists(grandchild));
  child.Kill();
  tests::AwaitEnd(grandchild);
}

TEST_F(ChildProcessTest, ChildrenThatItLeavesBehindAreEndedWithIt) {
  ChildProcess child = Start({"leave"});
  const pid_t grandchild = ReadPid();
  EXPECT_THAT(child.Wait(Deadline::Never()), Optional(WorkerEnd(Exited{.code = 0})));
  tests::AwaitEnd(grandchild);
}

TEST_F(ChildProcessTest, ThePidfdIsReadableAtTheEnd) {
  ChildProcess child = Start({"hang"});
  WaitFd ended = {.fd = child.pidfd(), .events = POLLIN};
  const auto wait = [&](Deadline deadline) {
    return WaitForAny(absl::MakeSpan(&ended, 1), {.deadline = deadline});
  };
  EXPECT_THAT(wait(Deadline::After(absl::ZeroDuration())),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ::kill(child.pid(), SIGTERM);
  EXPECT_THAT(wait(Deadline::Never()), IsOk());
}

// An application may wait for all children, or for none.

TEST_F(ChildProcessTest, AnEndThatAnotherPartOfTheProgramHasTakenIsUnobserved) {
  ChildProcess child = Start({"exit", "3"});
  ASSERT_EQ(::waitpid(-1, nullptr, 0), child.pid());
  EXPECT_THAT(child.Wait(Deadline::Never()), Optional(WorkerEnd(EndedUnobserved())));
  EXPECT_EQ(child.Kill(), WorkerEnd(EndedUnobserved()));
}

TEST_F(ChildProcessTest, AnEndIsUnobservedWhileSigchldIsIgnored) {
  struct sigaction ignore = {}, before;
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGCHLD, &ignore, &before), 0);
  for (int i = 0; i < 50; ++i) {  // some have ended before Spawn returns
    EXPECT_THAT(Start({"exit", "3"}).Wait(Deadline::Never()),
                Optional(WorkerEnd(EndedUnobserved())));
  }
  EXPECT_EQ(Start({"hang"}).Kill(), WorkerEnd(EndedUnobserved()));
  ASSERT_EQ(::sigaction(SIGCHLD, &before, nullptr), 0);
}

}  // namespace
}  // namespace slabpipe
