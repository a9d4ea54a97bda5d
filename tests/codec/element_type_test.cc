#include "slabpipe/codec/element_type.h"

#include <bit>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::IsOk;
using tests::IsOkAndHolds;
using tests::StatusIs;

TEST(ElementTypeTest, NumbersAreThoseOfTheSchemaAndNamesThoseOfNumPy) {
  const std::vector<std::tuple<ElementType, int, std::string, size_t, size_t>> types = {
      {kElementTypeOf<bool>, 0, "bool", 1, 1},
      {kElementTypeOf<int8_t>, 1, "int8", 1, 1},
      {kElementTypeOf<int16_t>, 2, "int16", 2, 2},
      {kElementTypeOf<int32_t>, 3, "int32", 4, 4},
      {kElementTypeOf<int64_t>, 4, "int64", 8, 8},
      {kElementTypeOf<uint8_t>, 5, "uint8", 1, 1},
      {kElementTypeOf<uint16_t>, 6, "uint16", 2, 2},
      {kElementTypeOf<uint32_t>, 7, "uint32", 4, 4},
      {kElementTypeOf<uint64_t>, 8, "uint64", 8, 8},
      {kElementTypeOf<float>, 9, "float32", 4, 4},
      {kElementTypeOf<double>, 10, "float64", 8, 8},
      {kElementTypeOf<std::complex<float>>, 11, "complex64", 8, 4},
      {kElementTypeOf<std::complex<double>>, 12, "complex128", 16, 8},
      {kElementTypeOf<Float16>, 13, "float16", 2, 2},
      {kElementTypeOf<Bfloat16>, 14, "bfloat16", 2, 2},
      {kElementTypeOf<FixedBytes<7>>, 15, "bytes[7]", 7, 1},
      {kElementTypeOf<FixedText<7>>, 16, "text[7]", 28, 4},
  };
  ASSERT_EQ(types.size(), static_cast<size_t>(ElementType::kKindCount));
  for (const auto& [type, number, name, bytes, alignment] : types) {
    EXPECT_EQ(static_cast<int>(type.kind()), number);
    EXPECT_EQ(type.name(), name);
    EXPECT_EQ(type.size_bytes(), bytes);
    EXPECT_EQ(type.alignment_bytes(), alignment);
  }
}

TEST(ElementTypeTest, EveryIntegerTypeHasTheElementTypeOfItsSize) {
  EXPECT_EQ(kElementTypeOf<long long>, ElementType::kInt64);
  EXPECT_EQ(kElementTypeOf<unsigned long>, ElementType::kUint64);
  EXPECT_EQ(kElementTypeOf<const short>, ElementType::kInt16);
  EXPECT_EQ(kElementTypeOf<const Bool8>, ElementType::kBool);
  EXPECT_FALSE(ArrayElement<std::string>);
  EXPECT_FALSE(ArrayElement<long double>);
}

TEST(ElementTypeTest, AnyByteButZeroIsTrue) {
  for (int byte = 0; byte < 256; ++byte) {
    const auto raw = static_cast<uint8_t>(byte);
    Bool8 truth;
    std::memcpy(&truth, &raw, 1);
    EXPECT_EQ(static_cast<bool>(truth), byte != 0);
  }
  EXPECT_TRUE(Bool8(true));
  EXPECT_FALSE(Bool8(false));
  EXPECT_FALSE(Bool8());
}

TEST(ElementTypeTest, TypesOfDifferentWidthsDiffer) {
  EXPECT_EQ(ElementType::Bytes(8), ElementType::Bytes(8));
  EXPECT_NE(ElementType::Bytes(8), ElementType::Bytes(7));
  EXPECT_NE(ElementType::Bytes(8), ElementType::Text(2));
  EXPECT_NE(ElementType::Bytes(8), ElementType(ElementType::kUint64));
}

TEST(ElementTypeTest, NumbersFromElsewhereAreChecked) {
  EXPECT_THAT(ElementType::FromWire(9, 77), IsOkAndHolds(ElementType(ElementType::kFloat32)));
  EXPECT_THAT(ElementType::FromWire(15, 3), IsOkAndHolds(ElementType::Bytes(3)));
  EXPECT_THAT(ElementType::FromWire(16, 12), IsOkAndHolds(ElementType::Text(3)));
  EXPECT_THAT(ElementType::FromWire(17, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("elementType")));
  const uint64_t most = ElementType::kMaxWidthBytes;
  EXPECT_THAT(ElementType::FromWire(15, most), IsOk());
  for (const auto& [kind, width] : std::vector<std::pair<unsigned, uint64_t>>{
           {15, 0}, {16, 0}, {16, 6}, {15, most + 1}, {16, most + 4}, {16, 1ull << 40}}) {
    EXPECT_THAT(ElementType::FromWire(kind, width),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("elementBytes")))
        << width;
  }
}

// The value of a binary16 by the standard's formula, in double precision, which holds all of them.
double ValueOfHalf(uint16_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int exponent = bits >> 10 & 0x1f;
  const int fraction = bits & 0x3ff;
  if (exponent == 0x1f) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Float16Test, EveryOneHasItsValueAndComesBackFromIt) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Float16 half = Float16::FromBits(static_cast<uint16_t>(bits));
    const auto wide = static_cast<float>(half);
    const double wanted = ValueOfHalf(half.bits());
    if (std::isnan(wanted)) {
      EXPECT_TRUE(std::isnan(wide)) << bits;
      EXPECT_TRUE(std::isnan(static_cast<float>(Float16(wide)))) << bits;
      continue;
    }
    EXPECT_EQ(wide, wanted) << bits;
    EXPECT_EQ(std::signbit(wide), (bits & 0x8000) != 0) << bits;
    EXPECT_EQ(Float16(wide).bits(), bits);
  }
}

TEST(Float16Test, RoundsToTheNearestAndTiesToEven) {
  // Between each two neighbours: the middle, and what lies next to it on either side.
  for (uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const double low = ValueOfHalf(bits), high = ValueOfHalf(static_cast<uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    const uint16_t even = bits % 2 == 0 ? bits : static_cast<uint16_t>(bits + 1);
    ASSERT_EQ(Float16(middle).bits(), even) << bits;
    ASSERT_EQ(Float16(std::nextafter(middle, 0.0f)).bits(), bits);
    ASSERT_EQ(Float16(std::nextafter(middle, 1e6f)).bits(), bits + 1);
    ASSERT_EQ(Float16(-middle).bits(), even | 0x8000);
  }
  EXPECT_EQ(Float16(65519.99f).bits(), 0x7bff);
  EXPECT_EQ(Float16(65520.0f).bits(), 0x7c00);
  EXPECT_EQ(Float16(std::numeric_limits<float>::max()).bits(), 0x7c00);
  EXPECT_EQ(Float16(-std::numeric_limits<float>::infinity()).bits(), 0xfc00);
  EXPECT_EQ(Float16(std::numeric_limits<float>::denorm_min()).bits(), 0);
}

TEST(Bfloat16Test, IsTheUpperHalfOfAFloatRoundedToEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Bfloat16 number = Bfloat16::FromBits(static_cast<uint16_t>(bits));
    const auto wide = static_cast<float>(number);
    EXPECT_EQ(std::bit_cast<uint32_t>(wide), bits << 16);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(Bfloat16(wide))));
      continue;
    }
    EXPECT_EQ(Bfloat16(wide).bits(), bits);
    if (std::isinf(wide)) continue;
    const uint32_t middle = bits << 16 | 0x8000;
    EXPECT_EQ(Bfloat16(std::bit_cast<float>(middle)).bits(), bits + bits % 2);
    EXPECT_EQ(Bfloat16(std::bit_cast<float>(middle - 1)).bits(), bits);
    EXPECT_EQ(Bfloat16(std::bit_cast<float>(middle + 1)).bits(), bits + 1);
  }
}

TEST(FixedWidthTest, BytesKeepAllButTheZerosAtTheEnd) {
  const auto element = FixedBytes<4>::From(absl::string_view("a\0b", 3));
  ASSERT_THAT(element, IsOk());
  EXPECT_EQ(element->view(), absl::string_view("a\0b", 3));
  EXPECT_EQ(FixedBytes<4>().view(), "");
  EXPECT_EQ(FixedBytes<4>::From("abcd")->view(), "abcd");
  EXPECT_THAT(FixedBytes<4>::From("abcde"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("holds 4")));
  EXPECT_THAT(FixedBytes<4>::From(absl::string_view("ab\0", 3)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ends with a zero")));
}

TEST(FixedWidthTest, TextOfEveryLengthOfCharacterComesBack) {
  for (const std::string text : {"", "ascii", "\u00e9", "\u20ac", "\U0001d11e",
                                 "a\u07ff\u0800\uffff", "\U00010000\U0010ffff"}) {
    const auto element = FixedText<5>::From(text);
    ASSERT_THAT(element, IsOk());
    EXPECT_THAT(element->ToUtf8(), IsOkAndHolds(text));
  }
  EXPECT_THAT(FixedText<5>::From("sixsix"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("6 characters")));
  EXPECT_THAT(FixedText<5>::From("\xff"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
}

TEST(FixedWidthTest, ANumberThatIsNoCharacterIsAnError) {
  for (const uint32_t bad : {0x110000u, 0xd800u, 0xdfffu, 0xffffffffu}) {
    const char32_t element[] = {U'a', static_cast<char32_t>(bad)};
    EXPECT_THAT(ReadFixedText(element),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("character 1")));
  }
}

TEST(FixedWidthTest, StringsBecomeAnArrayAsWideAsTheLongest) {
  const absl::StatusOr<AnyNdArray> texts = TextArray({"Ada", "\u00c9milie", ""});
  ASSERT_THAT(texts, IsOk());
  EXPECT_EQ(texts->element_type(), ElementType::Text(6));
  EXPECT_THAT(TextsOf(*texts), IsOkAndHolds(ElementsAre("Ada", "\u00c9milie", "")));
  EXPECT_THAT(TextsOf(*texts->Slice(0, 2, -1, -2)), IsOkAndHolds(ElementsAre("", "Ada")));
  const absl::StatusOr<AnyNdArray> bytes = BytesArray({"\xff\xfe", "x"});
  ASSERT_THAT(bytes, IsOk());
  EXPECT_EQ(bytes->element_type(), ElementType::Bytes(2));
  EXPECT_THAT(BytesOf(*bytes), IsOkAndHolds(ElementsAre("\xff\xfe", "x")));
  EXPECT_THAT(TextsOf(*bytes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bytes[2] (2,)")));
  EXPECT_THAT(TextArray({"good", "\xff"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("item 1")));
  EXPECT_EQ(TextArray({})->element_type(), ElementType::Text(1));
}

TEST(FixedWidthTest, AnArrayOfAKnownWidthIsTyped) {
  auto codes = NdArray<FixedBytes<8>>::Create({2});
  ASSERT_THAT(codes, IsOk());
  (*codes)(1) = *FixedBytes<8>::From("AB12");
  EXPECT_THAT(BytesOf(*codes), IsOkAndHolds(ElementsAre("", "AB12")));
  EXPECT_THAT(NdArray<FixedBytes<7>>::FromAny(*codes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bytes[7]")));
}

}  // namespace
}  // namespace slabpipe
