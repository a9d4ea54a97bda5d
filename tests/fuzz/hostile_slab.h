// HostileSlab: a slab of the peer's whose bytes the fuzzer writes, before decoding and after.
//
//   HostileSlab slab;
//   slab.Fill(input.slab, input.used_bytes());
//   slab.Grant(table.initSegments(1)[0], descriptors);      // once a message
//   ... IncomingMemory::Accept(table, descriptors, pool) ...
//   slab.AllowOnly(segment, blocks);                 // reading anything else is an error now
//   slab.Change(0xff);                               // what a bad peer may do at any time

#ifndef SLABPIPE_TESTS_FUZZ_HOSTILE_SLAB_H_
#define SLABPIPE_TESTS_FUZZ_HOSTILE_SLAB_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "slabpipe/schemas/shm.capnp.h"
#include "slabpipe/transport/block.h"
#include "slabpipe/transport/segment.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::fuzz {

// The segment "w.1" in slot 0, of kSlabBytes. Thread-compatible. It is used again by each message,
// as a real one: the reader maps it once.
class HostileSlab {
 public:
  HostileSlab();

  // `bytes`, and 'a' behind them, up to `used_bytes`: no ref reaches further.
  void Fill(absl::Span<const uint8_t> bytes, size_t used_bytes);
  // XORs `mask` onto all of them.
  void Change(uint8_t mask);
  // The next use of it.
  void Grant(schemas::SegmentGrant::Builder grant, std::vector<UniqueFd>& descriptors);

  // Under AddressSanitizer, reading any byte of the reader's mapping outside these blocks' content
  // ends the program. `mapping` is the reader's segment.
  static void AllowOnly(const Segment& mapping, absl::Span<const Block> blocks);
  static void AllowAll(const Segment& mapping);

 private:
  std::unique_ptr<Segment> segment_;
  uint64_t generation_ = 0;
  size_t used_bytes_ = 0;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_HOSTILE_SLAB_H_
