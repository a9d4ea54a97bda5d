// OwnMemory: the segments of the side that is fuzzed. The first of a connection, which every
// connection has, is made once and for all, which saves most of the time that a connection takes.

#ifndef SLABPIPE_TESTS_FUZZ_OWN_MEMORY_H_
#define SLABPIPE_TESTS_FUZZ_OWN_MEMORY_H_

#include <memory>
#include <utility>

#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/segment.h"

namespace slabpipe::fuzz {

// Memfd segments; each one named "m.1", of the size that the first had, is the same object. One
// connection at a time.
class OwnMemory : public SegmentProvider {
 public:
  absl::StatusOr<std::unique_ptr<Segment>> Create(absl::string_view name,
                                                  size_t size_bytes) override;
  absl::StatusOr<std::unique_ptr<Segment>> Open(absl::string_view name, size_t size_bytes,
                                                UniqueFd descriptor) override {
    return real_.Open(name, size_bytes, std::move(descriptor));
  }
  bool passes_descriptors() const override { return true; }

 private:
  MemfdSegmentProvider real_;
  UniqueFd first_;  // not sealed, so that it can be mapped once more: nobody else has it
  size_t first_bytes_ = 0;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_OWN_MEMORY_H_
