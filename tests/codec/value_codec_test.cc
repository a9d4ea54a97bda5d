#include "slabpipe/codec/value_codec.h"

#include <capnp/schema.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/codec/codec_limits.h"
#include "slabpipe/codec/value_wire.h"
#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Metadata = schemas::Value;

class ValueCodecTest : public tests::RoundTrip {
 protected:
  absl::Status Attack(const Value& value, std::function<void(Metadata::Builder)> corrupt) {
    return ReadCorrupted(value, [&](Letter& letter) { corrupt(letter.metadata<Metadata>()); });
  }
};

// A 1 inside `depth` lists, or an empty list inside `depth` - 1.
Value Lists(int depth, bool empty = false) {
  Value value = 1;
  for (int i = 0; i < depth; ++i) {
    ValueList list;
    if (i > 0 || !empty) list.push_back(std::move(value));
    value = std::move(list);
  }
  return value;
}

Value Maps(int depth) {
  Value value = 1;
  for (int i = 0; i < depth; ++i) {
    ValueMap map;
    map.Set("k", std::move(value));
    value = std::move(map);
  }
  return value;
}

const auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST_F(ValueCodecTest, EveryKindComesOutAsItWentIn) {
  const std::string with_nul("a\0b", 3);
  const std::vector<Value> values = {
      Value(),
      true,
      false,
      0,
      -1,
      std::numeric_limits<int64_t>::min(),
      std::numeric_limits<int64_t>::max(),
      std::numeric_limits<uint64_t>::max(),
      uint64_t{1} << 63,
      0.0,
      0.1,
      -INFINITY,
      std::numeric_limits<double>::max(),
      std::numeric_limits<double>::denorm_min(),
      "",
      "Zürich \xf0\x9f\x98\x80",
      with_nul,
      Bytes{""},
      Bytes{with_nul + "\xff\xfe"},
      ValueList{},
      ValueList{1, "a", Value(), ValueList{2.5}},
      ValueMap{},
      ValueMap{{"", 1}, {with_nul, 2}, {"ü", ValueMap{{"inner", ValueList{true}}}}},
  };
  for (const Value& value : values) {
    absl::StatusOr<Value> got = Fetch(value);
    ASSERT_THAT(got, IsOk()) << value.DebugString();
    EXPECT_EQ(*got, value) << got->DebugString();
    EXPECT_EQ(cost_, Cost{}) << "all in the message";
  }
  absl::StatusOr<Value> all = Fetch(Value(values));
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(*all, Value(values));
}

TEST_F(ValueCodecTest, NanAndMinusZeroKeepTheirSign) {
  EXPECT_TRUE(std::isnan(*Fetch(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_TRUE(std::signbit(*Fetch(-0.0)));
}

TEST_F(ValueCodecTest, MapsKeepTheirOrder) {
  absl::StatusOr<Value> got = Fetch(Value(ValueMap{{"z", 1}, {"a", 2}, {"m", 3}}));
  ASSERT_THAT(got, IsOk());
  std::vector<std::string> keys;
  for (const auto& [key, value] : *got->map()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("z", "a", "m"));
}

TEST_F(ValueCodecTest, PlainTypesAreValues) {
  EXPECT_EQ(*Fetch(7), 7);
  EXPECT_EQ(*Fetch(true), true);
  EXPECT_EQ(*Fetch(1.5f), 1.5f);
  EXPECT_EQ(*Fetch('x'), 'x');
  EXPECT_EQ(*Fetch(std::string("text")), "text");
  EXPECT_EQ(*FetchAs<std::string>("literal"), "literal");
  EXPECT_EQ(*FetchAs<std::string>(absl::string_view("view")), "view");
  EXPECT_EQ(Fetch(Bytes{"raw"})->data, "raw");
  EXPECT_EQ(*Fetch(std::optional<int>(3)), 3);
  EXPECT_EQ(*Fetch(std::optional<int>()), std::nullopt);
  EXPECT_TRUE(FetchAs<Value>(Object())->is_nothing());
  EXPECT_THAT(FetchAs<int>("text"), StatusIs(kInvalid, "it is a text, wanted an integer"));
  EXPECT_THAT(FetchAs<int8_t>(300), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(FetchAs<Value>(std::vector<double>{1}),
              StatusIs(kInvalid, "it is an array of float64 (1,), wanted a small value"));
}

TEST_F(ValueCodecTest, LongTextsLieInTheSlabAndShortOnesInTheMessage) {
  const std::string longest_short(kLongTextBytes - 1, 's');
  const std::string shortest_long(kLongTextBytes, 'l');
  const std::string large(1'000'000, 'x');
  EXPECT_EQ(*Fetch(longest_short), longest_short);
  EXPECT_EQ(cost_, Cost{});
  EXPECT_EQ(*Fetch(shortest_long), shortest_long);
  EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = kLongTextBytes, .slabs_opened = 1}));
  const Value mixed =
      ValueMap{{"text", large}, {"list", ValueList{Bytes{large}, 1, shortest_long}}};
  absl::StatusOr<Value> got = Fetch(mixed);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(*got, mixed);
  EXPECT_EQ(cost_,
            (Cost{.copies = 3, .bytes_copied = 2'000'000 + kLongTextBytes, .slabs_opened = 1}));
}

TEST_F(ValueCodecTest, LongTextsMakeTheSlabExactlySoLarge) {
  const std::string odd(kLongTextBytes + 1, 'o');
  std::unique_ptr<Letter> letter = Write(Value(ValueList{odd, odd, Bytes{odd}}));
  EXPECT_EQ(letter->slab_bytes, 3 * AlignBlockSize(odd.size()));
  EXPECT_EQ(AlignBlockSize(letter->used_slab_bytes()), letter->slab_bytes);
  EXPECT_THAT(worker_->Read(*letter), IsOk());
}

TEST_F(ValueCodecTest, Behaviour5TemporaryBlocksAreGivenBackAsSoonAsDecodingEnds) {
  const std::string text(100'000, 't');
  std::unique_ptr<Letter> letter = Write(text);
  ASSERT_EQ(letter->table().getRefs().size(), 1u);
  EXPECT_TRUE(letter->table().getRefs()[0].getTemporary());
  const ShmRef ref = {.name = letter->table().getSegments()[0].getSegment().getName().cStr(),
                      .generation = 1};
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_TRUE(object->buffers().empty());
  EXPECT_EQ(worker_->pool().stats().peer.leases, 0u);
  EXPECT_THAT(worker_->pool().peer()->Find(ref.name, ref.generation),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(*object->get<Value>()->text(), text) << "points nowhere";
  // And so the memory is used again: the next text takes no new segment.
  ASSERT_THAT(SendFrom(*worker_, *main_, 1), IsOk());
  ASSERT_THAT(Fetch(text), IsOk());
  EXPECT_EQ(main_->pool().stats().own.segments_created, 1u);
}

TEST_F(ValueCodecTest, AValueIsNestedSoDeepAndNoDeeperOnTheSendersSide) {
  for (const Value& deepest :
       {Lists(kMaxValueDepth), Maps(kMaxValueDepth), Lists(kMaxValueDepth, true)}) {
    absl::StatusOr<Value> got = Fetch(deepest);
    ASSERT_THAT(got, IsOk());
    EXPECT_EQ(*got, deepest);
  }
  for (const Value& too_deep :
       {Lists(kMaxValueDepth + 1), Maps(kMaxValueDepth + 1), Lists(kMaxValueDepth + 1, true)}) {
    EXPECT_THAT(WriteFails(too_deep), StatusIs(kInvalid, HasSubstr("nested more than 64 deep")));
  }
}

TEST_F(ValueCodecTest, AValueIsNestedNoDeeperOnTheReceiversSide) {
  EXPECT_THAT(Attack(1,
                     [](Metadata::Builder value) {
                       for (int i = 0; i < kMaxValueDepth + 1; ++i) value = value.initList(1)[0];
                     }),
              StatusIs(kInvalid, HasSubstr("nested more than 64 deep")));
  EXPECT_THAT(Attack(1,
                     [](Metadata::Builder value) {
                       for (int i = 0; i < kMaxValueDepth + 1; ++i) {
                         value = value.initMap(1)[0].initValue();
                       }
                     }),
              StatusIs(kInvalid, HasSubstr("nested more than 64 deep")));
  EXPECT_THAT(Attack(1,
                     [](Metadata::Builder value) {
                       for (int i = 0; i < 10'000; ++i) value = value.initList(1)[0];
                     }),
              StatusIs(kInvalid, HasSubstr("nested more than 64 deep")));
}

TEST_F(ValueCodecTest, ManyListsSideBySideAreNotDeep) {
  const Value wide = ValueList(200, Value(ValueList{ValueMap{{"k", ValueList{1}}}}));
  absl::StatusOr<Value> got = Fetch(wide);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(*got, wide);
}

TEST_F(ValueCodecTest, TheSenderSaysWhereATextIsNotUtf8) {
  EXPECT_THAT(WriteFails(Value("\xff")), StatusIs(kInvalid, HasSubstr("at the value")));
  EXPECT_THAT(WriteFails(Value(ValueMap{{"names", ValueList{"a", "\xc0\x80"}}})),
              StatusIs(kInvalid, AllOf(HasSubstr(".names[1]"), HasSubstr("send it as Bytes"))));
  EXPECT_THAT(WriteFails(Value(ValueMap{{"outer", ValueMap{{"\xed\xa0\x80", 1}}}})),
              StatusIs(kInvalid, HasSubstr("at the value.outer: a key is not UTF-8")));
}

TEST_F(ValueCodecTest, ATextThatIsNotUtf8IsRefused) {
  EXPECT_THAT(Attack(1, [](Metadata::Builder value) { value.setText("\xff"); }),
              StatusIs(kInvalid, HasSubstr("not UTF-8")));
  EXPECT_THAT(Attack(1, [](Metadata::Builder value) { value.initList(1)[0].setText("\xc0\x80"); }),
              StatusIs(kInvalid, HasSubstr("not UTF-8")));
  EXPECT_THAT(Attack(1, [](Metadata::Builder value) { value.initMap(1)[0].setKey("\xff"); }),
              StatusIs(kInvalid, HasSubstr("a key is not UTF-8")));
  // In a block: sent as bytes, claimed to be a text.
  const Value raw = Bytes{std::string(kLongTextBytes, '\xff')};
  EXPECT_THAT(Attack(raw, [](Metadata::Builder value) { value.setTextBlock(0); }),
              StatusIs(kInvalid, HasSubstr("not UTF-8")));
}

TEST_F(ValueCodecTest, AKeyThatComesTwiceIsRefused) {
  EXPECT_THAT(Attack(ValueMap{{"a", 1}, {"b", 2}},
                     [](Metadata::Builder value) { value.getMap()[1].setKey("a"); }),
              StatusIs(kInvalid, AllOf(HasSubstr("value: "), HasSubstr("'a' comes twice"))));
}

TEST_F(ValueCodecTest, AnUnknownKindIsRefused) {
  for (const uint16_t kind : {11, 12, 65535}) {
    EXPECT_THAT(
        ReadCorrupted(
            1,
            [&](Letter& letter) {
              const auto offset =
                  capnp::Schema::from<Metadata>().getProto().getStruct().getDiscriminantOffset();
              auto data = letter.metadata<capnp::AnyStruct>().getDataSection();
              std::memcpy(data.begin() + 2 * offset, &kind, 2);
            }),
        StatusIs(kInvalid, HasSubstr(absl::StrCat("unknown kind ", kind))));
  }
}

TEST_F(ValueCodecTest, ABlockThatIsNotTheNextIsRefused) {
  const Value text = std::string(kLongTextBytes, 't');
  for (const uint32_t block : {1u, 2u, std::numeric_limits<uint32_t>::max()}) {
    const auto refused =
        StatusIs(kInvalid, HasSubstr(absl::StrCat("block ", block, ", not in the next one, 0")));
    EXPECT_THAT(Attack(text, [&](Metadata::Builder value) { value.setTextBlock(block); }), refused);
    EXPECT_THAT(Attack(text, [&](Metadata::Builder value) { value.setBytesBlock(block); }),
                refused);
  }
  EXPECT_THAT(Attack(1, [](Metadata::Builder value) { value.setTextBlock(0); }),
              StatusIs(kInvalid, HasSubstr("no block 0 of 0")));
}

TEST_F(ValueCodecTest, ABlockThatIsUsedTwiceIsRefused) {
  const Value text = std::string(kLongTextBytes, 't');
  EXPECT_THAT(Attack(ValueList{text, text},
                     [](Metadata::Builder value) { value.getList()[1].setTextBlock(0); }),
              StatusIs(kInvalid, HasSubstr("block 0, not in the next one, 1")));
}

TEST_F(ValueCodecTest, MoreValuesThanAreAllowedAreRefusedOnBothSides) {
  EXPECT_THAT(WriteFails(Value(ValueList(kMaxValues))),
              StatusIs(kInvalid, HasSubstr("send arrays instead")));
  EXPECT_THAT(Attack(1, [](Metadata::Builder value) { value.initList(kMaxValues); }),
              StatusIs(kInvalid, HasSubstr("more than 1048576 values")));
  EXPECT_THAT(Attack(1, [](Metadata::Builder value) { value.initList(kMaxValues - 1); }), IsOk());
}

TEST_F(ValueCodecTest, TextsAndBytesHaveALimitTogether) {
  const Value most = ValueList{Bytes{std::string(kMaxValueBytes - 4, 'b')}, "text"};
  std::unique_ptr<Letter> letter = Write(most);
  letter->metadata<schemas::Value>().getList()[1].setText("texts");
  EXPECT_THAT(worker_->Read(*letter),
              StatusIs(kInvalid, AllOf(HasSubstr("longer than 268435456 bytes"),
                                       HasSubstr("send arrays instead"))));
  EXPECT_THAT(Fetch(most), IsOk());
  EXPECT_THAT(WriteFails(Value(ValueList{*most.list(), "t"})),
              StatusIs(kInvalid, HasSubstr("longer than 268435456 bytes")));
}

TEST_F(ValueCodecTest, AListThatIsLongInFewBytesIsRefused) {
  // Structs of no size, half a billion of them.
  const absl::Status status = ReadCorrupted(1, [](Letter& letter) {
    auto any = letter.metadata<Metadata>();
    any.initList(0);
    auto pointers = letter.metadata<capnp::AnyStruct>().getPointerSection();
    pointers[0].initAsListOfAnyStruct(0, 0, (1u << 29) - 1);
  });
  EXPECT_FALSE(status.ok());
}

TEST_F(ValueCodecTest, MetadataOfAnotherFormIsRefused) {
  EXPECT_THAT(ReadCorrupted(7,
                            [](Letter& letter) {
                              letter.payload().getMetadata().setAs<capnp::Text>("no struct");
                            }),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed message")));
  EXPECT_THAT(ReadCorrupted(7, [](Letter& letter) { letter.payload().getMetadata().clear(); }),
              IsOk())
      << "no metadata reads as nothing";
}

TEST_F(ValueCodecTest, I6WhatComesIsDataWhateverItLooksLike) {
  // What a pickle that runs a command begins with.
  const Value hostile = Bytes{
      "\x80\x04\x95"
      "cposix\nsystem\n(S'exit 1'\ntR."};
  EXPECT_EQ(*Fetch(hostile), hostile);
}

TEST_F(ValueCodecTest, SeedDefectTheFallbackDoesNotWriteOverTheSlab) {
  const std::vector<double> before(1000, 1.5), after(1000, 2.5);
  const std::string text(10'000, 't');
  std::unique_ptr<Letter> letter = Write(before, text, after);
  absl::StatusOr<std::vector<Object>> got = worker_->ReadAll(*letter);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(*FromObject<std::vector<double>>((*got)[0]), before);
  EXPECT_EQ(*FromObject<std::string>((*got)[1]), text);
  EXPECT_EQ(*FromObject<std::vector<double>>((*got)[2]), after);
  EXPECT_EQ(cost_.slabs_opened, 1u);
}

TEST_F(ValueCodecTest, SeedDefectASmallValueTakesNoSegment) {
  for (const Value& value : {Value(7), Value("text"), Value(ValueMap{{"a", ValueList{1, 2.5}}})}) {
    std::unique_ptr<Letter> letter = Write(value);
    EXPECT_EQ(cost_, Cost{});
    EXPECT_EQ(letter->table().getSegments().size(), 0u);
    EXPECT_TRUE(letter->descriptors.empty());
    EXPECT_THAT(worker_->Read(*letter), IsOk());
  }
}

// A program in the format that the seed's fallback runs: here it is bytes, or a text, and remains
// so.
TEST_F(ValueCodecTest, SeedDefectTheFallbackExecutesNothing) {
  const std::string program = "cos\nsystem\n(S'exit 1'\ntR.";
  EXPECT_EQ(Fetch(Value(Bytes{program}))->bytes()->data, program);
  EXPECT_EQ(*Fetch(Value(program))->text(), program);
}

}  // namespace
}  // namespace slabpipe
