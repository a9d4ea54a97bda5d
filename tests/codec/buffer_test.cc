#include "slabpipe/codec/buffer.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(BufferTest, ADefaultBufferHasNoBytes) {
  const Buffer none;
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.mutable_data(), nullptr);
  EXPECT_EQ(none.size_bytes(), 0u);
  EXPECT_TRUE(WeakBuffer(none).expired());
}

TEST(BufferTest, AllocatesAlignedZeros) {
  for (const size_t size : {1u, 63u, 64u, 65u, 100'000u}) {
    const Buffer buffer = *Buffer::Allocate(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(buffer.mutable_data(), buffer.data());
    EXPECT_THAT(buffer.bytes(), AllOf(SizeIs(size), Each(std::byte{0})));
    EXPECT_FALSE(buffer.block().has_value());
  }
  EXPECT_EQ(Buffer::Allocate(0)->size_bytes(), 0u);
}

TEST(BufferTest, AllocatingMoreThanThereIsIsResourceExhausted) {
  std::vector<size_t> sizes = {std::numeric_limits<size_t>::max()};
  // AddressSanitizer's allocator ends the process instead of saying no.
  if (!tests::kSanitized) sizes.insert(sizes.end(), {sizes[0] / 4, size_t{1} << 62});
  for (const size_t size : sizes) {
    EXPECT_THAT(Buffer::Allocate(size),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(std::to_string(size))));
  }
}

TEST(BufferTest, BorrowedBytesAreTheCallersOwn) {
  std::vector<std::byte> bytes(10, std::byte{7});
  const Buffer read_only = Buffer::Borrow(bytes);
  EXPECT_EQ(read_only.data(), bytes.data());
  EXPECT_EQ(read_only.size_bytes(), 10u);
  EXPECT_EQ(read_only.mutable_data(), nullptr);
  const Buffer writable = Buffer::BorrowMutable(absl::MakeSpan(bytes));
  writable.mutable_data()[3] = std::byte{8};
  EXPECT_EQ(bytes[3], std::byte{8});
  EXPECT_TRUE(WeakBuffer(read_only).expired()) << "nobody here keeps borrowed bytes";
}

TEST(BufferTest, OwnedBytesLiveAsLongAsTheLastCopy) {
  auto owner = std::make_shared<std::vector<std::byte>>(10);
  const std::weak_ptr<const void> life = owner;
  std::optional<Buffer> buffer = Buffer::Own(*owner, owner);
  owner.reset();
  std::optional<Buffer> copy = *buffer;
  buffer.reset();
  EXPECT_FALSE(life.expired());
  EXPECT_EQ(copy->size_bytes(), 10u);
  copy.reset();
  EXPECT_TRUE(life.expired());
}

TEST(BufferTest, OwnedBytesMayBeWritable) {
  auto owner = std::make_shared<std::vector<std::byte>>(10);
  const std::weak_ptr<const void> life = owner;
  std::optional<Buffer> buffer = Buffer::OwnMutable(absl::MakeSpan(*owner), owner);
  owner.reset();
  ASSERT_EQ(buffer->mutable_data(), buffer->data());
  buffer->mutable_data()[9] = std::byte{3};
  EXPECT_EQ(buffer->bytes()[9], std::byte{3});
  EXPECT_EQ(buffer->ReadOnly().mutable_data(), nullptr);
  EXPECT_FALSE(WeakBuffer(*buffer).expired());
  buffer.reset();
  EXPECT_TRUE(life.expired());
}

TEST(WeakBufferTest, ObservesPrivateMemoryWithoutKeepingIt) {
  std::optional<Buffer> buffer = *Buffer::Allocate(100);
  const WeakBuffer watch(*buffer);
  const WeakBuffer another = watch;
  EXPECT_FALSE(watch.expired());
  buffer.reset();
  EXPECT_TRUE(watch.expired());
  EXPECT_TRUE(another.expired());
  EXPECT_TRUE(WeakBuffer().expired());
}

class SharedBufferTest : public ::testing::Test {
 protected:
  Block NewBlock(size_t size) {
    Block block = *pool_->Alloc(size);
    pool_->Clear();
    return block;
  }
  std::unique_ptr<ShmPool> pool_ =
      std::make_unique<ShmPool>(ShmPoolOptions{.prefix = "m.", .peer_prefix = "w."},
                                std::make_shared<MemfdSegmentProvider>());
};

TEST_F(SharedBufferTest, IsTheContentOfItsBlock) {
  Block block = NewBlock(100);
  block.set_content_size(60);
  const Buffer buffer(block);
  EXPECT_EQ(buffer.data(), block.data());
  EXPECT_EQ(buffer.size_bytes(), 60u);
  ASSERT_TRUE(buffer.block().has_value());
  EXPECT_EQ(buffer.block()->ref(), block.ref());
  ASSERT_NE(buffer.mutable_data(), nullptr) << "this side owns the segment";
  buffer.mutable_data()[59] = std::byte{1};
  EXPECT_EQ(block.data()[59], std::byte{1});
}

TEST_F(SharedBufferTest, KeepsTheMemoryFromBeingUsedAgain) {
  std::optional<Buffer> buffer = Buffer(NewBlock(100));
  const std::string name = buffer->block()->ref().name;
  const WeakBuffer watch(*buffer);
  EXPECT_NE(NewBlock(100).ref().name, name);
  EXPECT_FALSE(watch.expired());
  buffer.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(SharedBufferTest, IsWatchedBySlab) {
  ASSERT_THAT(pool_->OpenSlab(1000), IsOk());
  std::optional<Buffer> one = Buffer(*pool_->Alloc(100));
  std::optional<Buffer> other = Buffer(*pool_->Alloc(100));
  pool_->SealSlab();
  pool_->Clear();
  const WeakBuffer watch(*one);
  one.reset();
  EXPECT_FALSE(watch.expired()) << "memory goes back a slab at a time";
  other.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(SharedBufferTest, OutlivesThePool) {
  const Buffer buffer(NewBlock(100));
  buffer.mutable_data()[0] = std::byte{5};
  pool_.reset();
  EXPECT_EQ(buffer.data()[0], std::byte{5});
}

}  // namespace
}  // namespace slabpipe
