#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/examples/sql/database.h"
#include "slabpipe/tests/examples/arrow_table.h"
#include "slabpipe/tests/examples/sql_database_fixture.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::sql::QueryResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(SqlDatabaseTest, ScansATable) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("id", "l", {1, std::nullopt, -3}),
                             Numbers<double>("x", "g", {0.5, 1.5, std::nullopt}),
                             MakeTexts("s", {"short", kLongText, std::nullopt})}),
              IsOk());
  EXPECT_THAT(Rows("SELECT * FROM t"),
              IsOkAndHolds(ElementsAre("1|0.5|short", absl::StrCat("NULL|1.5|", kLongText),
                                       "-3|NULL|NULL")));
}

TEST_F(SqlDatabaseTest, ScansATableThatIsOneArray) {
  ArrowSchema schema = MakeSchema({Numbers<int32_t>("i", "i", {1, 2})}, &counts_);
  ArrowArray array = MakeArray({Numbers<int32_t>("i", "i", {1, 2})}, &counts_);
  ASSERT_THAT(database_->Register("t", &schema, &array), IsOk());
  EXPECT_EQ(schema.release, nullptr);
  EXPECT_EQ(array.release, nullptr);
  EXPECT_THAT(Rows("SELECT sum(i) FROM t"), IsOkAndHolds(ElementsAre("3")));
}

TEST_F(SqlDatabaseTest, ScansATableAgainAndAgain) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("id", "l", {1, 2, 3}),
                             Numbers<int64_t>("next", "l", {2, 3, std::nullopt}),
                             MakeTexts("name", {"one", "two", kLongText})}),
              IsOk());
  const std::string self_join =
      "SELECT a.name, b.name FROM t a JOIN t b ON a.next = b.id ORDER BY a.id";
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Rows(self_join),
                IsOkAndHolds(ElementsAre("one|two", absl::StrCat("two|", kLongText))));
  }
  EXPECT_THAT(Rows("SELECT (SELECT max(id) FROM t) - (SELECT min(id) FROM t)"),
              IsOkAndHolds(ElementsAre("2")));
}

TEST_F(SqlDatabaseTest, ScansBatchesAndVectorsInOrder) {
  std::vector<std::optional<int64_t>> first, second;
  for (int64_t i = 0; i < 5000; ++i) first.push_back(i);
  for (int64_t i = 5000; i < 7001; ++i) second.push_back(i);
  ASSERT_THAT(RegisterBatches("t", {{Numbers<int64_t>("i", "l", first)},
                                    {Numbers<int64_t>("i", "l", {})},
                                    {Numbers<int64_t>("i", "l", second)}}),
              IsOk());
  absl::StatusOr<std::vector<std::string>> rows = Rows("SELECT i FROM t");
  ASSERT_THAT(rows, IsOkAndHolds(SizeIs(7001)));
  for (int64_t i = 0; i < 7001; ++i) ASSERT_EQ((*rows)[i], absl::StrCat(i));
  EXPECT_THAT(Rows("SELECT count(*), count(i), sum(i), max(i) FROM t"),
              IsOkAndHolds(ElementsAre("7001|7001|24503500|7000")));
}

TEST_F(SqlDatabaseTest, ReadsOnlyTheColumnsThatAQueryWants) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("a", "l", {1, 2}), Numbers<int64_t>("b", "l", {3, 4}),
                             MakeTexts("c", {"x", "y"})}),
              IsOk());
  EXPECT_THAT(Rows("SELECT c FROM t"), IsOkAndHolds(ElementsAre("x", "y")));
  EXPECT_THAT(Rows("SELECT c, a FROM t WHERE b = 4"), IsOkAndHolds(ElementsAre("y|2")));
  EXPECT_THAT(Rows("SELECT count(*) FROM t"), IsOkAndHolds(ElementsAre("2")));
}

TEST_F(SqlDatabaseTest, ResultsAreAStream) {
  absl::StatusOr<QueryResult> result = database_->Query("SELECT i FROM range(5000) r(i)");
  ASSERT_THAT(result, IsOk());
  ArrowArrayStream stream;
  std::move(*result).Export(&stream);
  ASSERT_THAT(database_->Register("t", &stream), IsOk());
  EXPECT_THAT(Rows("SELECT count(i), sum(i) FROM t"), IsOkAndHolds(ElementsAre("5000|12497500")));
}

TEST_F(SqlDatabaseTest, ResultsOutliveTheTableAndTheDatabase) {
  ASSERT_THAT(Register("t", {MakeTexts("s", {kLongText, "b"})}), IsOk());
  absl::StatusOr<QueryResult> result = database_->Query("SELECT s FROM t");
  ASSERT_THAT(result, IsOk());
  ASSERT_THAT(database_->Drop("t"), IsOk());
  EXPECT_EQ(counts_.released, counts_.made);
  database_.reset();
  ArrowArray batch;
  ASSERT_THAT(result->Next(&batch), IsOkAndHolds(true));
  { QueryResult gone = std::move(*result); }
  EXPECT_EQ(TextAt(*batch.children[0], 0), kLongText);
  batch.release(&batch);
}

TEST_F(SqlDatabaseTest, ATableMayBeReplacedAndDropped) {
  ASSERT_THAT(Register("t \"1\"", {Numbers<int64_t>("a", "l", {1})}), IsOk());
  EXPECT_THAT(Rows("SELECT * FROM \"t \"\"1\"\"\""), IsOkAndHolds(ElementsAre("1")));
  const int made = counts_.made;
  ASSERT_THAT(Register("t \"1\"", {MakeTexts("b", {"x"})}), IsOk());
  EXPECT_EQ(counts_.released, made + 1);  // the first table, and the second one's stream
  EXPECT_THAT(Rows("SELECT b FROM \"t \"\"1\"\"\""), IsOkAndHolds(ElementsAre("x")));
  ASSERT_THAT(database_->Drop("t \"1\""), IsOk());
  EXPECT_EQ(counts_.released, counts_.made);
  EXPECT_THAT(Rows("SELECT b FROM \"t \"\"1\"\"\""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("does not exist")));
  EXPECT_THAT(database_->Drop("t \"1\""), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SqlDatabaseTest, ATableThatIsDroppedIsNotFoundByItsFunctionEither) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("a", "l", {1})}), IsOk());
  ASSERT_THAT(database_->Query("CREATE VIEW v AS SELECT * FROM slabpipe_scan_1()"), IsOk());
  ASSERT_THAT(database_->Drop("t"), IsOk());
  EXPECT_THAT(Rows("SELECT * FROM v"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has been dropped")));
}

TEST_F(SqlDatabaseTest, ErrorsAreDuckdbsMessages) {
  EXPECT_THAT(
      database_->Query("SELEC 1"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("syntax error at or near \"SELEC\"")));
  EXPECT_THAT(database_->Query("SELECT * FROM nothing"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nothing does not exist")));
  EXPECT_THAT(Rows("SELECT 1 + 1"), IsOkAndHolds(ElementsAre("2")));
}

TEST_F(SqlDatabaseTest, IsClosedToTheOutside) {
  const std::string file = absl::StrCat(testing::TempDir(), "outside");
  for (const std::string& statement :
       {std::string("SELECT * FROM read_csv('/etc/passwd')"),
        absl::StrCat("COPY (SELECT 1) TO '", file, "'"), absl::StrCat("ATTACH '", file, "'"),
        std::string("INSTALL httpfs"), std::string("SET enable_external_access = true"),
        std::string("SET threads = 8")}) {
    EXPECT_THAT(database_->Query(statement), StatusIs(absl::StatusCode::kInvalidArgument))
        << statement;
  }
}

TEST_F(SqlDatabaseTest, MemoryHasALimit) {
  Open(*library_, {.threads = 1, .max_memory_bytes = int64_t{32} << 20});
  EXPECT_THAT(Rows("SELECT count(*) FROM (SELECT DISTINCT i FROM range(50000000) r(i))"),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Rows("SELECT 1"), IsOkAndHolds(ElementsAre("1")));
}

TEST_F(SqlDatabaseTest, RefusesWhatIsNoTable) {
  EXPECT_THAT(Register("t", std::vector<ArrowColumn>{}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ArrowColumn unequal = Numbers<int64_t>("b", "l", {1});
  EXPECT_THAT(Register("t", {Numbers<int64_t>("a", "l", {1, 2}), unequal}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b' has 1 rows of 2")));
  EXPECT_THAT(Register("t", {Numbers<int64_t>("a", "?", {1, 2})}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("column 'a'")));
  EXPECT_THAT(
      RegisterBatches("t", {{Numbers<int64_t>("a", "l", {1})},
                            {Numbers<int64_t>("a", "l", {1}), Numbers<int64_t>("b", "l", {1})}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 columns")));
  ArrowSchema schema = MakeSchema({Numbers<int32_t>("i", "i", {1})}, &counts_);
  ArrowArray released = {};
  EXPECT_THAT(database_->Register("t", &schema, &released),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("released")));
}

TEST_F(SqlDatabaseTest, AStreamThatFailsIsReleased) {
  ArrowArrayStream stream =
      MakeStream({{Numbers<int64_t>("a", "l", {1})}}, &counts_, /*error=*/EIO);
  EXPECT_THAT(database_->Register("t", &stream),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("batch 1")));
  EXPECT_EQ(counts_.released, counts_.made);
}

// A table of 100,000 rows, and a query that wants all of it, twice.
class SqlDatabaseThreadsTest : public SqlDatabaseTest {
 protected:
  void RegisterLarge() {
    std::vector<std::optional<int64_t>> numbers;
    std::vector<std::optional<int8_t>> codes;
    Texts texts;
    for (int64_t i = 0; i < 100000; ++i) {
      numbers.push_back(i);
      codes.push_back(i % 2 == 0 ? std::optional<int8_t>(i / 2 % 2) : std::nullopt);
      texts.push_back(absl::StrCat(kLongText, i % 10));
    }
    ASSERT_THAT(Register("t", {Numbers<int64_t>("i", "l", numbers),
                               Categories("k", codes, {"even", "odd"}), MakeTexts("s", texts)}),
                IsOk());
  }

  void QueryLarge() {
    EXPECT_THAT(
        Rows("SELECT a.k, sum(a.i), count(DISTINCT b.s) FROM t a JOIN t b ON a.i = b.i "
             "GROUP BY a.k ORDER BY a.k NULLS LAST"),
        IsOkAndHolds(ElementsAre("even|1249950000|5", "odd|1250000000|5", "NULL|2500000000|5")));
  }
};

TEST_F(SqlDatabaseThreadsTest, CallsMayComeFromSeveralThreads) {
  RegisterLarge();
  std::thread other([&] {
    for (int i = 0; i < 3; ++i) QueryLarge();
  });
  for (const char* name : {"u", "v", "u"}) {
    EXPECT_THAT(Register(name, {Numbers<int64_t>("i", "l", {1, 2, 3})}), IsOk());
    EXPECT_THAT(Rows(absl::StrCat("SELECT sum(i) FROM ", name)), IsOkAndHolds(ElementsAre("6")));
  }
  other.join();
}

TEST_F(SqlDatabaseThreadsTest, AQueryMayRunOnSeveralThreads) {
  if (kThreadSanitized) GTEST_SKIP() << "DuckDB's threads are not built for ThreadSanitizer";
  Open(*library_, {.threads = 2});
  RegisterLarge();
  for (int i = 0; i < 3; ++i) QueryLarge();
}

}  // namespace
}  // namespace slabpipe::tests
