// TestLease: a lease on a segment that no heap hands out, for tests of what only uses leases.

#ifndef SLABPIPE_TESTS_TRANSPORT_TEST_LEASE_H_
#define SLABPIPE_TESTS_TRANSPORT_TEST_LEASE_H_

#include <memory>
#include <string>
#include <utility>

#include "slabpipe/transport/block.h"
#include "slabpipe/transport/memfd_segment.h"

namespace slabpipe::tests {

class TestLease : public Lease {
 public:
  TestLease(std::shared_ptr<const Segment> segment, uint64_t generation)
      : Lease(std::move(segment), /*slot=*/0, generation, nullptr) {}
};

// A lease on generation `generation` of a new, writable segment.
inline std::shared_ptr<const Lease> MakeTestLease(const std::string& name, size_t size_bytes,
                                                  uint64_t generation) {
  return std::make_shared<TestLease>(*MemfdSegmentProvider().Create(name, size_bytes), generation);
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TRANSPORT_TEST_LEASE_H_
