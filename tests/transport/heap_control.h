// HeapControl: a control block in private memory, for tests in one process.
//
//   HeapControl reader(8), owner(8);                                   // logs of 8 entries
//   LeaseLogWriter writer(reader.own(), owner.peer(), nullptr);
//   reader.own().header->log_written = 99;                             // what a bad peer does

#ifndef SLABPIPE_TESTS_TRANSPORT_HEAP_CONTROL_H_
#define SLABPIPE_TESTS_TRANSPORT_HEAP_CONTROL_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "slabpipe/transport/control_block.h"

namespace slabpipe::tests {

class HeapControl {
 public:
  explicit HeapControl(uint32_t log_entries)
      : sizes_{.ring_bytes = 4u << 10, .log_entries = log_entries},
        memory_(static_cast<std::byte*>(::operator new(sizes_.total_bytes(), kAlignment))) {
    std::memset(memory_.get(), 0, sizes_.total_bytes());
    own_ = FormatControl(memory_.get(), sizes_);
  }

  // As its owner sees it, and as the other side does.
  const OwnControl& own() const { return own_; }
  PeerControl peer() const { return ViewControl(memory_.get(), sizes_); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
  };
  const ControlSizes sizes_;
  const std::unique_ptr<std::byte, Free> memory_;
  OwnControl own_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TRANSPORT_HEAP_CONTROL_H_
