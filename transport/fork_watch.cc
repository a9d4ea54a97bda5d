#include "slabpipe/transport/fork_watch.h"

#include <pthread.h>

#include <atomic>

namespace slabpipe {
namespace {

// How many forks lie between the first process and this one.
std::atomic<uint64_t> generation = 0;

}  // namespace

ForkWatch::ForkWatch() {
  [[maybe_unused]] static const int registered = ::pthread_atfork(
      nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  generation_ = generation.load(std::memory_order_relaxed);
}

bool ForkWatch::in_forked_child() const {
  return generation.load(std::memory_order_relaxed) != generation_;
}

}  // namespace slabpipe
