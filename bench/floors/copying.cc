// memcpy between warm, private memory: by one thread, by two, and of many small arrays.

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "slabpipe/bench/floors/floors.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/many.h"
#include "slabpipe/bench/harness/repeat.h"

namespace slabpipe::bench {
namespace {

// The copy is used, so that the compiler can't leave it out.
void Copy(absl::Span<double> to, absl::Span<const double> from) {
  std::memcpy(to.data(), from.data(), from.size() * sizeof(double));
  asm volatile("" : : "r"(to.data()) : "memory");
}

// A second thread, on the second CPU, that spins until there is something to copy: it costs no
// wake-up.
class Helper {
 public:
  Helper() : thread_([this] { Run(); }) {}
  ~Helper() {
    command_.store(kEnd, std::memory_order_release);
    thread_.join();
  }

  void Begin(absl::Span<double> to, absl::Span<const double> from) {
    to_ = to;
    from_ = from;
    // Pairs with the acquire in Run.
    command_.store(kCopy, std::memory_order_release);
  }
  // Pairs with the release in Run: what it copied is visible after this.
  void Finish() {
    while (command_.load(std::memory_order_acquire) != kIdle) __builtin_ia32_pause();
  }

 private:
  enum Command { kIdle, kCopy, kEnd };

  void Run() {
    if (!PlaceThread("two-cores", 1).ok()) return;
    for (;;) {
      switch (command_.load(std::memory_order_acquire)) {
        case kIdle:
          __builtin_ia32_pause();
          break;
        case kCopy:
          Copy(to_, from_);
          command_.store(kIdle, std::memory_order_release);
          break;
        case kEnd:
          return;
      }
    }
  }

  absl::Span<double> to_;
  absl::Span<const double> from_;
  std::atomic<Command> command_ = kIdle;
  std::thread thread_;  // last: it uses the others
};

template <typename CopyAll>
absl::StatusOr<Measurement> MeasureCopies(const Request& request, absl::string_view place,
                                          CopyAll copy_all) {
  if (absl::Status placed = PlaceThread(place, 0); !placed.ok()) return placed;
  std::vector<double> from = PatternArray(request.elements());
  std::vector<double> to(from.size());
  if (from.empty()) return absl::InvalidArgumentError("at least 8 bytes");
  return Repeat(
      request,
      [&](int64_t i) {
        from[0] = Tag(i);
        return absl::OkStatus();
      },
      [&](int64_t i) {
        copy_all(absl::MakeSpan(to), absl::MakeConstSpan(from));
        return CheckLook(Look(to, request.touched()),
                         ExpectedLook(to.size(), Tag(i), request.touched()));
      });
}

}  // namespace

absl::StatusOr<Measurement> MeasureMemcpy(const Request& request) {
  return MeasureCopies(request, request.mode, Copy);
}

absl::StatusOr<Measurement> MeasureMemcpyByTwo(const Request& request) {
  if (AllowedCpus().size() < 2) return absl::UnimplementedError("two threads need two CPUs");
  Helper helper;
  return MeasureCopies(request, "two-cores",
                       [&](absl::Span<double> to, absl::Span<const double> from) {
                         const size_t half = from.size() / 2;
                         helper.Begin(to.subspan(half), from.subspan(half));
                         Copy(to.subspan(0, half), from.subspan(0, half));
                         helper.Finish();
                       });
}

// Array by array into one warm buffer.
absl::StatusOr<Measurement> MeasureMemcpyOfMany(const Request& request) {
  if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
  ManyArrays arrays;
  std::vector<double> to(kManyArrays * kManyElements);
  return Repeat(
      request,
      [&](int64_t i) {
        arrays.SetTag(Tag(i));
        return absl::OkStatus();
      },
      [&](int64_t i) {
        for (size_t k = 0; k < kManyArrays; ++k) {
          Copy(absl::MakeSpan(to).subspan(k * kManyElements, kManyElements), arrays.array(k));
        }
        double seen = 0;
        for (size_t k = 0; k < kManyArrays; ++k) {
          seen += Look({&to[k * kManyElements], kManyElements}, request.touched());
        }
        return CheckLook(seen, ExpectedOfMany(Tag(i), request.touched()));
      });
}

}  // namespace slabpipe::bench
