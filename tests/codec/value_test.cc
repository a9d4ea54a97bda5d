#include "slabpipe/codec/value.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Kind = Value::Kind;

constexpr int64_t kLeastSigned = std::numeric_limits<int64_t>::min();
constexpr int64_t kMostSigned = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMostUnsigned = std::numeric_limits<uint64_t>::max();

TEST(ValueTest, KnowsItsKind) {
  EXPECT_EQ(Value().kind(), Kind::kNothing);
  EXPECT_EQ(Value(true).kind(), Kind::kBool);
  EXPECT_EQ(Value(-1).kind(), Kind::kSigned);
  EXPECT_EQ(Value(kMostUnsigned).kind(), Kind::kUnsigned);
  EXPECT_EQ(Value(1.0f).kind(), Kind::kReal);
  EXPECT_EQ(Value("text").kind(), Kind::kText);
  EXPECT_EQ(Value(std::string("text")).kind(), Kind::kText);
  EXPECT_EQ(Value(absl::string_view("text")).kind(), Kind::kText);
  EXPECT_EQ(Value(Bytes{"text"}).kind(), Kind::kBytes);
  EXPECT_EQ(Value(ValueList{}).kind(), Kind::kList);
  EXPECT_EQ(Value(ValueMap{}).kind(), Kind::kMap);
}

TEST(ValueTest, APointerIsNoBool) {
  static_assert(!std::is_constructible_v<Value, const int*>);
  EXPECT_EQ(Value("text").kind(), Kind::kText);
}

TEST(ValueTest, EveryKindHasAName) {
  const std::vector<std::pair<Value, std::string>> names = {
      {Value(), "nothing"},
      {true, "a bool"},
      {-1, "an integer"},
      {kMostUnsigned, "an integer"},
      {1.5, "a floating-point number"},
      {"", "a text"},
      {Bytes{}, "bytes"},
      {ValueList{}, "a list"},
      {ValueMap{}, "a map"},
  };
  for (const auto& [value, name] : names) EXPECT_EQ(ValueKindName(value.kind()), name);
}

TEST(ValueTest, EqualIntegersAreEqualValuesWhateverTheirTypes) {
  EXPECT_EQ(Value(7), Value(uint64_t{7}));
  EXPECT_EQ(Value(int8_t{7}), Value(7u));
  EXPECT_EQ(Value(static_cast<uint64_t>(kMostSigned)), Value(kMostSigned));
  EXPECT_EQ(Value(static_cast<uint64_t>(kMostSigned)).kind(), Kind::kSigned);
  EXPECT_EQ(Value(static_cast<uint64_t>(kMostSigned) + 1).kind(), Kind::kUnsigned);
  EXPECT_NE(Value(-1), Value(kMostUnsigned));
}

TEST(ValueTest, KindsAreNotMixedInComparison) {
  EXPECT_NE(Value(1), Value(1.0));
  EXPECT_NE(Value(1), Value(true));
  EXPECT_NE(Value("a"), Value(Bytes{"a"}));
  EXPECT_NE(Value(), Value(0));
  EXPECT_NE(Value(ValueList{}), Value(ValueMap{}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(Value(nan), Value(nan));
}

TEST(ValueTest, AnIntegerIsAnyIntegerThatItFits) {
  EXPECT_EQ(*Value(kLeastSigned).As<int64_t>(), kLeastSigned);
  EXPECT_EQ(*Value(kMostSigned).As<int64_t>(), kMostSigned);
  EXPECT_EQ(*Value(kMostSigned).As<uint64_t>(), static_cast<uint64_t>(kMostSigned));
  EXPECT_EQ(*Value(kMostUnsigned).As<uint64_t>(), kMostUnsigned);
  EXPECT_EQ(*Value(-128).As<int8_t>(), -128);
  EXPECT_EQ(*Value(255).As<uint8_t>(), 255);
  EXPECT_EQ(*Value(65).As<char>(), 'A');
}

TEST(ValueTest, AnIntegerThatDoesNotFitIsOutOfRange) {
  const auto out_of_range = [](int bits) {
    return StatusIs(absl::StatusCode::kOutOfRange,
                    HasSubstr(absl::StrCat("does not fit an integer of ", bits, " bits")));
  };
  EXPECT_THAT(Value(-129).As<int8_t>(), out_of_range(8));
  EXPECT_THAT(Value(128).As<int8_t>(), out_of_range(8));
  EXPECT_THAT(Value(-1).As<uint8_t>(), out_of_range(8));
  EXPECT_THAT(Value(65536).As<uint16_t>(), out_of_range(16));
  EXPECT_THAT(Value(-1).As<uint64_t>(), out_of_range(64));
  EXPECT_THAT(Value(kMostUnsigned).As<int64_t>(), out_of_range(64));
  EXPECT_THAT(Value(kMostSigned).As<int32_t>(),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("9223372036854775807")));
}

TEST(ValueTest, NumbersAreAnyFloatingPointTypeThatTheyFit) {
  EXPECT_EQ(*Value(7).As<double>(), 7.0);
  EXPECT_EQ(*Value(kMostUnsigned).As<double>(), 18446744073709551615.0);
  EXPECT_EQ(*Value(0.1).As<double>(), 0.1);
  EXPECT_EQ(*Value(0.1).As<float>(), 0.1f);
  EXPECT_EQ(*Value(std::numeric_limits<double>::max()).As<double>(),
            std::numeric_limits<double>::max());
  EXPECT_EQ(*Value(std::numeric_limits<double>::denorm_min()).As<double>(),
            std::numeric_limits<double>::denorm_min());
  EXPECT_TRUE(std::signbit(*Value(-0.0).As<double>()));
  EXPECT_EQ(*Value(-INFINITY).As<float>(), -INFINITY);
  EXPECT_TRUE(std::isnan(*Value(NAN).As<float>()));
  EXPECT_EQ(*Value(double{std::numeric_limits<float>::max()}).As<float>(),
            std::numeric_limits<float>::max());
  EXPECT_THAT(Value(1e300).As<float>(),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("1e+300")));
  EXPECT_THAT(Value(-1e39).As<float>(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(ValueTest, NothingElseIsConverted) {
  const auto wanted = [](absl::string_view is, absl::string_view wanted) {
    return StatusIs(absl::StatusCode::kInvalidArgument,
                    absl::StrCat("it is ", is, ", wanted ", wanted));
  };
  EXPECT_THAT(Value(1.0).As<int>(), wanted("a floating-point number", "an integer"));
  EXPECT_THAT(Value(true).As<int>(), wanted("a bool", "an integer"));
  EXPECT_THAT(Value(1).As<bool>(), wanted("an integer", "a bool"));
  EXPECT_THAT(Value("1").As<double>(), wanted("a text", "a number"));
  EXPECT_THAT(Value().As<std::string>(), wanted("nothing", "a text"));
  EXPECT_THAT(Value("x").As<Bytes>(), wanted("a text", "bytes"));
  EXPECT_THAT(Value(Bytes{"x"}).As<std::string>(), wanted("bytes", "a text"));
  EXPECT_THAT(Value(ValueMap{}).As<ValueList>(), wanted("a map", "a list"));
  EXPECT_THAT(Value(ValueList{}).As<ValueMap>(), wanted("a list", "a map"));
}

TEST(ValueTest, ContentsComeOutAsTheyWentIn) {
  EXPECT_EQ(*Value(true).As<bool>(), true);
  EXPECT_EQ(*Value("text").As<std::string>(), "text");
  const std::string with_nul("a\0b", 3);
  EXPECT_EQ(*Value(with_nul).As<std::string>(), with_nul);
  EXPECT_EQ(Value(Bytes{with_nul}).As<Bytes>()->data, with_nul);
  EXPECT_EQ(*Value(ValueList{1, "a"}).As<ValueList>(), (ValueList{1, "a"}));
  EXPECT_EQ(*Value(7).As<Value>(), Value(7));
}

TEST(ValueTest, PointersAreNullForOtherKinds) {
  const Value text = "x";
  ASSERT_NE(text.text(), nullptr);
  EXPECT_EQ(*text.text(), "x");
  EXPECT_EQ(text.bytes(), nullptr);
  EXPECT_EQ(text.list(), nullptr);
  EXPECT_EQ(text.map(), nullptr);
  EXPECT_FALSE(text.is_nothing());
  EXPECT_EQ(Value(Bytes{"x"}).text(), nullptr);
}

TEST(ValueMapTest, KeepsTheOrderOfInsertion) {
  ValueMap map = {{"z", 1}, {"a", 2}};
  map.Set("m", 3);
  map.Set("z", 4);  // in its old place
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("z", "a", "m"));
  EXPECT_EQ(map.at("z"), Value(4));
  EXPECT_EQ(map.size(), 3u);
}

TEST(ValueMapTest, LookUpOfAKeyThatIsNotThereGivesNothing) {
  const ValueMap map = {{"a", Value()}};
  EXPECT_EQ(map.Find("b"), nullptr);
  EXPECT_TRUE(map.at("b").is_nothing());
  ASSERT_NE(map.Find("a"), nullptr);
  EXPECT_TRUE(ValueMap().empty());
  EXPECT_FALSE(map.empty());
}

TEST(ValueMapTest, IsEqualWhateverTheOrder) {
  EXPECT_EQ((ValueMap{{"a", 1}, {"b", 2}}), (ValueMap{{"b", 2}, {"a", 1}}));
  EXPECT_NE((ValueMap{{"a", 1}, {"b", 2}}), (ValueMap{{"a", 1}, {"b", 3}}));
  EXPECT_NE((ValueMap{{"a", 1}}), (ValueMap{{"a", 1}, {"b", 2}}));
  EXPECT_NE((ValueMap{{"a", 1}}), (ValueMap{{"b", 1}}));
}

TEST(ValueMapTest, FromEntriesKeepsTheOrderAndRefusesAKeyTwice) {
  absl::StatusOr<ValueMap> map = ValueMap::FromEntries({{"b", 1}, {"a", 2}});
  ASSERT_THAT(map, IsOk());
  EXPECT_EQ(map->begin()->first, "b");
  EXPECT_THAT(ValueMap::FromEntries({{"b", 1}, {"a", 2}, {"b", 3}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b' comes twice")));
}

TEST(ValueMapTest, IsAValue) {
  ValueMap map = {{"a", 1}};
  ValueMap copy = map;
  copy.Set("a", 2);
  EXPECT_EQ(map.at("a"), Value(1));
  map = copy;
  EXPECT_EQ(map.at("a"), Value(2));
  const ValueMap moved = std::move(copy);
  EXPECT_EQ(moved.at("a"), Value(2));
}

TEST(ValueTest, DebugStringReadsLikeJson) {
  const Value value = ValueMap{{"seed", 7},          {"names", ValueList{"a", "b\n\"q\""}},
                               {"none", Value()},    {"on", true},
                               {"off", false},       {"raw", Bytes{"1234"}},
                               {"x", -0.5},          {"big", kMostUnsigned},
                               {"empty", ValueMap{}}};
  EXPECT_EQ(value.DebugString(),
            "{\"seed\": 7, \"names\": [\"a\", \"b\\n\\\"q\\\"\"], \"none\": nothing, \"on\": true, "
            "\"off\": false, \"raw\": <4 bytes>, \"x\": -0.5, \"big\": 18446744073709551615, "
            "\"empty\": {}}");
  EXPECT_EQ(Value("Zürich").DebugString(), "\"Zürich\"");
}

TEST(ValueTest, DeepNestingIsCopiedAndCompared) {
  Value deep = 1;
  for (int i = 0; i < 1000; ++i) deep = ValueList{deep};
  const Value copy = deep;
  EXPECT_EQ(copy, deep);
  EXPECT_EQ(deep.DebugString(), std::string(1000, '[') + "1" + std::string(1000, ']'));
}

// The well-formed byte sequences are those of RFC 3629 (Unicode, table 3-7); each boundary from
// both sides.
TEST(IsValidUtf8Test, AcceptsWellFormedSequences) {
  for (const char* text : {"",
                           "ascii",
                           "\x7f",
                           "\xc2\x80",
                           "\xdf\xbf",
                           "\xe0\xa0\x80",
                           "\xe0\xbf\xbf",
                           "\xe1\x80\x80",
                           "\xec\xbf\xbf",
                           "\xed\x80\x80",
                           "\xed\x9f\xbf",
                           "\xee\x80\x80",
                           "\xef\xbf\xbf",
                           "\xf0\x90\x80\x80",
                           "\xf0\xbf\xbf\xbf",
                           "\xf1\x80\x80\x80",
                           "\xf3\xbf\xbf\xbf",
                           "\xf4\x80\x80\x80",
                           "\xf4\x8f\xbf\xbf",
                           "a\xc3\xa4o\xe2\x82\xac\xf0\x9f\x98\x80z"}) {
    EXPECT_TRUE(IsValidUtf8(text)) << ::testing::PrintToString(std::string(text));
  }
  EXPECT_TRUE(IsValidUtf8(absl::string_view("a\0b", 3))) << "NUL is a character";
}

TEST(IsValidUtf8Test, RefusesAllElse) {
  for (const char* text : {
           "\x80",
           "\xbf",
           "a\x80",  // a continuation without a lead
           "\xc0\x80",
           "\xc1\xbf",  // overlong, two bytes
           "\xe0\x80\x80",
           "\xe0\x9f\xbf",  // overlong, three
           "\xf0\x80\x80\x80",
           "\xf0\x8f\xbf\xbf",  // overlong, four
           "\xed\xa0\x80",
           "\xed\xbf\xbf",  // surrogates
           "\xf4\x90\x80\x80",
           "\xf5\x80\x80\x80",
           "\xff",              // above U+10FFFF
           "\xfe\x80\x80\x80",  // no such lead
           "\xc2",
           "\xe1\x80",
           "\xf1\x80\x80",
           "a\xe2\x82",  // cut short at the end
           "\xc2z",
           "\xe1\x80z",
           "\xf1\x80\x80z",  // in the middle
           "\xc2\xc0",
           "\xe1\xc0\x80",
           "\xe1\x80\xc0",
           "\xf1\x80\xc0\x80",
           "\xf1\x80\x80\xc0",
           "\xc2\x7f",
           "\xe1\x7f\x80",
           "\xf1\x80\x80\x7f",
       }) {
    EXPECT_FALSE(IsValidUtf8(text)) << ::testing::PrintToString(std::string(text));
  }
}

// All strings of one and two bytes, against the definition.
TEST(IsValidUtf8Test, AgreesWithTheDefinitionForAllShortStrings) {
  for (int a = 0; a < 256; ++a) {
    const std::string one(1, static_cast<char>(a));
    EXPECT_EQ(IsValidUtf8(one), a < 0x80) << a;
    for (int b = 0; b < 256; ++b) {
      const bool two_ascii = a < 0x80 && b < 0x80;
      const bool one_character = a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF;
      ASSERT_EQ(IsValidUtf8(one + static_cast<char>(b)), two_ascii || one_character)
          << a << " " << b;
    }
  }
}

TEST(ValueTest, LargeMapsInAnotherOrderAreComparedInTime) {
  std::vector<ValueMap::Entry> forward, backward;
  for (int i = 0; i < 100'000; ++i) forward.emplace_back(absl::StrCat(i), i);
  backward.assign(forward.rbegin(), forward.rend());
  const ValueMap a = *ValueMap::FromEntries(forward);
  EXPECT_EQ(a, *ValueMap::FromEntries(backward));
  backward[5].second = Value("another");
  EXPECT_NE(a, *ValueMap::FromEntries(backward));
  backward[5] = {"another", 1};
  EXPECT_NE(a, *ValueMap::FromEntries(backward));
}

}  // namespace
}  // namespace slabpipe
