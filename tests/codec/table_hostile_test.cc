// What a bad peer may say of a table, field by field. The fuzzers `table` and `column` (tests/fuzz)
// try the same at random.

#include <capnp/any.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table_builder.h"
#include "slabpipe/codec/table_codec.h"
#include "slabpipe/tests/codec/hostile_columns.h"
#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::BufferOf;
using ::slabpipe::tests::Categories;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Lists;
using ::slabpipe::tests::Numbers;
using ::slabpipe::tests::Poke;
using ::slabpipe::tests::StatusIs;
using ::slabpipe::tests::Texts;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class TableHostileTest : public tests::RoundTrip {
 protected:
  using Corrupt = std::function<void(schemas::Columns::Builder)>;

  // In memory that this process can write while the worker looks on.
  Column Shared(const Column& column) { return *column.Copy(SharedMemory(main_->pool())); }
  static Table TableOf(const Column& column) { return *Table::Make({{"x", column}}); }
  // What reading a table of the column "x" ends with when `corrupt` has been at its metadata.
  absl::Status Read(const Column& column, const Corrupt& corrupt) {
    return ReadCorrupted(TableOf(column), [&](tests::Letter& letter) {
      corrupt(letter.metadata<schemas::Table>().getColumns());
    });
  }
  // The same of a column alone.
  absl::Status ReadAlone(const Column& column, const Corrupt& corrupt) {
    return ReadCorrupted(
        column, [&](tests::Letter& letter) { corrupt(letter.metadata<schemas::Columns>()); });
  }
  void ExpectRefused(const Column& column, const std::string& field, const Corrupt& corrupt) {
    EXPECT_THAT(Read(column, corrupt),
                StatusIs(kInvalid, AllOf(HasSubstr("table: column 'x': "), HasSubstr(field))));
    EXPECT_THAT(ReadAlone(column, corrupt),
                StatusIs(kInvalid, AllOf(HasSubstr("column: column '': "), HasSubstr(field))));
  }
  // What is in its memory already is wrong.
  void ExpectRefused(const Column& column, const std::string& field) {
    ExpectRefused(column, field, [](auto) {});
  }
  // A table whose metadata of its own `corrupt` has been at.
  absl::Status ReadTable(const Table& table,
                         const std::function<void(schemas::Table::Builder)>& corrupt) {
    return ReadCorrupted(
        table, [&](tests::Letter& letter) { corrupt(letter.metadata<schemas::Table>()); });
  }
};

// ---- What the buffers hold

TEST_F(TableHostileTest, RefusesOffsetsThatDecreaseOrLeadOutside) {
  const std::vector<std::pair<size_t, int32_t>> cases = {
      {1, 7}, {2, 2}, {4, 16}, {4, std::numeric_limits<int32_t>::max()}, {0, -1}, {4, -1}};
  for (const auto& [index, offset] : cases) {
    SCOPED_TRACE(absl::StrCat("offset ", index, " is ", offset));
    const Column texts = Shared(Texts());
    Poke<int32_t>(BufferOf(texts, 1), index, offset);
    ExpectRefused(texts, "offsets: they ");
    const Column large = Shared(Texts(ColumnType::LargeText()));
    Poke<int64_t>(BufferOf(large, 1), index, offset);
    ExpectRefused(large, "offsets: they ");
    const Column bytes = Shared(Texts(ColumnType::kBytes));
    Poke<int32_t>(BufferOf(bytes, 1), index, offset);
    ExpectRefused(bytes, "offsets: they ");
  }
  const Column huge = Shared(Texts(ColumnType::kLargeBytes));
  Poke<int64_t>(BufferOf(huge, 1), 4, std::numeric_limits<int64_t>::max());
  ExpectRefused(huge, "offsets: they lead to 9223372036854775807, behind the end at 15");
}

TEST_F(TableHostileTest, RefusesListsWhoseOffsetsLeadNowhere) {
  const std::vector<std::pair<size_t, int32_t>> cases = {{1, 5}, {4, 7}, {0, -1}, {3, -2}};
  for (const auto& [index, offset] : cases) {
    SCOPED_TRACE(absl::StrCat("offset ", index, " is ", offset));
    const Column lists = Shared(Lists());
    Poke<int32_t>(BufferOf(lists, 1), index, offset);
    ExpectRefused(lists, "offsets: they ");
    const Column large = Shared(Lists(ColumnType::LargeList(ColumnType::Of<int16_t>())));
    Poke<int64_t>(BufferOf(large, 1), index, offset);
    ExpectRefused(large, "offsets: they ");
  }
}

TEST_F(TableHostileTest, RefusesOffsetsOfTextsInListsAndNamesTheField) {
  ColumnBuilder builder(ColumnType::List(ColumnType::Text()));
  const std::vector<Cell> items = {"a", "b"};
  ASSERT_THAT(builder.Append(absl::MakeConstSpan(items)), IsOk());
  const Column lists = Shared(*builder.Finish());
  Poke<int32_t>(lists.data()->children[0]->buffers[1], 1, 100);
  ExpectRefused(lists, "'item': offsets: they ");
}

template <typename Index>
struct IndexKind {
  using Number = Index;
};

TEST_F(TableHostileTest, RefusesIndicesOfCategoriesThatThereAreNot) {
  const auto check = [&](auto kind) {
    using Index = typename decltype(kind)::Number;
    SCOPED_TRACE(ColumnType::Of<Index>().name());
    for (const int64_t bad : {int64_t{2}, int64_t{-1}, int64_t{std::numeric_limits<Index>::min()},
                              static_cast<int64_t>(std::numeric_limits<Index>::max())}) {
      if (std::is_unsigned_v<Index> && bad == 0) continue;
      const Column column = Shared(Categories(ColumnType::Of<Index>().kind()));
      Poke<Index>(BufferOf(column, 1), 2, static_cast<Index>(bad));
      ExpectRefused(column, "values: the index of a category is outside of the 2 that there are");
      // Where a value is missing, the index may be anything.
      const Column missing = Shared(Categories(ColumnType::Of<Index>().kind()));
      Poke<Index>(BufferOf(missing, 1), 3, static_cast<Index>(bad));
      EXPECT_THAT(Read(missing, [](auto) {}), IsOk());
    }
  };
  check(IndexKind<int8_t>());
  check(IndexKind<int16_t>());
  check(IndexKind<int32_t>());
  check(IndexKind<int64_t>());
  check(IndexKind<uint8_t>());
  check(IndexKind<uint16_t>());
  check(IndexKind<uint32_t>());
  check(IndexKind<uint64_t>());
}

TEST_F(TableHostileTest, RefusesIndicesWithoutAnyCategory) {
  ExpectRefused(Categories(), "outside of the 0", [](schemas::Columns::Builder in) {
    in.getNodes()[1].setLength(0);
    in.getNodes()[1].setNullCount(0);
  });
}

// ---- Nodes

TEST_F(TableHostileTest, RefusesAWrongNullCount) {
  for (const uint64_t count : {0, 2, 5}) {
    ExpectRefused(Numbers(), absl::StrCat("null count: ", count, " where 1 values are missing"),
                  [&](auto in) { in.getNodes()[0].setNullCount(count); });
  }
  ExpectRefused(Numbers(), "null count: 6", [](auto in) { in.getNodes()[0].setNullCount(6); });
  ExpectRefused(Numbers(), "null count",
                [](auto in) { in.getNodes()[0].setNullCount(uint64_t{1} << 63); });
  ExpectRefused(Texts(), "null count: 1 where 0 values are missing",
                [](auto in) { in.getNodes()[0].setNullCount(1); });
}

TEST_F(TableHostileTest, RefusesANullCountOfNullsThatIsNotTheirNumber) {
  ColumnBuilder nulls(ColumnType::kNull);
  ASSERT_THAT(nulls.AppendNull(), IsOk());
  ASSERT_THAT(nulls.AppendNull(), IsOk());
  ExpectRefused(*nulls.Finish(), "null count: 1 where 2 values are missing",
                [](auto in) { in.getNodes()[0].setNullCount(1); });
}

TEST_F(TableHostileTest, RefusesValidityThatIsTooShort) {
  ColumnBuilder builder(ColumnType::kInt8);
  for (int i = 0; i < 17; ++i) ASSERT_THAT(builder.AppendNull(), IsOk());
  const Column column = *builder.Finish();
  for (const uint64_t bytes : {1, 2}) {
    ExpectRefused(column, absl::StrCat("validity: ", bytes, " bytes for 17 rows, wanted 3"),
                  [&](auto in) { in.getBuffers()[0].setSizeBytes(bytes); });
  }
}

TEST_F(TableHostileTest, RefusesValuesThatAreTooFew) {
  ExpectRefused(Numbers(), "values: 5 of 4 bytes don't fit the 19 bytes that there are",
                [](auto in) { in.getBuffers()[1].setSizeBytes(19); });
  ExpectRefused(Numbers(), "values: 5 of 4 bytes don't fit the 0 bytes",
                [](auto in) { in.getBuffers()[1].setSizeBytes(0); });
  const Column bits = *ToColumn(std::vector<bool>(9, true));
  ExpectRefused(bits, "values: 1 bytes for 9 rows, wanted 2",
                [](auto in) { in.getBuffers()[0].setSizeBytes(1); });
  ExpectRefused(Texts(), "offsets: 16 bytes for 4 rows, wanted 20",
                [](auto in) { in.getBuffers()[0].setSizeBytes(16); });
  ExpectRefused(Texts(), "offsets: 0 bytes for 4 rows, wanted 20",
                [](auto in) { in.getBuffers()[0].setSizeBytes(0); });
  ExpectRefused(Texts(), "offsets: they lead to 15, behind the end at 14",
                [](auto in) { in.getBuffers()[1].setSizeBytes(14); });
}

TEST_F(TableHostileTest, RefusesASkipOfAByteAndMore) {
  for (const uint8_t skip : {8, 255}) {
    ExpectRefused(Numbers(), absl::StrCat("skip: ", skip, ", wanted 0 to 7"),
                  [&](auto in) { in.getNodes()[0].setSkip(skip); });
  }
  // Behind what is skipped there must be all the values.
  ExpectRefused(Numbers(), "values: 6 of 4 bytes don't fit",
                [](auto in) { in.getNodes()[0].setSkip(1); });
  ExpectRefused(Texts(), "offsets: 20 bytes for 6 rows, wanted 28",
                [](auto in) { in.getNodes()[0].setSkip(2); });
}

TEST_F(TableHostileTest, RefusesLengthsThatOverflow) {
  for (const uint64_t length :
       {uint64_t{1} << 61, uint64_t{1} << 62, uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 56}) {
    ExpectRefused(Texts(), absl::StrCat("length: ", length),
                  [&](auto in) { in.getNodes()[0].setLength(length); });
    ExpectRefused(Lists(), absl::StrCat("'item': length: ", length),
                  [&](auto in) { in.getNodes()[1].setLength(length); });
  }
  const uint64_t most = (uint64_t{1} << 56) - 1;
  ExpectRefused(Texts(), "offsets: 20 bytes", [&](auto in) { in.getNodes()[0].setLength(most); });
  ExpectRefused(Numbers(), "values: 72057594037927935 of 4 bytes don't fit", [&](auto in) {
    in.getNodes()[0].setHasValidity(false);
    // The place of the validity stays, and is the values' now.
    in.getNodes()[0].setLength(most);
    in.getNodes()[0].setNullCount(0);
  });
  ColumnBuilder nulls(ColumnType::kNull);
  ExpectRefused(*nulls.Finish(), "length: 72057594037927935 values behind 7", [&](auto in) {
    in.getNodes()[0].setLength(most);
    in.getNodes()[0].setNullCount(most);
    in.getNodes()[0].setSkip(7);
  });
}

TEST_F(TableHostileTest, RefusesListsOfAFixedSizeWithTooFewItems) {
  ColumnBuilder builder(ColumnType::FixedList(ColumnType::Of<int8_t>(), 2));
  const std::vector<Cell> items = {1, 2};
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(builder.Append(absl::MakeConstSpan(items)), IsOk());
  }
  const Column column = *builder.Finish();
  ExpectRefused(column, "child 'item': it has 5 values, wanted 6",
                [](auto in) { in.getNodes()[1].setLength(5); });
  ExpectRefused(column, "child 'item': it has 6 values, wanted 9",
                [](auto in) { in.getFields()[0].getDetails().setWidth(3); });
  ExpectRefused(column, "child 'item': it has 6 values, wanted 8",
                [](auto in) { in.getNodes()[0].setSkip(1); });
  ExpectRefused(column, "width: 72057594037927935 lists of 2147483647 are too many", [](auto in) {
    in.getFields()[0].getDetails().setWidth(std::numeric_limits<int32_t>::max());
    in.getNodes()[0].setLength((uint64_t{1} << 56) - 1);
  });
}

TEST_F(TableHostileTest, RefusesStructsWhoseFieldsAreShorter) {
  ColumnBuilder builder(ColumnType::Struct({{"a", ColumnType::Of<int8_t>()}}));
  const std::vector<Cell> fields = {1};
  for (int i = 0; i < 3; ++i) ASSERT_THAT(builder.Append(absl::MakeConstSpan(fields)), IsOk());
  ExpectRefused(*builder.Finish(), "child 'a': it has 2 values, wanted 3",
                [](auto in) { in.getNodes()[1].setLength(2); });
}

// ---- Places

TEST_F(TableHostileTest, RefusesPlacesOutsideOfTheirBlock) {
  const auto place = [](uint64_t offset, uint64_t size) {
    return [=](schemas::Columns::Builder in) {
      in.getBuffers()[1].setOffset(offset);
      in.getBuffers()[1].setSizeBytes(size);
    };
  };
  const std::string message = "offset, sizeBytes: ";
  ExpectRefused(Numbers(), message, place(0, 1000));
  ExpectRefused(Numbers(), message, place(68, 20));
  ExpectRefused(Numbers(), message, place(1000, 20));
  ExpectRefused(Numbers(), message, place(~uint64_t{0}, 20));
  ExpectRefused(Numbers(), message, place(~uint64_t{0} - 19, 20));
  ExpectRefused(Numbers(), message, place(0, ~uint64_t{0}));
  ExpectRefused(Numbers(), message, place(64, ~uint64_t{0} - 63));
}

TEST_F(TableHostileTest, RefusesBlocksThatThereAreNot) {
  for (const uint16_t block : {1, 2, 65535}) {
    ExpectRefused(Numbers(), absl::StrCat("block: number ", block, " of 1"),
                  [&](auto in) { in.getBuffers()[1].setBlock(block); });
  }
}

TEST_F(TableHostileTest, RefusesValuesThatAreNotAligned) {
  const auto shift = [](unsigned buffer, uint64_t bytes) {
    return [=](schemas::Columns::Builder in) {
      auto place = in.getBuffers()[buffer];
      place.setOffset(place.getOffset() + bytes);
      place.setSizeBytes(place.getSizeBytes() - bytes);
    };
  };
  const std::vector<std::optional<double>> numbers(9, 1.5);
  const Column doubles = *ToColumn(numbers)->Slice(0, 8);
  // With a value to spare.
  const auto longer = [&](uint64_t bytes) {
    return [=](schemas::Columns::Builder in) {
      in.getNodes()[0].setLength(7);
      shift(0, bytes)(in);
    };
  };
  for (const uint64_t bytes : {1, 2, 4, 7}) {
    EXPECT_THAT(ReadAlone(doubles, longer(bytes)),
                StatusIs(kInvalid, HasSubstr("values: they don't begin at a multiple of 8 bytes")));
  }
  const Column texts = Shared(Texts());
  ExpectRefused(texts, "offsets: they don't begin at a multiple of 4 bytes", [&](auto in) {
    in.getNodes()[0].setLength(3);
    shift(0, 2)(in);
  });
}

// ---- Fields

TEST_F(TableHostileTest, RefusesUnknownKindsAndUnits) {
  ExpectRefused(Numbers(), "type: unknown number 32",
                [](auto in) { in.getFields()[0].setKind(static_cast<schemas::ColumnKind>(32)); });
  ExpectRefused(Numbers(), "type: unknown number 65535", [](auto in) {
    in.getFields()[0].setKind(static_cast<schemas::ColumnKind>(65535));
  });
  const std::vector<absl::Duration> durations = {absl::Seconds(1)};
  const auto unit = [](unsigned number) {
    return [=](schemas::Columns::Builder in) {
      in.getFields()[0].getDetails().setUnit(static_cast<schemas::TimeUnit>(number));
    };
  };
  ExpectRefused(*ToColumn(durations), "unit: unknown number 4", unit(4));
  const Column fine = *ToColumn(durations, ColumnType::TimeOfDay(TimeUnit::kMicrosecond));
  const Column coarse = *ToColumn(durations, ColumnType::TimeOfDay(TimeUnit::kSecond));
  ExpectRefused(fine, "unit: time64 can't count in ms", unit(1));
  ExpectRefused(coarse, "unit: time32 can't count in ns", unit(3));
}

TEST_F(TableHostileTest, RefusesWidthsAndPrecisionsThatAreNone) {
  const auto details = [](auto set) {
    return [=](schemas::Columns::Builder in) { set(in.getFields()[0].getDetails()); };
  };
  const std::vector<std::string> texts = {"abc"};
  const Column bytes = *ToColumn(texts, ColumnType::FixedBytes(3));
  for (const int32_t width : {0, -1, std::numeric_limits<int32_t>::min()}) {
    ExpectRefused(bytes, absl::StrCat("width: ", width, " bytes, wanted 1 or more"),
                  details([=](auto out) { out.setWidth(width); }));
  }
  const Column lists = *ColumnBuilder(ColumnType::FixedList(ColumnType::kInt8, 2)).Finish();
  ExpectRefused(lists, "width: -1 items, wanted 0 or more",
                details([](auto out) { out.setWidth(-1); }));
  const Column small = *ColumnBuilder(ColumnType::Decimal(38, 2)).Finish();
  const Column large = *ColumnBuilder(ColumnType::Decimal(39, 2)).Finish();
  for (const int32_t precision : {0, -1, 39, 77}) {
    ExpectRefused(small, absl::StrCat("precision: ", precision, " digits, wanted 1 to 38"),
                  details([=](auto out) { out.setPrecision(precision); }));
  }
  ExpectRefused(large, "precision: 77 digits, wanted 1 to 76",
                details([](auto out) { out.setPrecision(77); }));
}

TEST_F(TableHostileTest, RefusesCategoricalsWithoutIndicesOrCategories) {
  const auto details = [](auto set) {
    return [=](schemas::Columns::Builder in) { set(in.getFields()[0].getDetails()); };
  };
  ExpectRefused(Categories(), "index: type 12 is no integer",
                details([](auto out) { out.setIndexKind(schemas::ColumnKind::FLOAT64); }));
  ExpectRefused(Categories(), "index: type 999 is no integer",
                details([](auto out) { out.setIndexKind(static_cast<schemas::ColumnKind>(999)); }));
  ExpectRefused(Categories(), "categories: their type is missing",
                details([](auto out) { out.initFields(0); }));
  ExpectRefused(Categories(), "categories: their type is missing",
                details([](auto out) { out.initFields(2); }));
  ExpectRefused(Categories(), "categories: they are categorical themselves", details([](auto out) {
                  auto field = out.initFields(1)[0];
                  field.setKind(schemas::ColumnKind::CATEGORICAL);
                  field.initDetails().setIndexKind(schemas::ColumnKind::INT8);
                  field.getDetails().initFields(1);
                }));
}

TEST_F(TableHostileTest, RefusesListsWithoutAnItem) {
  for (const unsigned count : {0u, 2u}) {
    ExpectRefused(Lists(), absl::StrCat("fields: a list has 1 item, not ", count),
                  [&](auto in) { in.getFields()[0].getDetails().initFields(count); });
  }
}

TEST_F(TableHostileTest, RefusesTooFewAndTooManyNodesAndBuffers) {
  const auto resize = [](unsigned nodes, unsigned buffers) {
    return [=](schemas::Columns::Builder in) {
      // Moved to where there is room for as many.
      std::vector<std::pair<uint64_t, uint64_t>> old;
      for (auto place : in.getBuffers()) old.emplace_back(place.getOffset(), place.getSizeBytes());
      const uint64_t length = in.getNodes()[0].getLength();
      auto list = in.initNodes(nodes);
      for (auto node : list) node.setLength(length);
      auto places = in.initBuffers(buffers);
      for (unsigned i = 0; i < std::min<size_t>(buffers, old.size()); ++i) {
        places[i].setOffset(old[i].first);
        places[i].setSizeBytes(old[i].second);
      }
    };
  };
  ExpectRefused(Texts(), "nodes: there are only 0", [](auto in) { in.initNodes(0); });
  ExpectRefused(Texts(), "buffers: there are only 0", resize(1, 0));
  ExpectRefused(Texts(), "buffers: there are only 1", resize(1, 1));
  EXPECT_THAT(Read(Texts(), resize(1, 2)), IsOk());
  for (const auto& [nodes, buffers] : {std::pair(1u, 3u), std::pair(2u, 2u)}) {
    EXPECT_THAT(
        Read(Texts(), resize(nodes, buffers)),
        StatusIs(kInvalid, HasSubstr(absl::StrCat("nodes, buffers: the fields have 1 and 2, "
                                                  "but ",
                                                  nodes, " and ", buffers, " came"))));
  }
  ExpectRefused(Categories(), "categories: nodes: there are only 1",
                [](auto in) { in.initNodes(1)[0].setLength(0); });
}

TEST_F(TableHostileTest, RefusesTypesThatAreNestedTooDeep) {
  const auto nest = [](int depth) {
    return [=](schemas::Columns::Builder in) {
      auto field = in.initFields(1)[0];
      field.setName("x");
      for (int i = 1; i < depth; ++i) {
        field.setKind(schemas::ColumnKind::LIST);
        field = field.initDetails().initFields(1)[0];
      }
    };
  };
  const Column none = *ColumnBuilder(ColumnType::kNull).Finish();
  EXPECT_THAT(Read(none, nest(33)),
              StatusIs(kInvalid, AllOf(HasSubstr("column 'x'"),
                                       HasSubstr("they are nested more than 32 deep"))));
  EXPECT_THAT(Read(none, nest(60)), StatusIs(kInvalid, HasSubstr("nested more than 32 deep")));
  EXPECT_THAT(Read(none, nest(32)), StatusIs(kInvalid, HasSubstr("buffers: there are only 0")));
}

TEST_F(TableHostileTest, RefusesNamesThatAreNotUtf8) {
  const capnp::Text::Reader bad("\xff\xfe", 2);
  EXPECT_THAT(Read(Numbers(), [&](auto in) { in.getFields()[0].setName(bad); }),
              StatusIs(kInvalid, HasSubstr("a column's name is not UTF-8")));
  ExpectRefused(Lists(), "a column's name is not UTF-8",
                [&](auto in) { in.getFields()[0].getDetails().getFields()[0].setName(bad); });
  const Column times = *ColumnBuilder(ColumnType::Timestamp(TimeUnit::kSecond, "UTC")).Finish();
  ExpectRefused(times, "zone is not UTF-8",
                [&](auto in) { in.getFields()[0].getDetails().setZone(bad); });
  EXPECT_THAT(ReadTable(TableOf(Numbers()), [&](auto in) { in.initIndex().setName(bad); }),
              StatusIs(kInvalid, HasSubstr("index: its name is not UTF-8")));
  EXPECT_THAT(
      ReadTable(TableOf(Numbers()), [&](auto in) { in.initIndex().initColumns(1).set(0, bad); }),
      StatusIs(kInvalid, HasSubstr("index: the name of a column is not UTF-8")));
}

TEST_F(TableHostileTest, RefusesAttributesThatAreNoMap) {
  ExpectRefused(Texts(), "attributes: ", [](auto in) {
    in.getFields()[0].initDetails().initAttributes().setSigned(7);
  });
  EXPECT_THAT(ReadTable(TableOf(Texts()), [](auto in) { in.initAttributes().setText("seven"); }),
              StatusIs(kInvalid, HasSubstr("table: attributes: ")));
  const capnp::Text::Reader bad("\xff", 1);
  EXPECT_THAT(
      ReadTable(TableOf(Texts()), [&](auto in) { in.initAttributes().initMap(1)[0].setKey(bad); }),
      StatusIs(kInvalid, HasSubstr("attributes: a key is not UTF-8")));
}

// ---- The table

TEST_F(TableHostileTest, RefusesARowCountThatDoesNotMatch) {
  for (const uint64_t rows : {0, 3, 5}) {
    EXPECT_THAT(ReadTable(TableOf(Texts()), [&](auto in) { in.setRowCount(rows); }),
                StatusIs(kInvalid, HasSubstr(absl::StrCat(
                                       "column 'x': length: 4 values in a table of ", rows))));
  }
  for (const uint64_t rows : {uint64_t{1} << 56, uint64_t{1} << 63, ~uint64_t{0}}) {
    EXPECT_THAT(ReadTable(TableOf(Texts()), [&](auto in) { in.setRowCount(rows); }),
                StatusIs(kInvalid, HasSubstr(absl::StrCat("rowCount: ", rows))));
    EXPECT_THAT(ReadTable(Table(), [&](auto in) { in.setRowCount(rows); }),
                StatusIs(kInvalid, HasSubstr(absl::StrCat("rowCount: ", rows))));
  }
}

TEST_F(TableHostileTest, RefusesAnIndexOfColumnsThatThereAreNot) {
  const Table table = *Table::Make({{"x", Texts()}, {"y", Texts()}});
  const auto index = [](std::vector<std::string> names) {
    return [=](schemas::Table::Builder in) {
      auto list = in.initIndex().initColumns(static_cast<unsigned>(names.size()));
      for (unsigned i = 0; i < names.size(); ++i) list.set(i, names[i].c_str());
    };
  };
  EXPECT_THAT(ReadTable(table, index({"y", "x"})), IsOk());
  EXPECT_THAT(ReadTable(table, index({"z"})),
              StatusIs(kInvalid, HasSubstr("index: there is no column 'z'")));
  EXPECT_THAT(ReadTable(table, index({"x", "x"})),
              StatusIs(kInvalid, HasSubstr("index: column 'x' comes twice")));
  EXPECT_THAT(ReadTable(table, index({"x", "y", "x"})),
              StatusIs(kInvalid, HasSubstr("index: 3 columns of 2")));
  const Table twice = *Table::Make({{"x", Texts()}, {"x", Texts()}});
  EXPECT_THAT(ReadTable(twice, index({"x"})),
              StatusIs(kInvalid, HasSubstr("index: several columns are called 'x'")));
}

TEST_F(TableHostileTest, RefusesAColumnAloneThatIsNotOne) {
  EXPECT_THAT(ReadAlone(Texts(),
                        [](auto in) {
                          in.initFields(0);
                          in.initNodes(0);
                          in.initBuffers(0);
                        }),
              StatusIs(kInvalid, HasSubstr("fields: a column alone has 1, not 0")));
}

// A list of 2^28 structs without a byte takes one word of the message.
TEST_F(TableHostileTest, RefusesListsThatClaimMoreThanTheMessageHolds) {
  constexpr unsigned kMany = (1u << 29) - 1;
  const auto claim = [](capnp::AnyStruct::Builder in, unsigned pointer) {
    in.getPointerSection()[pointer].initAsAnyList(capnp::ElementSize::VOID, kMany);
  };
  const auto too_many = AnyOf(StatusIs(kInvalid), StatusIs(absl::StatusCode::kDataLoss));
  // fields, nodes, buffers
  for (const unsigned pointer : {0u, 1u, 2u}) {
    EXPECT_THAT(Read(Texts(), [&](auto in) { claim(capnp::toAny(in), pointer); }), too_many)
        << pointer;
  }
  EXPECT_THAT(ReadTable(Table(), [&](auto in) { claim(capnp::toAny(in.initIndex()), 1); }),
              too_many);
  const Column none = *ColumnBuilder(ColumnType::Struct({})).Finish();
  EXPECT_THAT(Read(none,
                   [&](auto in) {
                     auto details = in.getFields()[0].initDetails();
                     details.initFields(1);
                     details.initZone(1);
                     // Its pointers: zone, fields, attributes.
                     claim(capnp::toAny(details), 1);
                   }),
              too_many);
}

// Two pointers to one list, 30 levels deep, would be 2^30 fields.
TEST_F(TableHostileTest, RefusesFieldsThatAreNamedOverAndOver) {
  const Column none = *ColumnBuilder(ColumnType::Struct({})).Finish();
  EXPECT_THAT(Read(none,
                   [&](auto in) {
                     // A struct of 4,000 fields, each of which is a struct of as many without a
                     // byte.
                     auto fields = in.getFields()[0].initDetails().initFields(4000);
                     for (auto field : fields) {
                       field.setKind(schemas::ColumnKind::STRUCT);
                       capnp::toAny(field.initDetails())
                           .getPointerSection()[1]
                           .initAsAnyList(capnp::ElementSize::VOID, 4000);
                     }
                   }),
              AnyOf(StatusIs(kInvalid), StatusIs(absl::StatusCode::kDataLoss)));
}

// ---- What a peer may say, but must cost nothing

TEST_F(TableHostileTest, RowsThatTakeNoBytesAreNotCountedOneByOne) {
  // 2^50 lists of 8 lists of 8 ... of nothing.
  ColumnType type = ColumnType::kNull;
  for (int i = 0; i < 16; ++i) type = ColumnType::FixedList(type, 8);
  ColumnBuilder builder(type);
  const Table table = TableOf(*builder.Finish());
  const uint64_t rows = uint64_t{1} << 5;
  std::unique_ptr<tests::Letter> letter = Write(table);
  auto in = letter->metadata<schemas::Table>();
  in.setRowCount(rows);
  auto nodes = in.getColumns().getNodes();
  for (unsigned i = 0; i < nodes.size(); ++i) nodes[i].setLength(rows << (3 * i));
  nodes[nodes.size() - 1].setNullCount(rows << (3 * (nodes.size() - 1)));
  const absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  const Table& got = *object->get<Table>();
  EXPECT_EQ(got.row_count(), static_cast<int64_t>(rows));
  EXPECT_LT(got.column(0).values.CellText(0).size(), 2000u);
  EXPECT_LT(got.ToText().size(), 4000u);
  EXPECT_TRUE(SameTables(got, *got.Copy()));
}

TEST_F(TableHostileTest, StructsWithoutFieldsAreComparedAtOnce) {
  const Table table = TableOf(*ColumnBuilder(ColumnType::Struct({})).Finish());
  std::unique_ptr<tests::Letter> letter = Write(table);
  auto in = letter->metadata<schemas::Table>();
  const uint64_t rows = (uint64_t{1} << 56) - 1;
  in.setRowCount(rows);
  in.getColumns().getNodes()[0].setLength(rows);
  const absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  const Table& got = *object->get<Table>();
  EXPECT_TRUE(SameTables(got, *got.Copy()));
  EXPECT_EQ(got.Head(1).column(0).values.CellText(0), "{}");
}

// Few bytes of message could make the receiver read the same block for hours.
TEST_F(TableHostileTest, RefusesColumnsThatPointToTheSameBytesTimeAndAgain) {
  const Column large = Shared(*ToColumn(std::vector<int64_t>(1 << 20)));
  std::vector<TableColumn> columns;
  for (int i = 0; i < 1000; ++i) columns.push_back({absl::StrCat(i), large});
  EXPECT_THAT(Send(*Table::Make(columns)).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("more than eight times that")));
  columns.resize(8);
  EXPECT_THAT(Send(*Table::Make(columns)).status(), IsOk());
}

}  // namespace
}  // namespace slabpipe
