#include "slabpipe/session/type_name.h"

#include <array>
#include <complex>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/table.h"

namespace lidar {
struct Cloud {};
struct Noise {};
enum class Mode {};
}  // namespace lidar

template <>
inline constexpr absl::string_view slabpipe::kTypeName<lidar::Noise> = "noise";

namespace slabpipe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TypeNameTest, SmallValuesHaveShortNames) {
  EXPECT_EQ(ReadableTypeName<bool>(), "bool");
  EXPECT_EQ(ReadableTypeName<int>(), "int");
  EXPECT_EQ(ReadableTypeName<int64_t>(), "int64");
  EXPECT_EQ(ReadableTypeName<long long>(), "int64");
  EXPECT_EQ(ReadableTypeName<unsigned>(), "uint32");
  EXPECT_EQ(ReadableTypeName<uint8_t>(), "uint8");
  EXPECT_EQ(ReadableTypeName<float>(), "float");
  EXPECT_EQ(ReadableTypeName<double>(), "double");
  EXPECT_EQ(ReadableTypeName<std::string>(), "text");
  EXPECT_EQ(ReadableTypeName<const absl::string_view&>(), "text");
  EXPECT_EQ(ReadableTypeName<std::string_view>(), "text");
  EXPECT_EQ(ReadableTypeName<const char*>(), "text");
  EXPECT_EQ(ReadableTypeName<Bytes>(), "bytes");
  EXPECT_EQ(ReadableTypeName<Value>(), "small value");
  EXPECT_EQ(ReadableTypeName<ValueList>(), "list of small values");
  EXPECT_EQ(ReadableTypeName<ValueMap>(), "map of text to small value");
  EXPECT_EQ(ReadableTypeName<Object>(), "anything");
}

TEST(TypeNameTest, NothingIsWhatAFunctionWithoutAResultGives) {
  EXPECT_EQ(ReadableTypeName<void>(), "nothing");
  EXPECT_EQ(ReadableTypeName<absl::Status>(), "nothing");
  EXPECT_EQ(ReadableTypeName<std::monostate>(), "nothing");
  EXPECT_EQ(ReadableTypeName<absl::StatusOr<int>>(), "int");
}

TEST(TypeNameTest, ObjectsThatStayInTheWorkerAreHandles) {
  EXPECT_EQ(ReadableTypeName<const Handle<lidar::Cloud>&>(), "Handle<lidar::Cloud>");
  EXPECT_EQ(ReadableTypeName<std::shared_ptr<lidar::Cloud>>(), "Handle<lidar::Cloud>");
  EXPECT_EQ(ReadableTypeName<Handle<lidar::Noise>>(), "Handle<noise>");
  EXPECT_EQ(ReadableTypeName<absl::StatusOr<Handle<std::vector<double>>>>(),
            "Handle<array of float64>");
}

TEST(TypeNameTest, ArraysSayWhatTheirElementsAre) {
  EXPECT_EQ(ReadableTypeName<const NdArray<const double>&>(), "array of float64");
  EXPECT_EQ(ReadableTypeName<NdArray<const std::complex<float>>>(), "array of complex64");
  EXPECT_EQ(ReadableTypeName<AnyNdArray>(), "array");
  EXPECT_EQ(ReadableTypeName<std::vector<int>>(), "array of int32");
  EXPECT_EQ(ReadableTypeName<std::vector<bool>>(), "array of bool");
  EXPECT_EQ((ReadableTypeName<std::array<double, 3>>()), "array of float64 [3]");
  EXPECT_EQ(ReadableTypeName<absl::Span<const float>>(), "array of float32");
}

TEST(TypeNameTest, ContainersSayWhatIsInThem) {
  EXPECT_EQ(ReadableTypeName<std::vector<std::string>>(), "list of text");
  EXPECT_EQ(ReadableTypeName<std::vector<std::vector<Table>>>(), "list of list of Table");
  EXPECT_EQ((ReadableTypeName<std::array<std::string, 2>>()), "list of text [2]");
  EXPECT_EQ((ReadableTypeName<std::pair<int, std::string>>()), "(int, text)");
  EXPECT_EQ((ReadableTypeName<std::tuple<int, Table, bool>>()), "(int, Table, bool)");
  EXPECT_EQ(ReadableTypeName<std::optional<int>>(), "int or nothing");
  EXPECT_EQ((ReadableTypeName<std::variant<int, Dataset, Bytes>>()), "int or Dataset or bytes");
  EXPECT_EQ((ReadableTypeName<std::map<std::string, std::vector<double>>>()),
            "map of text to array of float64");
  EXPECT_EQ((ReadableTypeName<std::unordered_map<int, Table>>()), "map of int to Table");
}

TEST(TypeNameTest, TypesOfOnesOwnHaveTheirNameOrTheOneThatTheyAreGiven) {
  EXPECT_EQ(ReadableTypeName<Table>(), "Table");
  EXPECT_EQ(ReadableTypeName<Dataset>(), "Dataset");
  EXPECT_EQ(ReadableTypeName<lidar::Cloud>(), "lidar::Cloud");
  EXPECT_EQ(ReadableTypeName<lidar::Mode>(), "lidar::Mode");
  EXPECT_EQ(ReadableTypeName<std::vector<lidar::Noise>>(), "list of noise");
  EXPECT_EQ(ReadableTypeName<Leased<lidar::Cloud>>(), "lidar::Cloud");
}

TEST(ShowValueTest, ShowsSmallOnesWhole) {
  EXPECT_EQ(ShowValue(4), "4");
  EXPECT_EQ(ShowValue(2.5), "2.5");
  EXPECT_EQ(ShowValue(true), "true");
  EXPECT_EQ(ShowValue(Value()), "nothing");
  EXPECT_EQ(ShowValue("it's \"so\""), "\"it's \"so\"\"");
  EXPECT_EQ(ShowValue(ValueList{1, "a"}), "[1, \"a\"]");
  EXPECT_EQ(ShowValue(ValueMap{{"seed", 7}}), "{\"seed\": 7}");
}

TEST(ShowValueTest, IsBoundedAndPrintableWhateverIsInIt) {
  EXPECT_EQ(ShowValue(std::string(1'000'000, 'x'), 10), "\"xxxxxxx...\"");
  EXPECT_EQ(ShowValue("a\n\x1b[31m"), "\"a\\n\\033[31m\"");
  EXPECT_EQ(ShowValue(ValueList(1000, 1)), "[1, 1, 1, 1, ...]");
  Value deep = 1;
  for (int i = 0; i < 60; ++i) deep = ValueList{deep};
  EXPECT_EQ(ShowValue(deep), "[[[[...]]]]");
  EXPECT_EQ(ShowValue(ValueMap{{"\x07", "\xff"}}), "{\"\\007\": \"\\377\"}");
  EXPECT_LE(ShowValue(ValueList(4, ValueList(4, std::string(100, 'x'))), 30).size(), 32u);
}

TEST(DescribeObjectTest, SaysWhatItIs) {
  EXPECT_EQ(DescribeObject(Object::Make<Value>("four")), "text \"four\"");
  EXPECT_EQ(DescribeObject(Object::Make<Value>(4)), "int 4");
  EXPECT_EQ(DescribeObject(Object::Make<Value>(0.5)), "double 0.5");
  EXPECT_EQ(DescribeObject(Object::Make<Value>(false)), "bool false");
  EXPECT_EQ(DescribeObject(Object::Make<Value>(Value())), "nothing");
  EXPECT_EQ(DescribeObject(Object()), "nothing");
  EXPECT_EQ(DescribeObject(Object::Make<Value>(Bytes{"abc"})), "bytes (3)");
  EXPECT_EQ(DescribeObject(Object::Make<Value>(ValueList{1, 2})), "list [1, 2]");
  EXPECT_EQ(DescribeObject(Object::Make<AnyNdArray>(*NdArray<float>::Create({2, 3}))),
            "array of float32 (2, 3)");
  EXPECT_EQ(DescribeObject(Object::Make(ObjectList{.items = {Object(), Object()}})), "list of 2");
  EXPECT_EQ(DescribeObject(Object::Make(DynamicRecord{.type_name = "bayes.Fit\n", .fields = {}})),
            "record 'bayes.Fit\\n'");
  EXPECT_EQ(DescribeObject(Object::Make(lidar::Cloud())), "lidar::Cloud");
  EXPECT_EQ(DescribeObject(Object::Make(Table())), "Table");
}

TEST(DescribeObjectTest, IsBoundedAndPrintable) {
  const Object object = Object::Make<Value>(std::string(1'000'000, '\x1b'));
  EXPECT_LT(DescribeObject(object).size(), 100u);
  EXPECT_THAT(DescribeObject(object), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace slabpipe
