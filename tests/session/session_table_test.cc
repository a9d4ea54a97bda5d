// Tables between the processes: what comes back, what is copied, what is kept.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/codec/table_builder.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/codec/test_tables.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

class SessionTableTest : public SessionTest {
 protected:
  SessionTableTest() : session(StartGood()) {}

  Table Echo(const Table& table) {
    absl::StatusOr<Table> echo = session.Call<Table>("echo.table", table);
    EXPECT_THAT(echo, IsOk());
    return echo.ok() ? *echo : Table();
  }

  Session session;
};

TEST_F(SessionTableTest, EveryKindOfColumnComesBack) {
  EXPECT_TRUE(SameTables(Echo(AllKinds()), AllKinds()));
  EXPECT_TRUE(SameTables(Echo(Penguins()), Penguins()));
}

TEST_F(SessionTableTest, ATableInPrivateMemoryIsCopiedOnceAndItsEchoNot) {
  const Table echo = Echo(Penguins());
  const ShmPoolStats stats = session.stats().pool;
  EXPECT_EQ(stats.copies, 1u);
  EXPECT_EQ(stats.own.segments_created, 1u);
  EXPECT_EQ(stats.peer.segments_mapped, 0u) << "the worker sent main's own memory back";
}

TEST_F(SessionTableTest, ATableMadeInSharedMemoryIsNotCopied) {
  const Table shared = *Penguins().Copy(session.memory());
  const Table part = *shared.Slice(2, 6)->Select({"species", "mass"});
  EXPECT_TRUE(SameTables(Echo(part), part));
  EXPECT_EQ(session.stats().pool.copies, 0u);
}

TEST_F(SessionTableTest, ArraysThatLieInSharedMemoryBecomeColumnsWithoutACopy) {
  NdArray<double> mass = *session.NewArray<double>({100});
  mass.Fill(2.5);
  NdArray<int32_t> codes = *session.NewArray<int32_t>({100});
  codes.Fill(1);
  codes(7) = -1;
  const Table table =
      *Table::Make({{.name = "mass", .values = *Column::FromArray(mass)},
                    {.name = "when",
                     .values = *Column::FromArray(*session.NewArray<int64_t>({100}),
                                                  ColumnType::Timestamp(TimeUnit::kSecond))}});
  const Table echo = Echo(table);
  EXPECT_TRUE(SameTables(echo, table));
  EXPECT_EQ(echo.Column<double>("mass")->values().data(), mass.data());
  EXPECT_EQ(session.stats().pool.copies, 0u);

  const Column species = *Column::Categorical(codes, *ToColumn({"Adelie", "Gentoo"}));
  const Table with_species = *table.With({.name = "species", .values = species});
  EXPECT_TRUE(SameTables(Echo(with_species), with_species));
  EXPECT_EQ(species.null_count(), 1);
  EXPECT_LT(session.stats().pool.bytes_copied, 200u)
      << "the categories and the validity bits alone";
}

TEST_F(SessionTableTest, AWideTableTimeAfterTimeIsOneSegmentAndDoesNotGrow) {
  constexpr int kColumns = 2500;
  std::vector<TableColumn> columns;
  for (int i = 0; i < kColumns; ++i) {
    columns.push_back(
        {.name = absl::StrCat("column ", i), .values = *ToColumn(std::vector<double>(1000, i))});
  }
  const Table table = *Table::Make(std::move(columns));
  size_t descriptors = 0, mappings = 0;
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(SameTables(Echo(table), table));
    ASSERT_THAT(session.Ping(absl::InfiniteDuration()), IsOk());  // the leases are back
    const ShmPoolStats stats = session.stats().pool;
    EXPECT_EQ(stats.own.segments_created, 1u);
    EXPECT_EQ(stats.peer.segments_mapped, 0u);
    EXPECT_EQ(stats.copies, static_cast<uint64_t>(round) + 1);
    if (round > 0) {
      EXPECT_EQ(OpenDescriptors(), descriptors);
      EXPECT_EQ(SegmentMappings(), mappings);
    }
    descriptors = OpenDescriptors();
    mappings = SegmentMappings();
  }
}

TEST_F(SessionTableTest, OutlivesItsSession) {
  Table table;
  {
    Session other = StartGood();
    table = *other.Call<Table>("echo.table", AllKinds());
  }
  EXPECT_TRUE(SameTables(table, AllKinds()));
}

}  // namespace
}  // namespace slabpipe::tests
