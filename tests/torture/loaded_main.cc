// A main program under load, which kills its own workers at random instants: in calls, between
// calls, while they start.
//
// Prints "killed" and how many when that is done, and there is a worker again. Then, told to
// "linger", it goes on under load until it is killed; told to "finish", it stops, looks for what
// has been left behind, and prints
//   calls N answers N errors N wrong N unanswered N leaks N
//
// A call that takes very long ends the program with a message and, if gdb is there, with the stacks
// of all threads: code 3.
//
// usage: loaded_main KILLS SEED THREADS FIRST_TOKEN TOKEN_FILE linger|finish SECONDS

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/testing/clock.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/torture/load.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe::tests {
namespace {

constexpr int kHung = 3;
constexpr int64_t kLongestCallUs = (kSanitized ? 120 : 30) * int64_t{1'000'000};
constexpr uint64_t kLongestPauseUs = 5'000;

// What this process holds while it has one worker and nothing is called.
struct Holdings {
  size_t descriptors, mappings, children, threads, names, resident_bytes;

  static Holdings Now() {
    size_t threads = 0;
    for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
      ++threads;
    return {.descriptors = OpenDescriptors(),
            .mappings = SegmentMappings(),
            .children = Children().size(),
            .threads = threads,
            .names = SharedMemoryEntries(PosixSegmentPrefix()).size(),
            .resident_bytes = ResidentBytes()};
  }
};

// Tells whether `now` is more than `before` and an allowance.
size_t Leaks(const char* what, size_t before, size_t now, size_t allowance) {
  if (now <= before + allowance) return 0;
  std::fprintf(stderr, "torture: %s: %zu, now %zu\n", what, before, now);
  return 1;
}

// Memory, mappings and descriptors of segments depend on what has been in use at once. What is left
// at each kill is much more than is allowed for.
size_t CountLeaks(const Holdings& before, const Holdings& now, size_t kills) {
  const size_t allowance = 16 + kills / 50;
  size_t leaks = Leaks("descriptors", before.descriptors, now.descriptors, allowance) +
                 Leaks("mappings", before.mappings, now.mappings, allowance) +
                 Leaks("children", before.children, now.children, 0) +
                 Leaks("threads", before.threads, now.threads, 0) +
                 Leaks("names in /dev/shm", before.names, now.names, 0);
  if (!kSanitized) {
    leaks += Leaks("resident bytes", before.resident_bytes, now.resident_bytes, size_t{48} << 20);
  }
  return leaks;
}

// Ends the program when a call takes too long.
class HangWatch {
 public:
  explicit HangWatch(const Load& load) : load_(load), thread_([this] { Run(); }) {}
  ~HangWatch() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run() {
    while (!stop_) {
      ::usleep(50'000);
      const int64_t since = load_.oldest_call();
      const int64_t latest = NowUs() - kLongestCallUs;
      if (since != 0 && since < latest) Bark(load_.calls_since(latest));
    }
  }
  [[noreturn]] static void Bark(uint64_t unanswered) {
    std::fprintf(stderr, "torture: a call does not come back\n");
    std::printf("unanswered %lu\n", unanswered);
    std::fflush(stdout);
    const std::string command = absl::StrCat(
        "gdb -p ", ::getpid(), " -batch -ex 'thread apply all backtrace' 1>&2 2>/dev/null");
    if (::system(command.c_str()) != 0) std::fprintf(stderr, "torture: no gdb, no stacks\n");
    ::_exit(kHung);
  }

  const Load& load_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// A child of this process that has not been killed yet. It may be starting, or even be about to be
// a worker.
pid_t AwaitOtherChild(pid_t last) {
  while (true) {
    for (const pid_t child : Children()) {
      if (child != last && !IsZombie(child)) return child;
    }
    ::usleep(100);
  }
}

void KillWorkers(int kills, uint64_t seed, int64_t end_us, int& killed, pid_t& last) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < kills && NowUs() < end_us; ++i) {
    last = AwaitOtherChild(last);
    ::usleep(static_cast<useconds_t>(random() % kLongestPauseUs));
    ::kill(last, SIGKILL);
    ++killed;
  }
}

void AwaitAnswers(Load& load, uint64_t count) {
  const uint64_t enough = load.answers() + count;
  while (load.answers() < enough) ::usleep(1000);
}

absl::StatusOr<Session> StartSession(const std::string& token_file) {
  return Session::Start({.program = "token_worker",
                         .arguments = {token_file},
                         .start_timeout = absl::Seconds(60),
                         .restart = {.most_restarts = std::numeric_limits<int>::max(),
                                     .first_delay = absl::Milliseconds(1),
                                     .max_delay = absl::Milliseconds(5)},
                         .log_sink = [](const LogRecord&) {},
                         .max_kept_bytes = size_t{32} << 20});
}

struct Arguments {
  int kills;
  uint64_t seed;
  int threads;
  uint64_t first_token;
  std::string token_file;
  bool lingers;
  int64_t end_us;
};

int Torture(const Arguments& arguments) {
  absl::StatusOr<Session> session = StartSession(arguments.token_file);
  if (!session.ok()) {
    std::fprintf(stderr, "torture: %s\n", session.status().ToString().c_str());
    return 1;
  }
  const LoadOptions options = {
      .threads = arguments.threads, .seed = arguments.seed, .first_token = arguments.first_token};
  Load load(*session, options);
  HangWatch watch(load);
  int killed = 0;
  pid_t last = -1;
  // The first ones are for warming up: pools, caches, heaps.
  KillWorkers(arguments.kills / 4, arguments.seed, arguments.end_us, killed, last);
  AwaitAnswers(load, 50);
  const Holdings before = Holdings::Now();
  KillWorkers(arguments.kills - arguments.kills / 4, arguments.seed + 1, arguments.end_us, killed,
              last);
  AwaitAnswers(load, 50);
  std::printf("killed %d\n", killed);
  std::fflush(stdout);
  while (arguments.lingers) ::pause();
  load.Stop();
  const LoadReport report = load.report();
  const size_t leaks =
      CountLeaks(before, Holdings::Now(), static_cast<size_t>(killed - arguments.kills / 4));
  std::printf("calls %lu answers %lu errors %lu wrong %lu unanswered %lu leaks %zu\n", report.calls,
              report.answers, report.errors, report.wrong, report.unanswered, leaks);
  return 0;
}

}  // namespace
}  // namespace slabpipe::tests

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  return slabpipe::tests::Torture(
      {.kills = std::atoi(argv[1]),
       .seed = std::strtoull(argv[2], nullptr, 10),
       .threads = std::atoi(argv[3]),
       .first_token = std::strtoull(argv[4], nullptr, 10),
       .token_file = argv[5],
       .lingers = std::string(argv[6]) == "linger",
       .end_us = slabpipe::tests::NowUs() + std::atoll(argv[7]) * 1'000'000});
}
