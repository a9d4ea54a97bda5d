// Codecs of the user's own, good ones and bad ones: what registry and message make of them.

#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/record.h"
#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::IsOkAndHolds;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

// The example of codec/codec.h, word by word.

struct Cloud {
  std::string sensor;
  std::vector<float> points;
};

class CloudCodec : public slabpipe::CodecFor<Cloud> {
 public:
  absl::string_view name() const override { return "lidar.cloud"; }
  absl::Status Prepare(const Cloud& cloud, slabpipe::Sizer& sizer) const override {
    return sizer.AddElements<float>(cloud.points);
  }
  absl::Status Encode(const Cloud& cloud, slabpipe::Encoder& encoder) const override {
    if (absl::Status s = encoder.SetMetadata(cloud.sensor); !s.ok()) return s;
    return encoder.AddElements<float>(cloud.points);
  }
  absl::StatusOr<Cloud> Decode(slabpipe::Decoder& decoder) const override {
    absl::StatusOr<std::string> sensor = decoder.Metadata<std::string>();
    absl::StatusOr<absl::Span<const float>> points = decoder.Elements<float>(0);
    if (!sensor.ok()) return sensor.status();
    if (!points.ok()) return points.status();
    return Cloud{*sensor, {points->begin(), points->end()}};
  }
};

// The same without a copy on the way out: bare pointers into the block, and not a word on
// lifetimes.
struct CloudView {
  std::string sensor;
  absl::Span<const float> points;
};

class CloudViewCodec : public CodecFor<CloudView> {
 public:
  absl::string_view name() const override { return "lidar.view"; }
  absl::Status Prepare(const CloudView& cloud, Sizer& sizer) const override {
    return sizer.AddElements(cloud.points);
  }
  absl::Status Encode(const CloudView& cloud, Encoder& encoder) const override {
    if (absl::Status s = encoder.SetMetadata(cloud.sensor); !s.ok()) return s;
    return encoder.AddElements(cloud.points);
  }
  absl::StatusOr<CloudView> Decode(Decoder& decoder) const override {
    absl::StatusOr<std::string> sensor = decoder.Metadata<std::string>();
    absl::StatusOr<absl::Span<const float>> points = decoder.Elements<float>(0);
    if (!sensor.ok()) return sensor.status();
    if (!points.ok()) return points.status();
    return CloudView{*std::move(sensor), *points};
  }
};

// A record with such a view in it.
struct Scan {
  CloudView cloud;
  int number = 0;
  static constexpr auto SlabpipeFields() {
    return Fields("lidar.Scan", Field("cloud", &Scan::cloud), Field("number", &Scan::number));
  }
};

// A codec that leaves its fields to other codecs.
struct Pair {
  Value first;
  NdArray<const double> second;
};

class PairCodec : public CodecFor<Pair> {
 public:
  absl::string_view name() const override { return "test.pair"; }
  absl::Status Prepare(const Pair& pair, Sizer& sizer) const override {
    if (absl::Status s = sizer.AddChild(pair.first); !s.ok()) return s;
    return sizer.AddChild(pair.second);
  }
  absl::Status Encode(const Pair& pair, Encoder& encoder) const override {
    if (absl::Status s = encoder.InitChildren(2); !s.ok()) return s;
    if (absl::Status s = encoder.SetMetadata("a pair"); !s.ok()) return s;
    if (absl::Status s = encoder.SetChild(0, pair.first); !s.ok()) return s;
    return encoder.SetChild(1, pair.second);
  }
  absl::StatusOr<Pair> Decode(Decoder& decoder) const override {
    if (decoder.Metadata().value_or(Value()) != Value("a pair"))
      return absl::InvalidArgumentError("no pair");
    absl::StatusOr<Value> first = decoder.Child<Value>(0);
    absl::StatusOr<NdArray<const double>> second = decoder.Child<NdArray<const double>>(1);
    if (!first.ok()) return first.status();
    if (!second.ok()) return second.status();
    return Pair{*std::move(first), *std::move(second)};
  }
};

class UserCodecTest : public tests::RoundTrip {
 protected:
  const std::vector<float> points_ = {1, 2, 3, 4};
};

TEST_F(UserCodecTest, TheExampleOfTheHeaderWorks) {
  Register<CloudCodec>();
  absl::StatusOr<Leased<Cloud>> got = Fetch(Cloud{"roof", points_});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ((*got)->sensor, "roof");
  EXPECT_EQ((*got)->points, points_);
  EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = 16, .slabs_opened = 1}));
}

TEST_F(UserCodecTest, TheExampleOfTheHeaderTakesAnEmptyOneToo) {
  Register<CloudCodec>();
  const absl::StatusOr<Leased<Cloud>> got = Fetch(Cloud{"off", {}});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ((*got)->sensor, "off");
  EXPECT_TRUE((*got)->points.empty());
}

TEST_F(UserCodecTest, TheExampleOfTheHeaderRefusesWhatMakesNoSense) {
  Register<CloudCodec>();
  const Cloud cloud = {"roof", points_};
  EXPECT_THAT(
      ReadCorrupted(cloud, [](Letter& letter) { letter.table().getRefs()[0].setContentSize(7); }),
      StatusIs(kInvalid, "lidar.cloud: block 0 has 7 bytes, no multiple of 4"));
  EXPECT_THAT(ReadCorrupted(cloud, [](Letter& letter) { letter.payload().setRefCount(0); }),
              StatusIs(kInvalid, "lidar.cloud: there is no block 0 of 0"));
  EXPECT_THAT(
      ReadCorrupted(cloud,
                    [](Letter& letter) {
                      letter.metadata<schemas::CustomMetadata>().initValue().setText("\xff");
                    }),
      StatusIs(kInvalid, "lidar.cloud: the metadata: a text is not UTF-8"));
  EXPECT_THAT(WriteFails(Cloud{"\xff", points_}), StatusIs(kInvalid, HasSubstr("not UTF-8")));
}

TEST_F(UserCodecTest, ACodecThatIsMissingOnTheOtherSideIsNamed) {
  ASSERT_THAT(main_->registry().Add(std::make_unique<CloudCodec>()), IsOk());
  EXPECT_THAT(Send(Cloud{"roof", points_}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("'lidar.cloud'"), HasSubstr("ndarray, record"))));
}

TEST_F(UserCodecTest, TheOrderOfRegistrationMayDiffer) {
  ASSERT_THAT(main_->registry().Add(std::make_unique<CloudCodec>()), IsOk());
  ASSERT_THAT(main_->registry().Add(std::make_unique<PairCodec>()), IsOk());
  ASSERT_THAT(worker_->registry().AddFirst(std::make_unique<PairCodec>()), IsOk());
  ASSERT_THAT(worker_->registry().AddFirst(std::make_unique<CloudCodec>()), IsOk());
  EXPECT_THAT(Fetch(Cloud{"roof", points_}), IsOk());
}

TEST_F(UserCodecTest, Behaviour5TheRegistryTiesTheBlocksToAnyObject) {
  Register<CloudViewCodec>();
  std::optional<Leased<CloudView>> cloud = *Fetch(CloudView{"roof", points_});
  ASSERT_EQ(cloud->buffers().size(), 1u);
  const WeakBuffer watch = cloud->buffers()[0];
  EXPECT_EQ(worker_->pool().stats().peer.leases, 1u);
  std::optional<Leased<CloudView>> copy = *cloud;
  cloud.reset();
  worker_->pool().Clear();
  EXPECT_FALSE(watch.expired()) << "the copy keeps it";
  EXPECT_THAT((*copy)->points, ElementsAre(1, 2, 3, 4));
  copy.reset();
  EXPECT_TRUE(watch.expired()) << "and it goes with the copy";
  EXPECT_EQ(worker_->pool().stats().peer.leases, 0u);
}

TEST_F(UserCodecTest, Behaviour5AlsoInsideRecordsAndLists) {
  Register<CloudViewCodec>();
  const std::vector<Scan> scans = {{{"roof", points_}, 1}, {{"door", points_}, 2}};
  std::optional<Leased<std::vector<Scan>>> got = *Fetch(scans);
  ASSERT_EQ(got->buffers().size(), 1u);
  const WeakBuffer watch = got->buffers()[0];
  EXPECT_THAT((**got)[1].cloud.points, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ((**got)[1].number, 2);
  EXPECT_FALSE(watch.expired());
  got.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(UserCodecTest, I5AViewKeepsItsBlockAlsoIfThePeerCallsItTemporary) {
  Register<CloudViewCodec>();
  std::unique_ptr<Letter> letter = Write(CloudView{"roof", points_});
  letter->table().getRefs()[0].setTemporary(true);
  const absl::StatusOr<Object> cloud = worker_->Read(*letter);
  ASSERT_THAT(cloud, IsOk());
  EXPECT_EQ(cloud->leases().size(), 1u);
  EXPECT_EQ(worker_->pool().stats().peer.leases, 1u) << "its bytes could be unmapped";
  EXPECT_THAT(cloud->get<CloudView>()->points, ElementsAre(1, 2, 3, 4));
}

TEST_F(UserCodecTest, I2AViewOutlivesBothPools) {
  Register<CloudViewCodec>();
  const Leased<CloudView> cloud = *Fetch(CloudView{"roof", points_});
  worker_.reset();
  main_.reset();
  EXPECT_THAT(cloud->points, ElementsAre(1, 2, 3, 4));
}

TEST_F(UserCodecTest, ACodecMayLeaveItsFieldsToOthers) {
  Register<PairCodec>();
  const std::vector<double> numbers = {1, 2, 3};
  const std::string text(10'000, 't');
  absl::StatusOr<Leased<Pair>> got = Fetch(Pair{text, NdArray<const double>::Borrow(numbers)});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ((*got)->first, Value(text));
  EXPECT_THAT((*got)->second.ToVector(), ElementsAre(1, 2, 3));
  EXPECT_EQ(got->buffers().size(), 1u) << "its children's leases are its own";
  EXPECT_EQ(cost_.slabs_opened, 1u);
}

TEST_F(UserCodecTest, AChildThatIsNotThereIsAnError) {
  Register<PairCodec>();
  const Pair pair = {1, {}};
  const auto init_children = [&](unsigned count) {
    return ReadCorrupted(pair, [&](Letter& letter) {
      letter.metadata<schemas::CustomMetadata>().initChildren(count);
    });
  };
  EXPECT_THAT(init_children(0), StatusIs(kInvalid, "test.pair: there is no child 0 of 0"));
  EXPECT_FALSE(init_children(1).ok());
}

class ChildlessCodec : public CodecFor<Pair> {
 public:
  absl::string_view name() const override { return "test.childless"; }
  absl::Status Prepare(const Pair& pair, Sizer& sizer) const override {
    return sizer.AddChild(pair.first);
  }
  absl::Status Encode(const Pair& pair, Encoder& encoder) const override {
    return encoder.SetChild(0, pair.first);
  }
  absl::StatusOr<Pair> Decode(Decoder&) const override { return Pair(); }
};

TEST_F(UserCodecTest, SettingAChildThatWasNotMadeRoomForIsAnError) {
  Register<ChildlessCodec>();
  EXPECT_THAT(WriteFails(Pair{1, {}}),
              StatusIs(kInvalid, "test.childless: there is no child 0 of 0: InitChildren first"));
}

// What a codec's Decode throws ends as a status.
struct Bomb {};

class BombCodec : public CodecFor<Bomb> {
 public:
  absl::string_view name() const override { return "test.bomb"; }
  absl::Status Prepare(const Bomb&, Sizer&) const override { return absl::OkStatus(); }
  absl::Status Encode(const Bomb&, Encoder& encoder) const override {
    return encoder.SetMetadata(static_cast<int>(kind++));
  }
  absl::StatusOr<Bomb> Decode(Decoder& decoder) const override {
    switch (decoder.Metadata<int>().value_or(0)) {
      case 0:
        throw std::bad_alloc();
      case 1:
        throw std::length_error("vector::reserve");
      case 2:
        throw std::out_of_range("vector::at");
      default:
        throw 7;
    }
  }
  static inline int kind = 0;
};

TEST_F(UserCodecTest, I5WhatACodecThrowsBecomesAStatus) {
  Register<BombCodec>();
  BombCodec::kind = 0;
  EXPECT_THAT(Send(Bomb()), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  EXPECT_THAT(Send(Bomb()), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger")));
  EXPECT_THAT(Send(Bomb()), StatusIs(absl::StatusCode::kInternal, HasSubstr("vector::at")));
  EXPECT_THAT(Send(Bomb()), StatusIs(absl::StatusCode::kInternal, HasSubstr("exception")));
}

// A codec for a type of which there are bindings of several kinds.
class FlagsCodec : public CodecFor<std::vector<bool>> {
 public:
  absl::string_view name() const override { return "test.flags"; }
  absl::Status Prepare(const std::vector<bool>&, Sizer&) const override { return absl::OkStatus(); }
  absl::Status Encode(const std::vector<bool>& flags, Encoder& encoder) const override {
    return encoder.SetMetadata(flags.size());
  }
  absl::StatusOr<std::vector<bool>> Decode(Decoder& decoder) const override {
    return std::vector<bool>(decoder.Metadata<size_t>().value_or(0), true);
  }
};

TEST_F(UserCodecTest, ACodecForAVectorOfBoolsGoesFirstToo) {
  Register<FlagsCodec>();
  EXPECT_THAT(Fetch(std::vector<bool>{false, false}), IsOkAndHolds(std::vector<bool>{true, true}));
}

// Codecs with mistakes in them.

struct Blob {
  int blocks = 1;
  size_t announced = 0;
  size_t written = 0;
};

class LyingCodec : public CodecFor<Blob> {
 public:
  absl::string_view name() const override { return "test.lying"; }
  absl::Status Prepare(const Blob& blob, Sizer& sizer) const override {
    return sizer.AddBlock(blob.announced);
  }
  absl::Status Encode(const Blob& blob, Encoder& encoder) const override {
    for (int i = 0; i < blob.blocks; ++i) {
      absl::StatusOr<absl::Span<std::byte>> block = encoder.AddBlock(blob.written);
      if (!block.ok()) return block.status();
      std::fill(block->begin(), block->end(), std::byte(i + 1));
    }
    return absl::OkStatus();
  }
  absl::StatusOr<Blob> Decode(Decoder& decoder) const override {
    Blob blob = {.blocks = static_cast<int>(decoder.block_count())};
    for (size_t i = 0; i < decoder.block_count(); ++i) {
      absl::StatusOr<absl::Span<const std::byte>> bytes = decoder.Bytes(i);
      if (!bytes.ok()) return bytes.status();
      const bool whole = std::all_of(bytes->begin(), bytes->end(),
                                     [&](std::byte b) { return b == std::byte(i + 1); });
      if (!whole) return absl::DataLossError("overwritten");
      blob.written = bytes->size();
    }
    return blob;
  }
};

TEST_F(UserCodecTest, APrepareThatUnderstatesTheSizeWorksThroughMoreSlabs) {
  Register<LyingCodec>();
  for (const size_t announced : {size_t{0}, size_t{1}, size_t{100'000}}) {
    const Blob blob = {.blocks = 5, .announced = announced, .written = 90'000};
    std::unique_ptr<Letter> letter = Write(blob);
    EXPECT_GT(letter->table().getSegments().size(), 1u);
    absl::StatusOr<Object> object = worker_->Read(*letter);
    ASSERT_THAT(object, IsOk());
    EXPECT_EQ(object->get<Blob>()->blocks, 5);
    EXPECT_EQ(object->get<Blob>()->written, 90'000u);
    EXPECT_EQ(object->leases().size(), letter->table().getSegments().size())
        << "one lease for each slab";
  }
}

TEST_F(UserCodecTest, ABlockWithoutBytesKeepsItsNumber) {
  Register<LyingCodec>();
  std::unique_ptr<Letter> letter = Write(Blob{.blocks = 2, .announced = 0, .written = 0});
  EXPECT_EQ(cost_, Cost{});
  EXPECT_EQ(letter->table().getRefs().size(), 2u);
  const absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->get<Blob>()->blocks, 2);
  EXPECT_TRUE(object->leases().empty());
}

TEST_F(UserCodecTest, SizesThatOverflowAreRefused) {
  Register<LyingCodec>();
  for (const size_t announced : {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2}) {
    EXPECT_THAT(WriteFails(Blob{.announced = announced, .written = 1}),
                StatusIs(kInvalid, HasSubstr("address space")));
  }
  EXPECT_THAT(WriteFails(std::vector<Blob>(5, Blob{.announced = SIZE_MAX / 8, .written = 1})),
              StatusIs(kInvalid, HasSubstr("address space")));
  EXPECT_THAT(WriteFails(Blob{.announced = size_t{1} << 50, .written = 1}),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// Writes its children in another order than it announced them in.
struct Swapped {
  int first = 0;
  std::vector<double> second;
};

class SwappingCodec : public CodecFor<Swapped> {
 public:
  absl::string_view name() const override { return "test.swapping"; }
  absl::Status Prepare(const Swapped& value, Sizer& sizer) const override {
    if (absl::Status s = sizer.AddChild(value.first); !s.ok()) return s;
    return sizer.AddChild(value.second);
  }
  absl::Status Encode(const Swapped& value, Encoder& encoder) const override {
    if (absl::Status s = encoder.InitChildren(2); !s.ok()) return s;
    if (absl::Status s = encoder.SetChild(0, value.second); !s.ok()) return s;
    return encoder.SetChild(1, value.first);
  }
  absl::StatusOr<Swapped> Decode(Decoder&) const override { return Swapped(); }
};

TEST_F(UserCodecTest, AnEncodeInAnotherOrderThanPrepareIsAnInternalError) {
  Register<SwappingCodec>();
  EXPECT_THAT(WriteFails(Swapped{1, {2}}),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("test.swapping"), HasSubstr("not announced by Prepare"))));
  EXPECT_THAT(Fetch(7), IsOk()) << "the pool is as good as before";
}

// Two codecs for one type, each for some values of it.
// A codec for a type that has a binding: the texts in one block, instead of a payload each.
class TextsCodec : public CodecFor<std::vector<std::string>> {
 public:
  absl::string_view name() const override { return "test.texts"; }
  bool Accepts(const std::vector<std::string>& texts) const override { return texts.size() > 1; }
  absl::Status Prepare(const std::vector<std::string>& texts, Sizer& sizer) const override {
    return sizer.AddBlock(Joined(texts).size());
  }
  absl::Status Encode(const std::vector<std::string>& texts, Encoder& encoder) const override {
    return encoder.AddElements<char>(Joined(texts));
  }
  absl::StatusOr<std::vector<std::string>> Decode(Decoder& decoder) const override {
    absl::StatusOr<absl::Span<const char>> joined = decoder.Elements<char>(0);
    if (!joined.ok()) return joined.status();
    return std::vector<std::string>(
        absl::StrSplit(absl::string_view(joined->data(), joined->size()), '/'));
  }

 private:
  static std::string Joined(const std::vector<std::string>& texts) {
    return absl::StrJoin(texts, "/");
  }
};

TEST_F(UserCodecTest, ACodecForExactlyATypeGoesBeforeItsBinding) {
  Register<TextsCodec>();
  const std::vector<std::string> texts = {"a", "b"};
  std::unique_ptr<Letter> letter = Write(texts);
  EXPECT_EQ(letter->root().getCodecs()[0], "test.texts");
  const absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(FromObject<std::vector<std::string>>(*object), IsOkAndHolds(texts));
  // Also inside of other values, and when it is sent on.
  const std::map<std::string, std::vector<std::string>> map = {{"k", texts}};
  EXPECT_THAT(Fetch(map), IsOkAndHolds(map));
  EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = 3, .slabs_opened = 1}));
  const absl::StatusOr<Object> back = SendFrom(*worker_, *main_, *object);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->type(), TypeId::Of<std::vector<std::string>>());
}

TEST_F(UserCodecTest, WhatItDoesNotAcceptGoesTheUsualWay) {
  Register<TextsCodec>();
  std::unique_ptr<Letter> letter = Write(std::vector<std::string>{"one"});
  EXPECT_EQ(letter->root().getCodecs()[0], "sequence");
  EXPECT_THAT(worker_->Read(*letter), IsOk());
}

// A type of a library's that keeps its bytes by itself comes as it is.
struct Matrix {
  int rows = 0;
  std::vector<double> elements;
};

}  // namespace
}  // namespace slabpipe

template <>
inline constexpr bool slabpipe::kOwnsItsBytes<slabpipe::Matrix> = true;

namespace slabpipe {
namespace {

class MatrixCodec : public CodecFor<Matrix> {
 public:
  absl::string_view name() const override { return "test.matrix"; }
  absl::Status Prepare(const Matrix& matrix, Sizer& sizer) const override {
    return sizer.AddElements<double>(matrix.elements);
  }
  absl::Status Encode(const Matrix& matrix, Encoder& encoder) const override {
    if (absl::Status s = encoder.SetMetadata(matrix.rows); !s.ok()) return s;
    return encoder.AddElements<double>(matrix.elements);
  }
  absl::StatusOr<Matrix> Decode(Decoder& decoder) const override {
    const absl::StatusOr<int> rows = decoder.Metadata<int>();
    const absl::StatusOr<absl::Span<const double>> elements = decoder.Elements<double>(0);
    if (!rows.ok()) return rows.status();
    if (!elements.ok()) return elements.status();
    return Matrix{*rows, {elements->begin(), elements->end()}};
  }
};

TEST_F(UserCodecTest, ATypeThatOwnsItsBytesComesWithoutALease) {
  Register<MatrixCodec>();
  static_assert(std::is_same_v<Decoded<Matrix>, Matrix>);
  const absl::StatusOr<Matrix> got = Fetch(Matrix{2, {1, 2, 3, 4}});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->rows, 2);
  EXPECT_THAT(got->elements, ::testing::ElementsAre(1, 2, 3, 4));
}

struct Signed {
  int number = 0;
};

template <int kSign>
class SignCodec : public CodecFor<Signed> {
 public:
  absl::string_view name() const override { return kSign < 0 ? "test.below" : "test.above"; }
  bool Accepts(const Signed& value) const override { return (value.number < 0) == (kSign < 0); }
  absl::Status Prepare(const Signed&, Sizer&) const override { return absl::OkStatus(); }
  absl::Status Encode(const Signed& value, Encoder& encoder) const override {
    return encoder.SetMetadata(value.number * kSign);
  }
  absl::StatusOr<Signed> Decode(Decoder& decoder) const override {
    return Signed{decoder.Metadata<int>().value_or(0) * kSign};
  }
};

TEST_F(UserCodecTest, CodecsMayShareAType) {
  Register<SignCodec<-1>>();
  Register<SignCodec<1>>();
  EXPECT_EQ((*Fetch(Signed{-7}))->number, -7);
  EXPECT_EQ((*Fetch(Signed{7}))->number, 7);
}

TEST_F(UserCodecTest, AValueThatItsPlannedCodecDoesNotAcceptIsAnInternalError) {
  Register<SignCodec<-1>>();
  Register<SignCodec<1>>();
  MessageEncoder encoder(main_->registry(), main_->pool());
  ASSERT_THAT(encoder.Prepare(Signed{-7}), IsOk());
  ASSERT_THAT(encoder.OpenSlab(), IsOk());
  capnp::MallocMessageBuilder message;
  EXPECT_THAT(encoder.Encode(Signed{7}, message.initRoot<schemas::Payload>()),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("not announced by Prepare")));
}

}  // namespace
}  // namespace slabpipe
