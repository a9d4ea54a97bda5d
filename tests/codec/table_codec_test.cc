#include "slabpipe/codec/table_codec.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table_builder.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/codec/test_tables.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AllKinds;
using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Penguins;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

class TableCodecTest : public tests::RoundTrip {
 protected:
  void ExpectComesOutAsItWentIn(const Table& table) {
    const auto got = Fetch(table);
    ASSERT_THAT(got, IsOk());
    EXPECT_TRUE(SameTables(*got, table)) << *got << "\n wanted\n" << table;
    EXPECT_EQ(got->ToText(), table.ToText());
  }
};

TEST_F(TableCodecTest, KeepsEveryKindOfColumn) { ExpectComesOutAsItWentIn(AllKinds()); }

TEST_F(TableCodecTest, KeepsRangesOfRowsWhereverTheyBegin) {
  const Table table = AllKinds();
  for (int64_t begin = 0; begin <= table.row_count(); ++begin) {
    SCOPED_TRACE(begin);
    ExpectComesOutAsItWentIn(*table.Slice(begin, table.row_count()));
    ExpectComesOutAsItWentIn(*table.Slice(begin, std::min(begin + 1, table.row_count())));
  }
}

TEST_F(TableCodecTest, SendsOnWhatItGotWithoutACopy) {
  const auto got = Fetch(AllKinds());
  ASSERT_THAT(got, IsOk());
  for (int64_t begin = 0; begin <= got->row_count(); ++begin) {
    const Table part = *got->Slice(begin, got->row_count());
    const absl::StatusOr<Object> back = SendFrom(*worker_, *main_, part);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(SameTables(*back->get<Table>(), part));
    EXPECT_EQ(cost_, Cost());
  }
}

TEST_F(TableCodecTest, SendsTablesInSharedMemoryWithoutACopy) {
  const Table shared = *AllKinds().Copy(SharedMemory(main_->pool()));
  EXPECT_TRUE(SameTables(shared, AllKinds()));
  ExpectComesOutAsItWentIn(shared);
  EXPECT_EQ(cost_, Cost());
  ExpectComesOutAsItWentIn(*shared.Slice(3, 17));
  EXPECT_EQ(cost_, Cost());
  const Table penguins = *Penguins().Copy(SharedMemory(main_->pool()));
  ExpectComesOutAsItWentIn(penguins);
  ExpectComesOutAsItWentIn(*penguins.Slice(3, 6));
  ExpectComesOutAsItWentIn(*penguins.Select({"mass", "island"}));
  EXPECT_EQ(cost_, Cost());
}

TEST_F(TableCodecTest, ManyColumnsInSharedMemoryAreFewBlocks) {
  std::vector<TableColumn> columns;
  for (int i = 0; i < 1000; ++i) {
    columns.push_back(
        {.name = std::to_string(i), .values = *ToColumn(std::vector<std::optional<int>>(1000, i))});
  }
  const Table table = *Table::Make(std::move(columns))->Copy(SharedMemory(main_->pool()));
  std::unique_ptr<tests::Letter> letter = Write(table);
  EXPECT_LT(letter->table().getRefs().size(), 20u);
  EXPECT_EQ(cost_, Cost());
  EXPECT_TRUE(SameTables(*worker_->Read(*letter)->get<Table>(), table));
}

TEST_F(TableCodecTest, CopiesOnceIntoOneBlock) {
  const Table table = Penguins();
  std::unique_ptr<tests::Letter> letter = Write(table);
  EXPECT_EQ(letter->table().getRefs().size(), 1u);
}

}  // namespace
}  // namespace slabpipe
