#include "slabpipe/codec/lease_set.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {
namespace {

TEST(LeaseSetTest, HoldsEachLeaseOnceInTheOrderInWhichTheyCame) {
  ShmPool pool({.prefix = "m.", .peer_prefix = "w."}, std::make_shared<MemfdSegmentProvider>());
  // Fewer than are searched one by one, and more.
  for (const size_t count : {0u, 1u, 7u, 8u, 9u, 100u}) {
    Leases leases;
    for (size_t i = 0; i < count; ++i) leases.push_back(pool.Alloc(100)->lease());
    LeaseSet set;
    for (const std::shared_ptr<const Lease>& lease : leases) {
      set.Add(lease);
      set.Add(leases.front());
      set.Add(lease);
    }
    set.AddAll(leases);
    EXPECT_EQ(set.Take(), leases) << count;
  }
}

}  // namespace
}  // namespace slabpipe
