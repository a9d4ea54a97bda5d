#include "slabpipe/codec/arrow.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table_builder.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/codec/test_tables.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AllKinds;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Penguins;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

// An exported table, released at the end unless somebody took it.
struct Exported {
  explicit Exported(const Table& table, const ArrowExportOptions& options = {}) {
    status = ExportTable(table, &schema, &array, options);
  }
  ~Exported() {
    if (schema.release != nullptr) schema.release(&schema);
    if (array.release != nullptr) array.release(&array);
  }
  ArrowSchema schema = {};
  ArrowArray array = {};
  absl::Status status;
};

// What attributes become on the way through metadata.
Table WithTextAttributes(Table table) {
  ValueMap texts;
  for (const auto& [key, value] : table.attributes()) {
    texts.Set(key, value.text() != nullptr ? *value.text() : value.DebugString());
  }
  table.attributes() = texts;
  return table;
}

class ArrowTest : public tests::RoundTrip {
 protected:
  static void ExpectComesBack(const Table& table) {
    Exported exported(table);
    ASSERT_THAT(exported.status, IsOk());
    const absl::StatusOr<Table> back = ImportTable(&exported.schema, &exported.array);
    EXPECT_EQ(exported.schema.release, nullptr);
    EXPECT_EQ(exported.array.release, nullptr);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(SameTables(*back, WithTextAttributes(table))) << *back << "\nwanted\n" << table;
  }
  // A table that lies in main's memory, as it arrives at the worker.
  static Table Arrived(tests::Peer& from, tests::Peer& to, const Table& shared) {
    const absl::StatusOr<Object> object = to.Read(**from.Write(shared));
    EXPECT_THAT(object, IsOk());
    return *object->get<Table>();
  }
  Table Shared(const Table& table) { return *table.Copy(SharedMemory(main_->pool())); }
};

TEST_F(ArrowTest, EveryKindOfColumnComesBack) {
  ExpectComesBack(AllKinds());
  ExpectComesBack(Penguins());
  ExpectComesBack(Penguins().Head(0));
  ExpectComesBack(Table());
  ExpectComesBack(*Table::Make({}, 7));
}

TEST_F(ArrowTest, RangesOfRowsComeBackWhereverTheyBegin) {
  const Table table = AllKinds();
  for (int64_t begin = 0; begin <= table.row_count(); ++begin) {
    SCOPED_TRACE(begin);
    ExpectComesBack(*table.Slice(begin, table.row_count()));
    ExpectComesBack(*table.Slice(begin, std::min(begin + 1, table.row_count())));
  }
}

TEST_F(ArrowTest, WritesTheFormatsOfTheSpecification) {
  const auto format = [](const ColumnType& type) -> std::string {
    const Table table = *Table::Empty({{.name = "x", .type = type}});
    Exported exported(table);
    return exported.schema.children[0]->format;
  };
  EXPECT_EQ(format(ColumnType::kNull), "n");
  EXPECT_EQ(format(ColumnType::kBool), "b");
  EXPECT_EQ(format(ColumnType::Of<int8_t>()), "c");
  EXPECT_EQ(format(ColumnType::Of<uint16_t>()), "S");
  EXPECT_EQ(format(ColumnType::Of<int64_t>()), "l");
  EXPECT_EQ(format(ColumnType::kFloat16), "e");
  EXPECT_EQ(format(ColumnType::Of<double>()), "g");
  EXPECT_EQ(format(ColumnType::Text()), "u");
  EXPECT_EQ(format(ColumnType::LargeText()), "U");
  EXPECT_EQ(format(ColumnType::kBytes), "z");
  EXPECT_EQ(format(ColumnType::kLargeBytes), "Z");
  EXPECT_EQ(format(ColumnType::FixedBytes(42)), "w:42");
  EXPECT_EQ(format(ColumnType::kDate32), "tdD");
  EXPECT_EQ(format(ColumnType::kDate64), "tdm");
  EXPECT_EQ(format(ColumnType::TimeOfDay(TimeUnit::kSecond)), "tts");
  EXPECT_EQ(format(ColumnType::TimeOfDay(TimeUnit::kNanosecond)), "ttn");
  EXPECT_EQ(format(ColumnType::Timestamp(TimeUnit::kMicrosecond)), "tsu:");
  EXPECT_EQ(format(ColumnType::Timestamp(TimeUnit::kMillisecond, "UTC")), "tsm:UTC");
  EXPECT_EQ(format(ColumnType::Duration(TimeUnit::kSecond)), "tDs");
  EXPECT_EQ(format(ColumnType::kInterval), "tin");
  EXPECT_EQ(format(ColumnType::Decimal(9, 2)), "d:9,2");
  EXPECT_EQ(format(ColumnType::Decimal(50, -1)), "d:50,-1,256");
  EXPECT_EQ(format(ColumnType::List(ColumnType::Text())), "+l");
  EXPECT_EQ(format(ColumnType::LargeList(ColumnType::Text())), "+L");
  EXPECT_EQ(format(ColumnType::FixedList(ColumnType::Text(), 3)), "+w:3");
  EXPECT_EQ(format(ColumnType::Struct({})), "+s");
  EXPECT_EQ(format(ColumnType::Categorical(ColumnType::Text())), "i");
}

// Reads nothing but what the specification says.
TEST_F(ArrowTest, AnotherLibraryReadsTheColumnsFromTheStructsAlone) {
  Exported exported(*Penguins().Slice(1, 5));
  ASSERT_THAT(exported.status, IsOk());
  const ArrowSchema& schema = exported.schema;
  const ArrowArray& batch = exported.array;
  ASSERT_EQ(schema.n_children, 5);
  EXPECT_STREQ(schema.format, "+s");
  EXPECT_EQ(batch.length, 4);
  EXPECT_EQ(batch.n_buffers, 1);

  EXPECT_STREQ(schema.children[0]->name, "id");
  EXPECT_EQ(schema.children[0]->flags, 0);
  const ArrowArray& id = *batch.children[0];
  EXPECT_EQ(id.null_count, 0);
  EXPECT_EQ(static_cast<const int64_t*>(id.buffers[1])[id.offset + 3], 5);

  EXPECT_EQ(schema.children[1]->flags, ARROW_FLAG_NULLABLE);
  const ArrowArray& species = *batch.children[1];
  EXPECT_EQ(species.null_count, 1);
  const int64_t gentoo = species.offset + 2, missing = species.offset + 3;
  const auto* validity = static_cast<const uint8_t*>(species.buffers[0]);
  EXPECT_EQ(validity[gentoo / 8] >> (gentoo % 8) & 1, 1);
  EXPECT_EQ(validity[missing / 8] >> (missing % 8) & 1, 0);
  const int32_t category = static_cast<const int32_t*>(species.buffers[1])[gentoo];
  const ArrowArray& names = *species.dictionary;
  const auto* offsets = static_cast<const int32_t*>(names.buffers[1]) + names.offset;
  EXPECT_EQ(std::string(static_cast<const char*>(names.buffers[2]) + offsets[category],
                        static_cast<size_t>(offsets[category + 1] - offsets[category])),
            "Gentoo");
  for (const void* buffer : {id.buffers[1], species.buffers[1], names.buffers[1]}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer) % 8, 0u);
  }
}

TEST_F(ArrowTest, ChildrenMayBeMovedOutAndOutliveTheBatch) {
  Exported exported(Penguins());
  ArrowArray mass = *exported.array.children[4];
  exported.array.children[4]->release = nullptr;
  exported.array.release(&exported.array);
  EXPECT_EQ(exported.array.release, nullptr);
  EXPECT_EQ(static_cast<const int32_t*>(mass.buffers[1])[mass.offset + 1], 3800);
  mass.release(&mass);
  EXPECT_EQ(mass.release, nullptr);
}

TEST_F(ArrowTest, KeepsTheLeaseUntilTheReleaseCallback) {
  Table arrived = Arrived(*main_, *worker_, Shared(Penguins()));
  WeakBuffer watch(*arrived.column(0).values.data()->buffers[1].home);
  Exported exported(arrived);
  arrived = Table();
  worker_->pool().Clear();
  EXPECT_FALSE(watch.expired());
  exported.array.release(&exported.array);
  EXPECT_TRUE(watch.expired());
}

TEST_F(ArrowTest, ReleasesWhatItImportsColumnByColumn) {
  struct Counter {
    static void Release(ArrowArray* array) {
      ++*static_cast<int*>(array->private_data);
      array->release = nullptr;
    }
  };
  const int64_t numbers[] = {1, 2, 3};
  const void* buffers[] = {nullptr, numbers};
  int column_releases[2] = {}, batch_releases = 0;
  ArrowArray columns[2];
  ArrowArray* pointers[] = {&columns[0], &columns[1]};
  for (int i = 0; i < 2; ++i) {
    columns[i] = {.length = 3,
                  .null_count = 0,
                  .offset = 0,
                  .n_buffers = 2,
                  .n_children = 0,
                  .buffers = buffers,
                  .children = nullptr,
                  .dictionary = nullptr,
                  .release = &Counter::Release,
                  .private_data = &column_releases[i]};
  }
  const void* no_buffers[] = {nullptr};
  ArrowArray batch = {.length = 3,
                      .null_count = 0,
                      .offset = 0,
                      .n_buffers = 1,
                      .n_children = 2,
                      .buffers = no_buffers,
                      .children = pointers,
                      .dictionary = nullptr,
                      .release = &Counter::Release,
                      .private_data = &batch_releases};
  ArrowSchema schema;
  ASSERT_THAT(ExportSchema(*Table::Empty({{.name = "a", .type = ColumnType::Of<int64_t>()},
                                          {.name = "b", .type = ColumnType::Of<int64_t>()}}),
                           &schema),
              IsOk());
  absl::StatusOr<Table> table = ImportTable(&schema, &batch);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->Column<int64_t>("a")->values().data(), numbers);
  EXPECT_EQ(batch_releases, 1);
  const absl::StatusOr<Column> b = table->Column("b");
  table = Table();
  EXPECT_EQ(column_releases[0], 1);
  EXPECT_EQ(column_releases[1], 0);
  EXPECT_EQ((*b->As<int64_t>())[2], 3);
}

TEST_F(ArrowTest, ManyThreadsExportAndReleaseOneTable) {
  const Table table = Arrived(*main_, *worker_, Shared(AllKinds()));
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        ArrowSchema schema;
        ArrowArray array;
        if (!ExportTable(table, &schema, &array).ok()) continue;
        const absl::StatusOr<Table> back = ImportTable(&schema, &array);
        if (back.ok() && back->row_count() == table.row_count()) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
}

TEST_F(ArrowTest, ReleasesOnAnotherThread) {
  Table arrived = Arrived(*main_, *worker_, Shared(Penguins()));
  WeakBuffer watch(*arrived.column(0).values.data()->buffers[1].home);
  ArrowSchema schema;
  ArrowArray array;
  ASSERT_THAT(ExportTable(arrived, &schema, &array), IsOk());
  schema.release(&schema);
  arrived = Table();
  worker_->pool().Clear();
  std::thread([&] { array.release(&array); }).join();
  EXPECT_TRUE(watch.expired());
}

// ---- Memory that another process can write

TEST_F(ArrowTest, CopiesNothingOfItsOwnMemory) {
  const Table table = Penguins();
  Exported exported(table);
  for (size_t i = 0; i < table.column_count(); ++i) {
    const auto& buffers = table.column(i).values.data()->buffers;
    for (size_t b = 0; b < buffers.size(); ++b) {
      EXPECT_EQ(exported.array.children[i]->buffers[b], buffers[b].data);
    }
  }
}

TEST_F(ArrowTest, CopiesOffsetsAndIndicesOfAnothersMemoryUnlessItIsTrusted) {
  const Table arrived = Arrived(*main_, *worker_, Shared(Penguins()));
  Exported careful(arrived), trusting(arrived, {.trust_peer = true});
  const auto same = [&](const Exported& exported, size_t column, size_t buffer) {
    return exported.array.children[column]->buffers[buffer] ==
           arrived.column(column).values.data()->buffers[buffer].data;
  };
  for (size_t column = 0; column < arrived.column_count(); ++column) {
    EXPECT_TRUE(same(trusting, column, 1));
  }
  EXPECT_TRUE(same(careful, 0, 1));   // numbers
  EXPECT_FALSE(same(careful, 1, 1));  // indices
  EXPECT_FALSE(same(careful, 2, 1));  // offsets
  EXPECT_TRUE(same(careful, 2, 2));   // texts
  EXPECT_TRUE(same(careful, 3, 1));
}

TEST_F(ArrowTest, WhatIsExportedCannotBeLedAstrayLater) {
  const Table shared = Shared(AllKinds());
  const Table arrived = Arrived(*main_, *worker_, shared);
  Exported exported(arrived);
  ASSERT_THAT(exported.status, IsOk());
  // The other process gets hostile.
  for (const TableColumn& column : shared.columns()) {
    for (const ColumnBuffer& buffer : column.values.data()->buffers) {
      if (buffer.home == nullptr) continue;
      const absl::Span<std::byte> bytes = buffer.home->block()->mutable_bytes();
      std::memset(bytes.data(), 0x7f, bytes.size());
    }
  }
  const absl::StatusOr<Table> back = ImportTable(&exported.schema, &exported.array);
  ASSERT_THAT(back, IsOk());
  back->ToText();
  Exported again(arrived);
  EXPECT_THAT(again.status, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ArrowTest, PinsOnceForManyPieces) {
  const Table arrived = Arrived(*main_, *worker_, Shared(AllKinds()));
  const absl::StatusOr<Table> pinned = PinIndices(arrived);
  ASSERT_THAT(pinned, IsOk());
  EXPECT_TRUE(SameTables(*pinned, arrived));
  const absl::StatusOr<Table> part = PinIndices(*pinned->Slice(3, 9));
  ASSERT_THAT(part, IsOk());
  for (size_t i = 0; i < part->column_count(); ++i) {
    EXPECT_EQ(part->column(i).values.data(), pinned->column(i).values.data());
  }
  for (int64_t begin = 0; begin < arrived.row_count(); ++begin) {
    const Table rows = *arrived.Slice(begin, arrived.row_count());
    EXPECT_TRUE(SameTables(*PinIndices(rows), rows));
  }
}

// ---- What others get wrong

class ArrowImportTest : public ::testing::Test {
 protected:
  // Imports a table of one column after `spoil` has been at it.
  template <typename Spoil>
  static absl::Status ImportSpoiled(const Column& column, Spoil spoil) {
    Exported exported(*Table::Make({{.name = "x", .values = column}}));
    spoil(*exported.schema.children[0], *exported.array.children[0]);
    return ImportTable(&exported.schema, &exported.array).status();
  }
  const Column texts_ = *ToColumn({"a", "bc", ""});
};

TEST_F(ArrowImportTest, NamesTheColumnAndWhatIsWrong) {
  const auto spoiled = [&](auto spoil) { return ImportSpoiled(texts_, spoil); };
  EXPECT_THAT(spoiled([](ArrowSchema&, ArrowArray& array) { array.n_buffers = 2; }),
              StatusIs(kInvalid, AllOf(HasSubstr("column 'x'"), HasSubstr("2 buffers, wanted 3"))));
  EXPECT_THAT(spoiled([](ArrowSchema&, ArrowArray& array) { array.length = -1; }),
              StatusIs(kInvalid, HasSubstr("length -1")));
  EXPECT_THAT(spoiled([](ArrowSchema&, ArrowArray& array) { array.offset = INT64_MAX; }),
              StatusIs(kInvalid, HasSubstr("offset 9223372036854775807")));
  EXPECT_THAT(spoiled([](ArrowSchema&, ArrowArray& array) { array.length = 2; }),
              StatusIs(kInvalid, HasSubstr("2 values, wanted 3")));
  EXPECT_THAT(spoiled([](ArrowSchema&, ArrowArray& array) { array.buffers[1] = nullptr; }),
              StatusIs(kInvalid, HasSubstr("buffer 1 is null")));
  EXPECT_THAT(spoiled([](ArrowSchema&, ArrowArray& array) { array.n_children = 1; }),
              StatusIs(kInvalid, HasSubstr("1 children, wanted 0")));
  EXPECT_THAT(spoiled([](ArrowSchema& schema, ArrowArray&) { schema.format = "vu"; }),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("'vu'")));
  EXPECT_THAT(spoiled([](ArrowSchema& schema, ArrowArray&) { schema.format = "d:1,2,64"; }),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("d:1,2,64")));
  EXPECT_THAT(spoiled([](ArrowSchema& schema, ArrowArray&) { schema.format = "w:x"; }),
              StatusIs(kInvalid, HasSubstr("'w:x'")));
  EXPECT_THAT(spoiled([](ArrowSchema& schema, ArrowArray&) { schema.format = "d:99,2"; }),
              StatusIs(kInvalid, HasSubstr("precision: 99")));
}

TEST_F(ArrowImportTest, RefusesOffsetsThatDecrease) {
  const int32_t offsets[] = {0, 3, 1, 3};
  EXPECT_THAT(ImportSpoiled(texts_, [&](ArrowSchema&, ArrowArray& a) { a.buffers[1] = offsets; }),
              StatusIs(kInvalid, HasSubstr("decrease")));
}

TEST_F(ArrowImportTest, RefusesIndicesOfNoCategory) {
  const Column species = *Penguins().Column("species")->Slice(0, 4);
  const int32_t indices[] = {0, 1, 2, 3, 0, 0, 0};
  EXPECT_THAT(ImportSpoiled(species, [&](ArrowSchema&, ArrowArray& a) { a.buffers[1] = indices; }),
              StatusIs(kInvalid, HasSubstr("index of a category")));
  EXPECT_THAT(ImportSpoiled(species,
                            [](ArrowSchema&, ArrowArray& array) {
                              array.dictionary->release(array.dictionary);
                              array.dictionary = nullptr;
                            }),
              StatusIs(kInvalid, HasSubstr("dictionary is missing")));
}

TEST_F(ArrowImportTest, RefusesWhatHasBeenReleased) {
  Exported exported(Penguins());
  exported.array.release(&exported.array);
  EXPECT_THAT(ImportTable(&exported.schema, &exported.array),
              StatusIs(kInvalid, HasSubstr("released")));
  EXPECT_THAT(ImportTable(&exported.schema, &exported.array),
              StatusIs(kInvalid, HasSubstr("released")));
}

TEST_F(ArrowImportTest, TakesABatchThatBeginsLater) {
  Exported exported(Penguins());
  exported.array.offset = 2;
  exported.array.length = 3;
  const absl::StatusOr<Table> table = ImportTable(&exported.schema, &exported.array);
  ASSERT_THAT(table, IsOk());
  EXPECT_TRUE(SameTables(*table, *Penguins().Slice(2, 5)));
}

TEST_F(ArrowImportTest, CountsMissingValuesIfTheProducerDidNot) {
  Exported exported(Penguins());
  for (int64_t i = 0; i < exported.array.n_children; ++i) {
    exported.array.children[i]->null_count = -1;
  }
  const absl::StatusOr<Table> table = ImportTable(&exported.schema, &exported.array);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->Column("species")->null_count(), 1);
}

TEST_F(ArrowImportTest, CopiesWhatIsNotAligned) {
  alignas(8) char bytes[1 + 3 * sizeof(int64_t)];
  const int64_t numbers[] = {1, -2, 3};
  std::memcpy(bytes + 1, numbers, sizeof(numbers));
  Exported exported(*Table::Make({{.name = "x", .values = *ToColumn(std::vector<int64_t>(3))}}));
  exported.array.children[0]->buffers[1] = bytes + 1;
  const absl::StatusOr<Table> table = ImportTable(&exported.schema, &exported.array);
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->Column<int64_t>("x")->values(), ElementsAre(1, -2, 3));
}

TEST_F(ArrowImportTest, GoesWithoutAnIndexWhoseColumnIsGone) {
  Exported exported(Penguins());
  exported.schema.children[0]->name = "renamed";
  const absl::StatusOr<Table> table = ImportTable(&exported.schema, &exported.array);
  ASSERT_THAT(table, IsOk());
  EXPECT_TRUE(table->index_columns().empty());
}

TEST_F(ArrowImportTest, KeepsAnIndexOfSeveralColumns) {
  Table table = Penguins();
  ASSERT_THAT(table.SetIndex(std::vector<std::string>{"species", "id"}), IsOk());
  Exported exported(table);
  EXPECT_THAT(ImportTable(&exported.schema, &exported.array)->index_columns(),
              ElementsAre("species", "id"));
}

TEST_F(ArrowImportTest, ColumnsAloneComeBack) {
  const Table table = AllKinds();
  for (const TableColumn& column : table.columns()) {
    ArrowSchema schema;
    ArrowArray array;
    ASSERT_THAT(ExportColumn(column, &schema, &array), IsOk());
    const absl::StatusOr<TableColumn> back = ImportColumn(&schema, &array);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(back->field(), column.field());
    EXPECT_TRUE(SameValues(back->values, column.values)) << column.name;
  }
}

// ---- Streams

TEST(ArrowStreamTest, ComesBackInBatches) {
  const Table table = WithTextAttributes(AllKinds());
  for (const int64_t rows : {1, 3, 8, 100}) {
    ArrowArrayStream stream;
    ExportStream(ReadInBatches(table, rows), &stream);
    absl::StatusOr<std::unique_ptr<TableReader>> reader = ImportStream(&stream);
    ASSERT_THAT(reader, IsOk());
    EXPECT_EQ(stream.release, nullptr);
    EXPECT_EQ((*reader)->schema().Describe(), table.Describe());
    const absl::StatusOr<Table> all = ReadAll(**reader, &Buffer::Allocate);
    ASSERT_THAT(all, IsOk());
    EXPECT_TRUE(SameTables(*all, table)) << rows;
    EXPECT_EQ(*(*reader)->Next(), std::nullopt);
  }
}

TEST(ArrowStreamTest, LabelsOfARangeGoOnFromBatchToBatch) {
  Table table = Penguins();
  table.SetIndex(RangeIndex{.start = 10, .step = 5});
  ArrowArrayStream stream;
  ExportStream(ReadInBatches(table, 3), &stream);
  absl::StatusOr<std::unique_ptr<TableReader>> reader = ImportStream(&stream);
  ASSERT_THAT(reader, IsOk());
  for (const int64_t start : {10, 25, 40}) {
    const absl::StatusOr<std::optional<Table>> batch = (*reader)->Next();
    ASSERT_THAT(batch, IsOk());
    EXPECT_EQ((*batch)->range_index().start, start);
  }
}

TEST(ArrowStreamTest, ATableWithoutRowsKeepsItsColumns) {
  ArrowArrayStream stream;
  ExportStream(ReadInBatches(Penguins().Head(0), 10), &stream);
  absl::StatusOr<std::unique_ptr<TableReader>> reader = ImportStream(&stream);
  ASSERT_THAT(reader, IsOk());
  const absl::StatusOr<Table> all = ReadAll(**reader, &Buffer::Allocate);
  ASSERT_THAT(all, IsOk());
  EXPECT_TRUE(SameTables(*all, Penguins().Head(0)));
}

// Fails at the second batch.
class FailingReader : public TableReader {
 public:
  const Table& schema() const override { return schema_; }
  absl::StatusOr<std::optional<Table>> Next() override {
    if (batches_++ == 0) return Penguins();
    return absl::UnavailableError("the source is gone");
  }

 private:
  const Table schema_ = Penguins().Head(0);
  int batches_ = 0;
};

TEST(ArrowStreamTest, CarriesErrorsWithTheirText) {
  ArrowArrayStream stream;
  ExportStream(std::make_unique<FailingReader>(), &stream);
  ArrowArray array;
  ASSERT_EQ(stream.get_next(&stream, &array), 0);
  array.release(&array);
  EXPECT_EQ(stream.get_next(&stream, &array), EIO);
  EXPECT_THAT(stream.get_last_error(&stream), HasSubstr("the source is gone"));
  stream.release(&stream);
  EXPECT_EQ(stream.release, nullptr);

  ExportStream(std::make_unique<FailingReader>(), &stream);
  absl::StatusOr<std::unique_ptr<TableReader>> reader = ImportStream(&stream);
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(ReadAll(**reader, &Buffer::Allocate),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("the source is gone")));
  EXPECT_THAT((*reader)->Next().status(), StatusIs(absl::StatusCode::kUnknown));
}

TEST(ArrowStreamTest, RefusesAReleasedStream) {
  ArrowArrayStream stream = {};
  EXPECT_THAT(ImportStream(&stream).status(), StatusIs(kInvalid, HasSubstr("released")));
}

}  // namespace
}  // namespace slabpipe
