#include "slabpipe/codec/object.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {
namespace {

struct Point {
  int x = 0;
};

// Says at its end whether its memory was still there. What is moved from says nothing.
class Sentinel {
 public:
  Sentinel(WeakBuffer memory, bool* memory_was_there)
      : memory_(std::move(memory)), memory_was_there_(memory_was_there) {}
  Sentinel(Sentinel&& other) noexcept
      : memory_(std::move(other.memory_)),
        memory_was_there_(std::exchange(other.memory_was_there_, nullptr)) {}
  ~Sentinel() {
    if (memory_was_there_ != nullptr) *memory_was_there_ = !memory_.expired();
  }

 private:
  WeakBuffer memory_;
  bool* memory_was_there_;
};

class ObjectTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Lease> NewLease() {
    std::shared_ptr<const Lease> lease = pool_.Alloc(100)->lease();
    pool_.Clear();
    return lease;
  }
  // An object that holds the only lease on some memory.
  Object MakeSentinel() {
    std::shared_ptr<const Lease> lease = NewLease();
    Object object = Object::Make(Sentinel(WeakBuffer(lease), &memory_was_there_));
    object.Hold({lease});
    return object;
  }

  bool memory_was_there_ = false;
  ShmPool pool_{{.prefix = "m.", .peer_prefix = "w."}, std::make_shared<MemfdSegmentProvider>()};
};

TEST(TypeIdTest, IsOneForEachType) {
  EXPECT_EQ(TypeId::Of<int>(), TypeId::Of<int>());
  EXPECT_FALSE(TypeId::Of<int>() == TypeId::Of<long>());
  EXPECT_EQ(TypeId::Of<int>().key(), TypeId::Of<int>().key());
  EXPECT_EQ(TypeId::Of<std::vector<int>>().name(), "std::vector<int, std::allocator<int> >");
  EXPECT_THAT(TypeId::Of<Point>().name(), ::testing::HasSubstr("Point"));
}

TEST(AnyRefTest, GivesTheValueForItsOwnTypeOnly) {
  const Point point = {7};
  const AnyRef ref = AnyRef::To(point);
  EXPECT_EQ(ref.type(), TypeId::Of<Point>());
  EXPECT_EQ(ref.get<Point>(), &point);
  EXPECT_EQ(ref.get<int>(), nullptr);
}

TEST_F(ObjectTest, ADefaultObjectIsNothing) {
  const Object nothing;
  EXPECT_EQ(nothing.type(), TypeId::Of<void>());
  EXPECT_EQ(nothing.get<int>(), nullptr);
  EXPECT_TRUE(nothing.leases().empty());
}

TEST_F(ObjectTest, CopiesShareTheValue) {
  const Object object = Object::Make(Point{7});
  const Object copy = object;
  ASSERT_NE(copy.get<Point>(), nullptr);
  EXPECT_EQ(copy.get<Point>()->x, 7);
  EXPECT_EQ(copy.get<Point>(), object.get<Point>());
  EXPECT_EQ(object.get<int>(), nullptr);
  EXPECT_EQ(object.ref().get<Point>(), object.get<Point>());
}

TEST_F(ObjectTest, KeepsItsLeasesUntilTheLastCopyIsGone) {
  Object object = Object::Make(Point{7});
  object.Hold({NewLease(), NewLease()});
  const std::vector<WeakBuffer> watch = object.buffers();
  ASSERT_EQ(watch.size(), 2u);
  Object copy = object;
  object = Object();
  EXPECT_FALSE(watch[0].expired());
  EXPECT_FALSE(watch[1].expired());
  copy = Object();
  EXPECT_TRUE(watch[0].expired());
  EXPECT_TRUE(watch[1].expired());
}

TEST_F(ObjectTest, DropsItsLeasesAfterTheValue) {
  { const Object object = MakeSentinel(); }
  EXPECT_TRUE(memory_was_there_);
}

TEST_F(ObjectTest, DropsItsLeasesAfterTheValueWhenAnotherIsAssigned) {
  Object object = MakeSentinel();
  object = Object();
  EXPECT_TRUE(memory_was_there_) << "moved to";
  object = MakeSentinel();
  memory_was_there_ = false;
  const Object other;
  object = other;
  EXPECT_TRUE(memory_was_there_) << "copied to";
}

TEST_F(ObjectTest, SurvivesAssignmentToItself) {
  Object object = Object::Make(Point{7});
  object.Hold({NewLease()});
  const Object& same = object;
  object = same;
  ASSERT_NE(object.get<Point>(), nullptr);
  EXPECT_EQ(object.buffers().size(), 1u);
  EXPECT_FALSE(object.buffers()[0].expired());
}

TEST_F(ObjectTest, LeasedPointsToTheObjectsOwnValue) {
  const Object object = Object::Make(Point{7});
  const Leased<Point> leased(object);
  EXPECT_EQ(leased.get(), object.get<Point>());
  EXPECT_EQ(leased->x, 7);
  EXPECT_EQ((*leased).x, 7);
  EXPECT_EQ(leased.object().get<Point>(), leased.get());
  EXPECT_EQ(Leased<Point>().get(), nullptr);
}

TEST_F(ObjectTest, LeasedKeepsTheLeasesOfTheObjectItWasMadeFrom) {
  Object object = Object::Make(Point{7});
  object.Hold({NewLease()});
  Leased<std::string> leased("made from it", object);
  const std::vector<WeakBuffer> watch = leased.buffers();
  ASSERT_EQ(watch.size(), 1u);
  object = Object();
  EXPECT_FALSE(watch[0].expired());
  const Leased<std::string> copy = leased;
  leased = Leased<std::string>();
  EXPECT_EQ(*copy, "made from it");
  EXPECT_FALSE(watch[0].expired());
}

TEST_F(ObjectTest, LeasedDropsTheLeasesAfterTheValue) {
  for (const bool assign : {false, true}) {
    memory_was_there_ = false;
    Object object = Object::Make(Point{7});
    std::shared_ptr<const Lease> lease = NewLease();
    Sentinel sentinel(WeakBuffer(lease), &memory_was_there_);
    object.Hold({std::move(lease)});
    {
      Leased<Sentinel> leased(std::move(sentinel), std::move(object));
      object = Object();
      if (assign) leased = Leased<Sentinel>();
    }
    EXPECT_TRUE(memory_was_there_) << (assign ? "assigned" : "destroyed");
  }
}

}  // namespace
}  // namespace slabpipe
