// Every built-in codec conforms. conformance_failure_test.cc shows that the helper can say no.

#include "slabpipe/codec/testing/conformance.h"

#include <complex>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/record.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/codec/testing/loopback_handles.h"
#include "slabpipe/tests/codec/test_arrays.h"
#include "slabpipe/tests/codec/test_tables.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe::tests {
namespace {

using ::slabpipe::codec_testing::Conformance;
using ::slabpipe::codec_testing::LoopbackHandles;
using ::slabpipe::codec_testing::Peer;

// Arrays: private ones are copied once; what lies in shared memory is not.

template <typename T>
NdArray<const T> Filled(NdArray<T> array) {
  FillWithNoise(array);
  return array;
}

template <typename T>
std::vector<NdArray<const T>> WithViews(const NdArray<const T>& array) {
  std::vector<NdArray<const T>> views;
  for (const NamedArray& view : ViewsOf("", array)) {
    views.push_back(*NdArray<const T>::FromAny(view.array));
  }
  return views;
}

template <typename T>
Conformance<NdArray<const T>> PrivateArrays() {
  Conformance<NdArray<const T>> conformance;
  conformance.values = {Filled(*NdArray<T>::Create({7})), Filled(*NdArray<T>::Create({})),
                        Filled(*NdArray<T>::Create({3, 4}, Order::kColumnMajor))};
  conformance.copies = 1;
  conformance.echo_copies = 0;
  conformance.max_corruptions = 1000;
  return conformance;
}

template <typename T>
Conformance<NdArray<const T>> PrivateViews() {
  Conformance<NdArray<const T>> conformance = PrivateArrays<T>();
  conformance.values = WithViews(Filled(*NdArray<T>::Create({4, 3, 5})));
  conformance.max_corruptions = 500;
  return conformance;
}

template <typename T>
Conformance<NdArray<const T>> SharedArrays() {
  Conformance<NdArray<const T>> conformance;
  conformance.make_values = [](ShmPool& pool) -> absl::StatusOr<std::vector<NdArray<const T>>> {
    auto array = NewSharedArray<T>(pool, {4, 3, 5});
    auto columns = NewSharedArray<T>(pool, {6, 5}, Order::kColumnMajor);
    if (!array.ok()) return array.status();
    if (!columns.ok()) return columns.status();
    std::vector<NdArray<const T>> values = WithViews(Filled(*array));
    values.push_back(Filled(*columns));
    return values;
  };
  conformance.copies = 0;
  conformance.echo_copies = 0;
  conformance.max_corruptions = 300;
  return conformance;
}

// Large enough for a segment of its own.
Conformance<AnyNdArray> LargeSharedArrays() {
  Conformance<AnyNdArray> conformance;
  conformance.make_values = [](ShmPool& pool) -> absl::StatusOr<std::vector<AnyNdArray>> {
    auto array = NewSharedArray<double>(pool, {ShmPool::kSharedSlabBytes / 512, 8});
    if (!array.ok()) return array.status();
    FillWithNoise(*array);
    return std::vector<AnyNdArray>{*array->Slice(0, 5, 100), *array->Slice(1, 7, -1, -2)};
  };
  conformance.same = &SameElements;
  conformance.copies = 0;
  conformance.echo_copies = 0;
  conformance.max_corruptions = 100;
  return conformance;
}

Conformance<NdArray<const double>> EmptyArrays() {
  Conformance<NdArray<const double>> conformance;
  conformance.values = {NdArray<const double>(), *NdArray<double>::Create({3, 0, 2})};
  conformance.copies = 0;
  conformance.echo_copies = 0;
  return conformance;
}

// Elements whose type C++ does not know: texts and bytes of a fixed width.
Conformance<AnyNdArray> FixedWidthArrays() {
  Conformance<AnyNdArray> conformance;
  conformance.values = {*TextArray({"Ada", "\u00c9milie"}), *TextArray({"x"})};
  NdArray<FixedBytes<8>> codes = *NdArray<FixedBytes<8>>::Create({2});
  codes(0) = *FixedBytes<8>::From("AB12");
  conformance.values.push_back(codes);
  conformance.copies = 1;
  conformance.echo_copies = 0;
  return conformance;
}

Conformance<std::vector<int32_t>> Vectors() {
  Conformance<std::vector<int32_t>> conformance;
  conformance.values = {{}, {1}, {2, 3, 5, 7, 11}, std::vector<int32_t>(1000, 13)};
  conformance.max_corruptions = 1000;
  return conformance;
}

Conformance<std::vector<bool>> Flags() {
  Conformance<std::vector<bool>> conformance;
  conformance.values = {{true, false, true}, {}, std::vector<bool>(70, true)};
  return conformance;
}

// Values.

std::string Long(char letter) { return std::string(5000, letter); }  // lies in a block

Conformance<Value> Values() {
  Conformance<Value> conformance;
  conformance.values = {
      Value(),
      true,
      -7,
      uint64_t{1} << 63,
      2.5,
      "text",
      Bytes{std::string("\0\xff", 2)},
      ValueList{1, "two", ValueList{}, ValueMap{}},
      ValueMap{{"seed", 7}, {"names", ValueList{"a", "b"}}, {"none", Value()}},
      ValueMap{{"long", Long('x')}, {"bytes", Bytes{Long('\xff')}}},
  };
  conformance.max_corruptions = 1000;
  return conformance;
}

Conformance<std::string> LongTexts() {
  Conformance<std::string> conformance;
  conformance.values = {Long('a'), Long('b'), ""};
  return conformance;
}

Conformance<std::optional<double>> Optionals() {
  Conformance<std::optional<double>> conformance;
  conformance.values = {std::nullopt, 1.5};
  conformance.copies = 0;
  return conformance;
}

// Records and sequences.

struct Fit {
  NdArray<const double> draws;
  std::string model;
  std::optional<int> chains;
  std::vector<float> weights;

  static constexpr auto SlabpipeFields() {
    return Fields("test.Fit", Field("draws", &Fit::draws), Field("model", &Fit::model),
                  Field("chains", &Fit::chains), Field("weights", &Fit::weights));
  }
  friend bool operator==(const Fit& a, const Fit& b) {
    return SameElements(a.draws, b.draws) && a.model == b.model && a.chains == b.chains &&
           a.weights == b.weights;
  }
};

Fit MakeFit(int64_t draws) {
  return {.draws = Filled(*NdArray<double>::Create({draws, 2})),
          .model = draws > 5 ? Long('m') : "short",
          .chains = 4,
          .weights = {1, 2, 3}};
}

Conformance<Fit> Records() {
  Conformance<Fit> conformance;
  conformance.values = {Fit(), MakeFit(3), MakeFit(9)};
  conformance.max_corruptions = 1000;
  return conformance;
}

Conformance<std::vector<Fit>> ListsOfRecords() {
  Conformance<std::vector<Fit>> conformance;
  conformance.values = {{}, {MakeFit(2)}, {MakeFit(6), Fit(), MakeFit(1)}};
  conformance.max_corruptions = 600;
  return conformance;
}

Conformance<Labels> Texts() {
  Conformance<Labels> conformance;
  conformance.values = {{}, {"Choate"}, {"Deerfield", "", Long('d')}};
  conformance.max_corruptions = 1000;
  return conformance;
}

// Maps, variants and tuples.

using NamedColumns = std::map<std::string, std::vector<double>>;

Conformance<NamedColumns> Maps() {
  Conformance<NamedColumns> conformance;
  conformance.values = {{}, {{"a", {1, 2}}}, {{"", {}}, {"long", {3, 4, 5}}, {"x", {6}}}};
  conformance.max_corruptions = 1000;
  return conformance;
}

Conformance<std::unordered_map<int64_t, std::string>> MapsByNumber() {
  Conformance<std::unordered_map<int64_t, std::string>> conformance;
  conformance.values = {{{-1, "minus one"}, {1, Long('1')}}, {{7, "seven"}}};
  return conformance;
}

using Shape = std::variant<std::monostate, double, std::string, std::vector<float>>;

Conformance<Shape> Variants() {
  Conformance<Shape> conformance;
  conformance.values = {Shape(), 2.5, "text", std::vector<float>{1, 2, 3}};
  return conformance;
}

Conformance<std::tuple<int, std::string, NdArray<const float>>> Tuples() {
  Conformance<std::tuple<int, std::string, NdArray<const float>>> conformance;
  conformance.values = {{1, "one", Filled(*NdArray<float>::Create({4}))},
                        {2, "two", NdArray<const float>()}};
  return conformance;
}

// What arrives is looked at as it is, and sent on.
Conformance<Object> Objects() {
  Conformance<Object> conformance;
  conformance.values = {Object(), Object::Make(Value(7)),
                        Object::Make<AnyNdArray>(Filled(*NdArray<float>::Create({5}))),
                        Object::Make(ObjectList{{Object::Make(Value("a")), Object()}})};
  return conformance;
}

// Datasets, which are compared by what they encode to.
Dataset Posterior(NdArray<const double> theta, Column schools) {
  Dataset dataset;
  dataset.attributes().Set("sampler", "slice");
  DatasetGroup& posterior = dataset.AddGroup("posterior");
  posterior.attributes().Set("draws", 3);
  EXPECT_THAT(posterior.AddCoordinate("school", std::move(schools)), IsOk());
  EXPECT_THAT(posterior.AddVariable("theta", {"draw", "school"}, theta, {{"unit", "points"}}),
              IsOk());
  dataset.AddGroup("prior");
  return dataset;
}

// With coordinates of time, columns of two dimensions and of none, a missing value, scalars.
Dataset Journal() {
  const absl::Time start = absl::FromUnixSeconds(1800000000);
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("journal");
  const std::vector<absl::Time> days = {start, start + absl::Hours(24)};
  EXPECT_THAT(
      group.AddCoordinate("day", *ToColumn(days, ColumnType::Timestamp(TimeUnit::kSecond, "UTC"))),
      IsOk());
  EXPECT_THAT(group.AddCoordinate("place", {}, ShapedColumn(*ToColumn({"Bergen"}), {})), IsOk());
  EXPECT_THAT(group.AddVariable("note", {"day", "who"},
                                ShapedColumn(*ToColumn({"a", "", "cc", "d"}), {2, 2})),
              IsOk());
  const std::vector<std::optional<int32_t>> counts = {5, std::nullopt};
  EXPECT_THAT(group.AddVariable("count", {"day"}, *ToColumn(counts)), IsOk());
  EXPECT_THAT(group.AddVariable("n", {}, Filled(*NdArray<double>::Create({}))), IsOk());
  return dataset;
}

Conformance<Dataset> Datasets() {
  Conformance<Dataset> conformance;
  const NdArray<const double> theta = Filled(*NdArray<double>::Create({3, 2}));
  conformance.values = {Dataset(), Posterior(theta, *ToColumn({"Choate", "Deerfield"})), Journal()};
  conformance.max_corruptions = 1000;
  return conformance;
}

Conformance<Dataset> SharedDatasets() {
  Conformance<Dataset> conformance;
  conformance.make_values = [](ShmPool& pool) -> absl::StatusOr<std::vector<Dataset>> {
    auto theta = NewSharedArray<double>(pool, {3, 2});
    if (!theta.ok()) return theta.status();
    auto schools = ToColumn({"Choate", "Deerfield"})->Copy(SharedMemory(pool));
    if (!schools.ok()) return schools.status();
    return std::vector<Dataset>{Posterior(Filled(*theta), *schools)};
  };
  conformance.copies = 0;
  conformance.echo_copies = 0;
  conformance.max_corruptions = 1000;
  return conformance;
}

// Tables and columns.
absl::Status ReadCells(const Column& column) {
  for (int64_t row = 0; row < column.size(); ++row) column.CellText(row);
  const absl::Status copied = column.Copy().status();
  // What was changed after the check is found out by the copy.
  return absl::IsDataLoss(copied) ? absl::OkStatus() : copied;
}

Conformance<Table> Tables() {
  Conformance<Table> conformance;
  conformance.values = {Table(), *Table::Make({}, 5), Penguins(), Penguins().Head(0),
                        *Penguins().Slice(2, 5)};
  conformance.same = SameTables;
  conformance.read = [](const Table& table) {
    table.ToText();
    for (const TableColumn& column : table.columns()) {
      if (absl::Status status = ReadCells(column.values); !status.ok()) return status;
    }
    return absl::OkStatus();
  };
  conformance.echo_copies = 0;
  conformance.max_corruptions = 1000;
  return conformance;
}

Conformance<Table> TablesOfAllKinds() {
  Conformance<Table> conformance = Tables();
  conformance.values = {AllKinds()};
  conformance.copies = 1;
  return conformance;
}

Conformance<Table> SharedTables() {
  Conformance<Table> conformance = Tables();
  conformance.values = {};
  conformance.make_values = [](ShmPool& pool) -> absl::StatusOr<std::vector<Table>> {
    absl::StatusOr<Table> table = Penguins().Copy(SharedMemory(pool));
    if (!table.ok()) return table.status();
    return std::vector<Table>{*table, *table->Slice(3, 6), *table->Select({"mass", "island"})};
  };
  conformance.copies = 0;
  return conformance;
}

Conformance<Column> Columns() {
  Conformance<Column> conformance;
  conformance.values = {Column(), *ToColumn({"a", "", "longer"}), *Penguins().Column("species"),
                        *ToColumn(std::vector<double>{1, 2.5})};
  conformance.same = SameValues;
  conformance.read = ReadCells;
  conformance.max_corruptions = 1000;
  return conformance;
}

// The codecs that a conformance's values are sent with.
template <typename T>
void AddCodecs(const Conformance<T>& conformance, std::set<std::string>& names) {
  Peer peer("m.", "w.", conformance.registry());
  peer.UseHandles(std::make_shared<LoopbackHandles>());
  std::vector<T> values = conformance.values;
  if (conformance.make_values) values = *conformance.make_values(peer.pool());
  for (const T& value : values) {
    auto letter = peer.Write(value);
    ASSERT_THAT(letter, IsOk());
    for (const auto name : (*letter)->root().getCodecs()) names.insert(name.cStr());
  }
}

struct Kept {
  int value = 0;
};

Conformance<std::vector<Handle<Kept>>> Handles() {
  Conformance<std::vector<Handle<Kept>>> conformance;
  const Handle<Kept> first(std::make_shared<Kept>(), "the first");
  const Handle<Kept> second(std::make_shared<Kept>(), "the second");
  conformance.values = {{}, {first}, {second, first, second}};
  conformance.copies = 0;
  conformance.echo_copies = 0;
  return conformance;
}

class ConformanceTest : public ::testing::Test {
  Watchdog watchdog_{absl::Seconds(120)};
};

TEST_F(ConformanceTest, PrivateArraysConform) {
  EXPECT_THAT(PrivateArrays<double>().Run(), IsOk());
  EXPECT_THAT(PrivateArrays<uint8_t>().Run(), IsOk());
  EXPECT_THAT(PrivateArrays<std::complex<float>>().Run(), IsOk());
  EXPECT_THAT(PrivateArrays<bool>().Run(), IsOk());
}
TEST_F(ConformanceTest, ViewsOfPrivateArraysConform) {
  EXPECT_THAT(PrivateViews<int16_t>().Run(), IsOk());
}
TEST_F(ConformanceTest, SharedArraysConformWithoutACopy) {
  EXPECT_THAT(SharedArrays<double>().Run(), IsOk());
  EXPECT_THAT(SharedArrays<uint8_t>().Run(), IsOk());
  EXPECT_THAT(LargeSharedArrays().Run(), IsOk());
}
TEST_F(ConformanceTest, EmptyArraysConform) { EXPECT_THAT(EmptyArrays().Run(), IsOk()); }
TEST_F(ConformanceTest, FixedWidthArraysConform) { EXPECT_THAT(FixedWidthArrays().Run(), IsOk()); }
TEST_F(ConformanceTest, VectorsConform) {
  EXPECT_THAT(Vectors().Run(), IsOk());
  EXPECT_THAT(Flags().Run(), IsOk());
}
TEST_F(ConformanceTest, ValuesConform) { EXPECT_THAT(Values().Run(), IsOk()); }
TEST_F(ConformanceTest, LongTextsConform) { EXPECT_THAT(LongTexts().Run(), IsOk()); }
TEST_F(ConformanceTest, OptionalsConform) { EXPECT_THAT(Optionals().Run(), IsOk()); }
TEST_F(ConformanceTest, RecordsConform) { EXPECT_THAT(Records().Run(), IsOk()); }
TEST_F(ConformanceTest, ListsOfRecordsConform) { EXPECT_THAT(ListsOfRecords().Run(), IsOk()); }
TEST_F(ConformanceTest, TextsConform) { EXPECT_THAT(Texts().Run(), IsOk()); }
TEST_F(ConformanceTest, MapsConform) {
  EXPECT_THAT(Maps().Run(), IsOk());
  EXPECT_THAT(MapsByNumber().Run(), IsOk());
}
TEST_F(ConformanceTest, VariantsConform) { EXPECT_THAT(Variants().Run(), IsOk()); }
TEST_F(ConformanceTest, TuplesConform) { EXPECT_THAT(Tuples().Run(), IsOk()); }
TEST_F(ConformanceTest, ObjectsConform) { EXPECT_THAT(Objects().Run(), IsOk()); }
TEST_F(ConformanceTest, DatasetsConform) { EXPECT_THAT(Datasets().Run(), IsOk()); }
TEST_F(ConformanceTest, SharedDatasetsConformWithoutACopy) {
  EXPECT_THAT(SharedDatasets().Run(), IsOk());
}

TEST_F(ConformanceTest, TablesConform) { EXPECT_THAT(Tables().Run(), IsOk()); }
TEST_F(ConformanceTest, TablesOfAllKindsConform) { EXPECT_THAT(TablesOfAllKinds().Run(), IsOk()); }
TEST_F(ConformanceTest, SharedTablesConformWithoutACopy) {
  EXPECT_THAT(SharedTables().Run(), IsOk());
}
TEST_F(ConformanceTest, ColumnsConform) { EXPECT_THAT(Columns().Run(), IsOk()); }

TEST_F(ConformanceTest, HandlesConform) { EXPECT_THAT(Handles().Run(), IsOk()); }

TEST_F(ConformanceTest, EveryBuiltInCodecIsCoveredHere) {
  std::set<std::string> covered;
  AddCodecs(SharedArrays<double>(), covered);
  AddCodecs(Values(), covered);
  AddCodecs(Records(), covered);
  AddCodecs(Texts(), covered);
  AddCodecs(Maps(), covered);
  AddCodecs(Variants(), covered);
  AddCodecs(Datasets(), covered);
  AddCodecs(Tables(), covered);
  AddCodecs(Columns(), covered);
  AddCodecs(Handles(), covered);
  EXPECT_THAT(covered, ::testing::UnorderedElementsAreArray(BuiltInCodecs().names()));
}

}  // namespace
}  // namespace slabpipe::tests
