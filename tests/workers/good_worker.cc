// A worker that keeps the protocol, with functions of every shape, and with those that print, wait,
// throw and die when asked to. What it does badly it does as any program might: none of it is about
// the protocol.
//
// Its first argument, if there is one, is what process.argument returns.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/worker.h"
#include "slabpipe/tests/workers/values.h"

extern char** environ;

namespace slabpipe::tests {
namespace {

Worker* the_worker = nullptr;
std::optional<NdArray<double>> kept;              // of the worker's own
std::optional<NdArray<const double>> kept_param;  // of main's
std::string first_argument;

// Arrays.

double Sum(const NdArray<const double>& x) {
  const std::vector<double> elements = x.ToVector();
  return std::accumulate(elements.begin(), elements.end(), 0.0);
}

double SumAll(const std::vector<NdArray<const double>>& arrays) {
  double sum = 0;
  for (const NdArray<const double>& array : arrays) sum += Sum(array);
  return sum;
}

// `size` elements 0, 1, 2, ...; in memory that is reserved for the answer, or in private memory.
absl::StatusOr<NdArray<double>> MakeArray(int64_t size, bool reserved) {
  absl::StatusOr<NdArray<double>> array =
      reserved ? the_worker->NewArray<double>({size}) : NdArray<double>::Create({size});
  if (array.ok()) std::iota(array->span().begin(), array->span().end(), 0.0);
  return array;
}

absl::StatusOr<std::vector<NdArray<double>>> MakeArrays(int64_t count, int64_t size,
                                                        bool reserved) {
  std::vector<NdArray<double>> arrays;
  for (int64_t i = 0; i < count; ++i) {
    absl::StatusOr<NdArray<double>> array = MakeArray(size, reserved);
    if (!array.ok()) return array.status();
    arrays.push_back(*array);
  }
  return arrays;
}

absl::StatusOr<NdArray<double>> MakeAndKeep(int64_t size, bool reserved) {
  absl::StatusOr<NdArray<double>> array = MakeArray(size, reserved);
  if (array.ok()) kept = *array;
  return array;
}

// Writes to what an earlier answer may still point into: only to tell whether it does.
void Poke(int64_t index, double value) { (*kept)(index) = value; }

void Keep(const NdArray<const double>& array) { kept_param = array; }
double SumOfKept() { return kept_param.has_value() ? Sum(*kept_param) : -1; }
void Drop() {
  kept.reset();
  kept_param.reset();
}

// Arguments.

std::string Describe(int64_t a, const std::string& b, double c) {
  return absl::StrCat("a=", a, " b=", b, " c=", c);
}
int64_t Subtract(int64_t a, int64_t b) { return a - b; }
std::string View(absl::string_view text) { return absl::StrCat("<", text, ">"); }

// Errors.

[[gnu::noinline]] void ThrowDeepDown(const std::string& what) { throw std::runtime_error(what); }
void Throw(const std::string& what) { ThrowDeepDown(what); }
void ThrowNested() {
  try {
    try {
      throw std::out_of_range("the innermost");
    } catch (...) {
      std::throw_with_nested(std::runtime_error("in between"));
    }
  } catch (...) {
    std::throw_with_nested(std::logic_error("the outermost"));
  }
}
void ThrowInt() { throw 42; }
// Level 1 on account of level 2, and so on.
[[gnu::noinline]] void ThrowDeeplyNested(int level, int levels) {
  if (level == levels) throw std::out_of_range(absl::StrCat("level ", level));
  try {
    ThrowDeeplyNested(level + 1, levels);
  } catch (...) {
    std::throw_with_nested(std::runtime_error(absl::StrCat("level ", level)));
  }
}
void ThrowHuge(int64_t bytes) {
  throw std::runtime_error(std::string(static_cast<size_t>(bytes), 'x'));
}
// No std::exception, but nested all the same.
struct Oddity : std::nested_exception {};
void ThrowOddity() {
  try {
    ThrowDeepDown("what lies below");
  } catch (...) {
    throw Oddity();
  }
}
// Catches another exception while the first one is under way.
struct Careful {
  ~Careful() {
    try {
      throw std::logic_error("caught again");
    } catch (const std::logic_error&) {
    }
  }
};
void ThrowPastACarefulOne(const std::string& what) {
  Careful careful;
  ThrowDeepDown(what);
}
struct Careless {
  ~Careless() noexcept(false) { throw std::logic_error("the second"); }
};
[[gnu::noinline]] void ThrowWhileUnwinding() {
  Careless careless;
  ThrowDeepDown("the first");
}
class WhatThrows : public std::exception {
 public:
  const char* what() const noexcept override {
    ThrowDeepDown("no words");
    return "";
  }
};
absl::Status ReturnStatus(int code, const std::string& message) {
  return absl::Status(static_cast<absl::StatusCode>(code), message);
}
absl::StatusOr<double> ReturnStatusOr(bool ok) {
  if (ok) return 1.5;
  return absl::OutOfRangeError("no number");
}

// Output.

void Print(const std::string& text) {
  ::fputs(text.c_str(), stdout);
  ::fflush(stdout);
}
void Complain(const std::string& text) { ::fputs(text.c_str(), stderr); }
void Log(int severity, const std::string& text) {
  the_worker->Log(static_cast<LogSeverity>(severity), text);
}
void LogOften(int lines, const std::string& text) {
  for (int i = 0; i < lines; ++i) Log(0, text);
}
// So many lines each to stdout, to stderr, and to the log.
void Flood(int lines) {
  for (int i = 0; i < lines; ++i) {
    ::printf("printed %d\n", i);
    Complain("complained\n");
    Log(0, "logged");
  }
}
void LogFromThreads(int threads, int lines) {
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([lines] { LogOften(lines, "from a thread"); });
  }
  for (std::thread& thread : all) thread.join();
}

// Time.

// Returns when somebody has opened the FIFO `path` for writing and closed it again. Opening it for
// writing waits for this.
void WaitFor(const std::string& path) {
  const int fifo = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char byte;
  while (::read(fifo, &byte, 1) > 0) {
  }
  ::close(fifo);
}
void PrintAndWait(const std::string& text, const std::string& path) {
  Print(text);
  WaitFor(path);
}
// Returns at once. When the FIFO has been opened and closed, drops what is kept, and says so on
// stderr.
void DropWhen(const std::string& path) {
  static std::jthread dropper;  // joined at the end
  dropper = std::jthread([path] {
    WaitFor(path);
    Drop();
    Complain("dropped\n");
  });
}

absl::StatusOr<NdArray<double>> MakeArrayAfter(const std::string& path, int64_t size) {
  WaitFor(path);
  return MakeArray(size, /*reserved=*/true);
}
void LogOftenAfter(const std::string& path, int lines, const std::string& text) {
  WaitFor(path);
  LogOften(lines, text);
}

[[noreturn]] void Hang() {
  Complain("hangs\n");
  while (true) ::pause();
}

[[noreturn]] void HangAfter(const std::string& path) {
  WaitFor(path);
  while (true) ::pause();
}

// Streams.

absl::Status TenResults(ResultWriter<int64_t>& results) {
  for (int64_t i = 0; i < 10; ++i) {
    if (absl::Status written = results.Write(i); !written.ok()) return written;
  }
  return absl::OkStatus();
}

// The process.

// Needs more stack than there is.
[[gnu::noinline]] int Recurse(int depth) {
  volatile char page[4096];
  page[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : Recurse(depth + 1) + page[0];
}

void Die(const std::string& how) {
  if (how == "segv") *reinterpret_cast<volatile int*>(8) = 1;
  if (how == "abort") ::abort();
  if (how == "exit 7") ::exit(7);
  if (how == "exit 0") ::_exit(0);
  if (how == "kill") ::kill(::getpid(), SIGKILL);
  if (how == "terminate") std::terminate();
  if (how == "throw while unwinding") ThrowWhileUnwinding();
  if (how == "what throws") throw WhatThrows();
  if (how == "stack") ::printf("%d\n", Recurse(0));
}

void LastWordsThenDie(const std::string& words, const std::string& how) {
  Complain(words);
  Die(how);
}

// Says its last words in three ways, none of which it finishes.
void SayAllThenDie(const std::string& words, const std::string& how) {
  Log(2, "logged " + words);
  ::printf("a whole line\nprinted %s", words.c_str());
  ::fflush(stdout);
  Complain("complained " + words);
  Die(how);
}

std::optional<std::string> Environment(const std::string& name) {
  const char* value = ::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

// A child of its own that would run for ever: this one's pid.
int64_t StartGrandchild() {
  const char* arguments[] = {"sleep", "100000", nullptr};
  pid_t pid = -1;
  if (::posix_spawnp(&pid, "sleep", nullptr, nullptr, const_cast<char**>(arguments), environ) !=
      0) {
    return -1;
  }
  return pid;
}

int64_t RaiseMemoryUse(int64_t bytes) {
  std::string memory(static_cast<size_t>(bytes), 'x');
  return static_cast<int64_t>(memory.size());
}

// Opens files until no descriptor is left.
void UseUpDescriptors() {
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 128;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
  }
}

// Its limit of them.
int64_t OpenFiles() {
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int64_t>(limit.rlim_cur);
}

int64_t Counter() {
  static int64_t count = 0;
  return ++count;
}

void RegisterAll(Worker& worker) {
  worker.codecs().AddFirst(std::make_unique<CloudCodec>()).IgnoreError();
  worker.codecs().AddFirst(std::make_unique<BombCodec>()).IgnoreError();

  worker.Register("echo.value", [](const Value& x) { return x; }, "Any small value.", {"x"});
  worker.Register("echo.flag", [](bool x) { return x; });
  worker.Register("echo.integer", [](int64_t x) { return x; });
  worker.Register("echo.byte", [](uint8_t x) { return x; }, "", {"x"});
  worker.Register("echo.real", [](double x) { return x; });
  worker.Register("echo.text", [](const std::string& x) { return x; });
  worker.Register("echo.array", [](const AnyNdArray& x) { return x; });
  worker.Register("echo.doubles", [](NdArray<const double> x) { return x; });
  worker.Register("echo.vector", [](const std::vector<double>& x) { return x; });
  worker.Register("echo.texts", [](const std::vector<std::string>& x) { return x; });
  worker.Register("echo.record", [](const Fit& x) { return x; });
  worker.Register("echo.records", [](const std::vector<Fit>& x) { return x; });
  worker.Register("echo.dataset", [](const Dataset& x) { return x; });
  worker.Register("echo.table", [](const Table& x) { return x; });
  worker.Register("echo.cloud", [](const Cloud& x) { return x; });
  worker.Register("echo.maybe", [](const std::optional<int64_t>& x) { return x; });
  worker.Register("echo.object", [](const Object& x) { return x; });

  worker.Register("arrays.sum", Sum, "The sum of all elements.", {"x"});
  worker.Register("arrays.sum_all", SumAll);
  worker.Register("arrays.make", MakeArray, "", {"size", "reserved"});
  worker.Register("arrays.make_after", MakeArrayAfter);
  worker.Register("arrays.make_many", MakeArrays, "", {"count", "size", {"reserved", false}});
  worker.Register("arrays.make_and_keep", MakeAndKeep);
  worker.Register("arrays.poke", Poke);
  worker.Register("arrays.keep", Keep);
  worker.Register("arrays.sum_of_kept", SumOfKept);
  worker.Register("arrays.drop", Drop);
  worker.Register("arrays.drop_when", DropWhen);

  worker.Register("arguments.describe", Describe, "Shows its arguments.",
                  {"a", {"b", "none"}, {"c", 2.5}});
  worker.Register("arguments.subtract", Subtract);
  worker.Register("arguments.view", View);
  worker.Register("arguments.none", [] {});

  worker.Register("errors.throw", Throw);
  worker.Register("errors.throw_nested", ThrowNested);
  worker.Register("errors.throw_int", ThrowInt);
  worker.Register("errors.throw_deeply_nested", [](int n) { ThrowDeeplyNested(1, n); });
  worker.Register("errors.throw_huge", ThrowHuge);
  worker.Register("errors.throw_oddity", ThrowOddity);
  worker.Register("errors.throw_past_a_careful_one", ThrowPastACarefulOne);
  worker.Register("errors.status", ReturnStatus);
  worker.Register("errors.status_or", ReturnStatusOr);
  worker.Register("errors.bad_text", [] { return std::string("\xff\xfe"); });
  worker.Register("errors.too_large",
                  [] { return ValueList(20'000, Value(std::string(4000, 'x'))); });

  worker.Register("output.print", Print);
  worker.Register("output.print_and_wait", PrintAndWait);
  worker.Register("output.complain", Complain);
  worker.Register("output.log", Log);
  worker.Register("output.log_often_after", LogOftenAfter);
  worker.Register("output.flood", Flood);
  worker.Register("output.log_from_threads", LogFromThreads);

  worker.Register("faults.take", [](const NdArray<const double>&, const std::string&) {});
  worker.Register("stream.ten", TenResults);

  worker.Register("time.wait_for", WaitFor);
  worker.Register("time.hang_after", HangAfter);
  worker.Register("time.hang", Hang);

  worker.Register("process.pid", [] { return static_cast<int64_t>(::getpid()); });
  worker.Register("process.argument", [] { return first_argument; });
  worker.Register("process.environment", Environment);
  worker.Register("process.folder", [] { return std::filesystem::current_path().string(); });
  worker.Register("process.niceness", [] { return ::getpriority(PRIO_PROCESS, 0); });
  worker.Register("process.open_files", OpenFiles);
  worker.Register("process.die", Die);
  worker.Register("process.crash", [] { Die("segv"); });
  worker.Register("process.last_words_then_die", LastWordsThenDie);
  worker.Register("process.say_all_then_die", SayAllThenDie);
  worker.Register("process.grandchild", StartGrandchild);
  worker.Register("process.raise_memory_use", RaiseMemoryUse);
  worker.Register("process.use_up_descriptors", UseUpDescriptors);
  worker.Register("process.count", Counter);
}

}  // namespace
}  // namespace slabpipe::tests

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  slabpipe::tests::the_worker = &worker;
  if (argc > 1) slabpipe::tests::first_argument = argv[1];
  slabpipe::tests::RegisterAll(worker);
  return worker.Serve();
}
