// ForkWatch: tells a process from a copy that was forked from it.
//
//   const ForkWatch watch;
//   ...
//   if (watch.in_forked_child()) return;   // threads and locks are not what they were here
//
// A forked child has everything twice but the threads: locks may be held for ever, and what it says
// through a descriptor is said in its parent's name.

#ifndef SLABPIPE_TRANSPORT_FORK_WATCH_H_
#define SLABPIPE_TRANSPORT_FORK_WATCH_H_

#include <cstdint>

namespace slabpipe {

// A small value; thread-safe. Costs no system call. Does not see children that are made by clone(2)
// directly; posix_spawn, vfork and system make none that could run this program's code.
class ForkWatch {
 public:
  ForkWatch();
  // Whether this is a process that was forked from the one where this object was made.
  bool in_forked_child() const;

 private:
  uint64_t generation_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_FORK_WATCH_H_
