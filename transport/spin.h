// SpinPolicy: how long to look for a message before going to sleep for it.
//
//   SpinPolicy policy(absl::Microseconds(50));
//   if (policy.Spin(peer_cpu, deadline, [&] { return ring.HasFrame(); })) ...  // it came
//   else { sleep; policy.Slept(how_long_it_all_took); }
//
// To wake a sleeping core takes tens of microseconds, and a message that comes within them is had
// sooner by looking. But looking is the worst there is when the peer needs this very core to
// answer. So: never if the peer was last seen on the CPU that this thread runs on; and as long as
// it lately paid off, at most the budget. A wait that took longer than the budget halves what the
// next one may spend; one that was shorter gives all of it back. (Asleep, it counts as shorter up
// to twice the budget: the waking up is part of it, and would not have been.) So an idle pipe soon
// goes to sleep at once, and a busy one wakes up to spinning after one short sleep.

#ifndef SLABPIPE_TRANSPORT_SPIN_H_
#define SLABPIPE_TRANSPORT_SPIN_H_

#include <cstdint>

#include "absl/time/time.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// The CPU that the calling thread runs on.
uint32_t CurrentCpu();

// Tells the processor that this is a wait loop.
inline void CpuRelax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Thread-compatible: one waiting thread's.
class SpinPolicy {
 public:
  // `budget`: the longest to spin, at most a second, for it is not interrupted; zero: never. On a
  // machine with one CPU: never.
  explicit SpinPolicy(absl::Duration budget);

  // Spins until `ready()` is true (returns true), or the budget is used up, the deadline has
  // passed, or the peer is found on this CPU (returns false). `peer_cpu()` tells where the peer was
  // seen last; it is believed for nothing but this.
  template <typename Ready, typename PeerCpu>
  bool Spin(const Deadline& deadline, Ready&& ready, PeerCpu&& peer_cpu);

  // After a wait that ended asleep: how long it took in all, spinning included.
  void Slept(int64_t nanoseconds);

  // What the next wait may spend.
  int64_t budget_nanoseconds() const { return misses_ > kMostMisses ? 0 : budget_ >> misses_; }

 private:
  static constexpr int kMostMisses = 6;
  static constexpr int kLooksBetweenClocks = 64;

  int64_t budget_;  // nanoseconds
  int misses_ = 0;  // lately, in a row
};

// Implementation details only below this line.

template <typename Ready, typename PeerCpu>
bool SpinPolicy::Spin(const Deadline& deadline, Ready&& ready, PeerCpu&& peer_cpu) {
  const int64_t budget = budget_nanoseconds();
  if (budget == 0 || peer_cpu() == CurrentCpu()) return false;
  int64_t end = 0;
  while (true) {
    for (int look = 0; look < kLooksBetweenClocks; ++look) {
      if (ready()) {
        misses_ = 0;
        return true;
      }
      CpuRelax();
    }
    const int64_t now = MonotonicNanoseconds();
    if (end == 0) end = now + budget;
    if (now >= end || deadline.HasPassedAt(now) || peer_cpu() == CurrentCpu()) return false;
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_SPIN_H_
