// Two processes that spin on two cores, and a bare ring each way between them: 64 bytes there and
// back.

#include <atomic>
#include <cstddef>

#include "slabpipe/bench/floors/floors.h"
#include "slabpipe/bench/floors/peer_process.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/repeat.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kSlots = 16;
constexpr uint64_t kNever = ~uint64_t{0};
constexpr int64_t kPatienceNs = 5 * kNsPerSecond;

// One direction. Each slot carries its payload beside its sequence number, so that one transfer of
// cache lines brings both. No check of anything, no lengths, no sleep: as bare as a ring can be.
class BareRing {
 public:
  void Push(const Small& payload) {
    Slot& slot = slots_[next_ % kSlots];
    slot.payload = payload;
    // Pairs with the acquire in Pop: who sees the number sees the payload.
    slot.sequence.store(++next_, std::memory_order_release);
  }
  // False if nothing came for seconds.
  bool Pop(uint64_t index, Small& payload) {
    Slot& slot = slots_[index % kSlots];
    for (uint32_t spins = 1; slot.sequence.load(std::memory_order_acquire) != index + 1; ++spins) {
      __builtin_ia32_pause();
      if (spins % (1 << 22) == 0 && HasWaitedLong()) return false;
    }
    patient_since_ = 0;
    payload = slot.payload;
    return true;
  }

 private:
  struct alignas(128) Slot {
    std::atomic<uint64_t> sequence = kNever;
    Small payload = {};
  };
  bool HasWaitedLong() {
    const int64_t now = NowNs();
    if (patient_since_ == 0) patient_since_ = now;
    return now - patient_since_ > kPatienceNs;
  }

  Slot slots_[kSlots];
  alignas(128) uint64_t next_ = 0;          // the pusher's
  alignas(128) int64_t patient_since_ = 0;  // the popper's
};

struct Rings {
  BareRing there;
  BareRing back;
};

void Answer(Rings& rings) {
  if (!PlaceSelf("two-cores", 1).ok()) return;
  Small small;
  for (uint64_t i = 0; rings.there.Pop(i, small); ++i) rings.back.Push(SmallAnswer(small));
}

}  // namespace

absl::StatusOr<Measurement> MeasureRing(const Request& request) {
  if (absl::Status placed = PlaceSelf("two-cores", 0); !placed.ok()) return placed;
  SharedWithChildren<Rings> rings;
  if (!rings.ok()) return absl::ResourceExhaustedError("no shared memory");
  absl::StatusOr<PeerProcess> peer = PeerProcess::Fork([&] { Answer(*rings); });
  if (!peer.ok()) return peer.status();
  return Repeat(request, [&](int64_t i) -> absl::Status {
    const auto number = static_cast<uint64_t>(i);
    rings->there.Push(SmallRequest(number));
    Small answer;
    if (!rings->back.Pop(number, answer)) return absl::UnavailableError("the ring fell silent");
    return CheckAnswer(answer, number);
  });
}

}  // namespace slabpipe::bench
