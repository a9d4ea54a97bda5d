#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/sequence_codec.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/testing/process_state.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

class SequenceTest : public tests::RoundTrip {};

TEST_F(SequenceTest, ItemsKeepTheirOrder) {
  EXPECT_THAT(*Fetch(std::vector<std::string>{"c", "a", "b"}), ElementsAre("c", "a", "b"));
  EXPECT_THAT(*Fetch(std::vector<std::optional<int>>{1, std::nullopt}),
              ElementsAre(1, std::nullopt));
  EXPECT_THAT(*Fetch(std::vector<std::vector<std::string>>{{"a"}, {}, {"b", "c"}}),
              ElementsAre(ElementsAre("a"), ElementsAre(), ElementsAre("b", "c")));
}

TEST_F(SequenceTest, MayBeEmpty) {
  absl::StatusOr<std::vector<std::string>> got = Fetch(std::vector<std::string>());
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(got->empty());
  EXPECT_EQ(cost_, Cost{});
}

// Behaviour 3, and the seed's defect that its estimate forgets the padding: 8,000 bytes are a
// multiple of 64, 8,008 are not.
TEST_F(SequenceTest, SeedDefectTwoThousandFiveHundredArraysFitTheirSlabPaddingIncluded) {
  for (const int64_t length : {1000, 1001}) {
    std::vector<NdArray<double>> arrays;
    for (int i = 0; i < 2500; ++i) {
      arrays.push_back(*NdArray<double>::Create({length}));
      arrays.back()(length - 1) = i;
    }
    std::unique_ptr<Letter> letter = Write(arrays);
    const size_t bytes = static_cast<size_t>(length) * 8;
    EXPECT_EQ(cost_, (Cost{.copies = 2500, .bytes_copied = 2500 * bytes, .slabs_opened = 1}));
    EXPECT_EQ(letter->slab_bytes, 2500 * AlignBlockSize(bytes));
    EXPECT_EQ(AlignBlockSize(letter->used_slab_bytes()), letter->slab_bytes) << "no byte too many";
    EXPECT_EQ(letter->table().getSegments().size(), 1u);
    EXPECT_EQ(letter->table().getRefs().size(), 2500u);
    EXPECT_EQ(letter->descriptors.size(), 1u);
    const size_t descriptors = tests::OpenDescriptors() - 1;  // without the letter's
    const size_t mappings = tests::SegmentMappings();
    absl::StatusOr<Object> object = worker_->Read(*letter);
    ASSERT_THAT(object, IsOk());
    EXPECT_EQ(tests::OpenDescriptors(), descriptors);
    EXPECT_EQ(tests::SegmentMappings(), mappings + 1);
    EXPECT_EQ(object->leases().size(), 1u);
    absl::StatusOr<std::vector<NdArray<const double>>> got =
        FromObject<std::vector<NdArray<const double>>>(*object);
    ASSERT_THAT(got, IsOk());
    for (int i = 0; i < 2500; ++i) EXPECT_EQ((*got)[static_cast<size_t>(i)](length - 1), i);
  }
}

TEST_F(SequenceTest, Behaviour10OneItemKeepsTheSlabAndTheLastGivesItBack) {
  absl::StatusOr<Object> object = Send(
      std::vector<std::vector<double>>{std::vector<double>(10, 1), std::vector<double>(10, 2)});
  ASSERT_THAT(object, IsOk());
  ASSERT_EQ(object->buffers().size(), 1u);
  const WeakBuffer watch = object->buffers()[0];
  Object item = object->get<ObjectList>()->items[1];
  *object = Object();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ((*FromObject<std::vector<double>>(item))[9], 2);
  item = Object();
  EXPECT_TRUE(watch.expired());
}

TEST_F(SequenceTest, ADecodedListIsSentOnAsItIs) {
  absl::StatusOr<Object> object = Send(std::vector<std::vector<double>>{{1, 2}, {3}});
  ASSERT_THAT(object, IsOk());
  absl::StatusOr<Object> back = SendFrom(*worker_, *main_, *object);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(cost_, Cost{});
  EXPECT_THAT(*FromObject<std::vector<std::vector<double>>>(*back),
              ElementsAre(ElementsAre(1, 2), ElementsAre(3)));
}

TEST_F(SequenceTest, AnItemOfAnotherTypeIsNumbered) {
  EXPECT_THAT(
      FetchAs<std::vector<std::string>>(std::vector<std::optional<std::string>>{"a", std::nullopt}),
      StatusIs(kInvalid, "item 1: it is nothing, wanted a text"));
  EXPECT_THAT(FetchAs<std::string>(std::vector<std::string>{"a"}),
              StatusIs(kInvalid, "it is a list of 1, wanted a text"));
}

TEST_F(SequenceTest, AnItemThatCanNotBeSentIsNumbered) {
  EXPECT_THAT(WriteFails(std::vector<std::string>{"a", "\xff"}),
              StatusIs(kInvalid, HasSubstr("item 1: value: at the value")));
}

TEST_F(SequenceTest, AMalformedItemIsNumbered) {
  EXPECT_THAT(ReadCorrupted(std::vector<std::string>{"a", "b"},
                            [](Letter& letter) {
                              letter.metadata<schemas::Sequence>()
                                  .getItems()[1]
                                  .getMetadata()
                                  .getAs<schemas::Value>()
                                  .setText("\xff");
                            }),
              StatusIs(kInvalid, "sequence: item 1: value: a text is not UTF-8"));
}

TEST_F(SequenceTest, AListThatIsLongInFewBytesIsRefused) {
  // Payloads of no size, half a billion of them.
  const absl::Status status = ReadCorrupted(std::vector<std::string>{"a"}, [](Letter& letter) {
    letter.metadata<capnp::AnyStruct>().getPointerSection()[0].initAsListOfAnyStruct(
        0, 0, (1u << 29) - 1);
  });
  EXPECT_FALSE(status.ok());
}

TEST_F(SequenceTest, MetadataOfAnotherFormIsRefused) {
  EXPECT_THAT(ReadCorrupted(std::vector<std::string>{"a"},
                            [](Letter& letter) {
                              letter.payload().getMetadata().setAs<capnp::Text>("no struct");
                            }),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed message")));
}

}  // namespace
}  // namespace slabpipe
