// SqlDatabaseTest: a fixture with a Database. Its tests are skipped where DuckDB is missing. Checks
// in the end that all Arrow structs that a test made have been released.
//
//   TEST_F(SqlDatabaseTest, Sums) {
//     ASSERT_THAT(Register("t", {Numbers<int64_t>("i", "l", {1, 2})}), IsOk());
//     EXPECT_THAT(Rows("SELECT sum(i), 'x' FROM t"), IsOkAndHolds(ElementsAre("3|x")));
//   }

#ifndef SLABPIPE_TESTS_EXAMPLES_SQL_DATABASE_FIXTURE_H_
#define SLABPIPE_TESTS_EXAMPLES_SQL_DATABASE_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/examples/sql/database.h"
#include "slabpipe/examples/sql/duckdb_library.h"
#include "slabpipe/tests/examples/arrow_table.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {

// Longer than what lies inside of an element of DuckDB's VARCHAR vectors.
inline constexpr char kLongText[] = "a text of more than twelve bytes";

// The text of row `row` of an array of format u, or "NULL".
inline std::string TextAt(const ArrowArray& texts, int64_t row) {
  const auto* bitmap = static_cast<const uint8_t*>(texts.buffers[0]);
  if (bitmap != nullptr && (bitmap[row / 8] >> (row % 8) & 1) == 0) return "NULL";
  const auto* offsets = static_cast<const int32_t*>(texts.buffers[1]);
  return std::string(static_cast<const char*>(texts.buffers[2]) + offsets[row],
                     offsets[row + 1] - offsets[row]);
}

// Appends a batch of texts to `rows`, each row as "a|b|c".
inline void AppendRows(const ArrowArray& batch, std::vector<std::string>* rows) {
  for (int64_t row = 0; row < batch.length; ++row) {
    std::vector<std::string> texts;
    for (int64_t i = 0; i < batch.n_children; ++i) texts.push_back(TextAt(*batch.children[i], row));
    rows->push_back(absl::StrJoin(texts, "|"));
  }
}

class SqlDatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<const sql::DuckdbLibrary*> library = sql::DuckdbLibrary::Open();
    if (absl::IsNotFound(library.status())) GTEST_SKIP() << library.status().message();
    ASSERT_THAT(library, IsOk());
    Open(**library);
  }

  // Nothing that was made is left, and nothing was released twice.
  void TearDown() override {
    database_.reset();
    EXPECT_EQ(counts_.released, counts_.made);
  }

  void Open(const sql::DuckdbLibrary& library, const sql::DatabaseOptions& options = {}) {
    library_ = &library;
    absl::StatusOr<std::unique_ptr<sql::Database>> database = sql::Database::Open(library, options);
    ASSERT_THAT(database, IsOk());
    database_ = std::move(*database);
  }

  absl::Status RegisterBatches(const std::string& name,
                               std::vector<std::vector<ArrowColumn>> batches) {
    ArrowArrayStream stream = MakeStream(std::move(batches), &counts_);
    absl::Status status = database_->Register(name, &stream);
    EXPECT_EQ(stream.release, nullptr);
    return status;
  }
  absl::Status Register(const std::string& name, std::vector<ArrowColumn> columns) {
    return RegisterBatches(name, {std::move(columns)});
  }

  // The rows that a query gives, their values as DuckDB writes them, each row as "a|b|c".
  absl::StatusOr<std::vector<std::string>> Rows(const std::string& sql) {
    absl::StatusOr<sql::QueryResult> result =
        database_->Query(absl::StrCat("SELECT COLUMNS(*)::VARCHAR FROM (", sql, ")"));
    if (!result.ok()) return result.status();
    std::vector<std::string> rows;
    ArrowArray batch;
    while (true) {
      absl::StatusOr<bool> more = result->Next(&batch);
      if (!more.ok()) return more.status();
      if (!*more) return rows;
      AppendRows(batch, &rows);
      batch.release(&batch);
    }
  }

  std::string TypeOf(const std::string& table, const std::string& column) {
    absl::StatusOr<std::vector<std::string>> rows =
        Rows(absl::StrCat("SELECT typeof(", column, ") FROM ", table, " LIMIT 1"));
    return rows.ok() ? rows->at(0) : std::string(rows.status().message());
  }

  Counts counts_;
  const sql::DuckdbLibrary* library_ = nullptr;
  std::unique_ptr<sql::Database> database_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_EXAMPLES_SQL_DATABASE_FIXTURE_H_
