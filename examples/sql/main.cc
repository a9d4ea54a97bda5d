// Questions in SQL to a worker that embeds DuckDB: the table goes there, and answers come back, in
// shared memory. Exit code 0 if the whole table, asked for, is what was sent, and an answer is what
// main finds itself; 77 if there is no DuckDB.
//
//   sql --rows=10000000
//   sql --query="SELECT island, count(*) FROM birds GROUP BY island"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/sql/birds.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/session/session.h"

ABSL_FLAG(int64_t, rows, 1'000'000, "of the table that is sent");
ABSL_FLAG(std::string, query,
          "SELECT species, sex, count(*) AS birds, avg(mass_g) AS mean_g, max(seen) AS last_seen "
          "FROM birds WHERE sex IS NOT NULL GROUP BY species, sex ORDER BY species, sex",
          "the question to be shown");

namespace sql {
namespace {

// For the example's test, which is skipped then: the usual number for that.
constexpr int kNoDuckdb = 77;

using slabpipe::Column;
using slabpipe::Session;
using slabpipe::Table;

// As SameValues; of categories, which DuckDB numbers in its own way, what they stand for.
bool SameRows(const Column& a, const Column& b) {
  if (a.type() == b.type() && !a.type().is_categorical()) return SameValues(a, b);
  const auto left = a.As<absl::string_view>(), right = b.As<absl::string_view>();
  return left.ok() && right.ok() &&
         std::equal(left->begin(), left->end(), right->begin(), right->end());
}

absl::Status CheckSameRows(const Table& sent, const Table& back) {
  if (sent.row_count() != back.row_count()) {
    return absl::DataLossError(
        absl::StrCat(sent.row_count(), " rows were sent, ", back.row_count(), " came back"));
  }
  for (const slabpipe::TableColumn& column : sent.columns()) {
    absl::StatusOr<Column> other = back.Column(column.name);
    if (!other.ok()) return other.status();
    if (!SameRows(column.values, *other)) {
      return absl::DataLossError(absl::StrCat("column '", column.name, "' came back changed"));
    }
  }
  return absl::OkStatus();
}

// The mean mass of each species, found here, beside what DuckDB says.
absl::Status CheckMeans(Session& session, const Table& birds) {
  absl::StatusOr<Table> answer = session.Call<Table>(
      "sql.query", "SELECT species, avg(mass_g) AS mean FROM birds GROUP BY species");
  if (!answer.ok()) return answer.status();
  const auto species = birds.Column<absl::string_view>("species");
  const auto mass = birds.Column<double>("mass_g");
  if (!species.ok()) return species.status();
  if (!mass.ok()) return mass.status();
  std::map<std::string, std::pair<double, int64_t>> sums;
  for (int64_t row = 0; row < birds.row_count(); ++row) {
    const std::optional<double> grams = (*mass)[row];
    if (!grams.has_value()) continue;
    auto& [sum, count] = sums[std::string(species->value_or(row, ""))];
    sum += *grams;
    ++count;
  }
  const auto names = answer->Column<absl::string_view>("species");
  const auto means = answer->Column<double>("mean");
  if (!names.ok()) return names.status();
  if (!means.ok()) return means.status();
  for (int64_t row = 0; row < answer->row_count(); ++row) {
    const auto found = sums.find(std::string(names->value_or(row, "")));
    const double mean = means->value_or(row, 0);
    if (found == sums.end() ||
        std::abs(mean - found->second.first / static_cast<double>(found->second.second)) > 1e-6) {
      return absl::DataLossError(absl::StrCat("the mean of ", names->value_or(row, "?"), " is ",
                                              mean, " there, and another here"));
    }
  }
  return absl::OkStatus();
}

template <typename R, typename... Args>
auto TimedCall(Session& session, const std::string& what, const std::string& target,
               const Args&... args) {
  const absl::Time begin = absl::Now();
  auto result = session.Call<R>(target, args...);
  std::cout << "  " << what << ": " << absl::Now() - begin << "\n";
  return result;
}

absl::Status Run(Session& session, const std::string& version) {
  absl::StatusOr<Table> birds = MakeBirds(absl::GetFlag(FLAGS_rows), session.memory());
  if (!birds.ok()) return birds.status();
  std::cout << "The table, in shared memory:\n" << birds->ToText({.rows = 4}) << "\n";

  std::cout << "What the calls took (DuckDB " << version << ", one thread):\n";
  absl::Status sent =
      TimedCall<void>(session, "sending the table", "sql.register", "birds", *birds);
  if (!sent.ok()) return sent;
  const std::string query = absl::GetFlag(FLAGS_query);
  absl::StatusOr<Table> answer = TimedCall<Table>(session, "the question", "sql.query", query);
  if (!answer.ok()) return answer.status();
  absl::StatusOr<Table> all = TimedCall<Table>(session, "the whole table, back", "sql.query",
                                               "SELECT * FROM birds ORDER BY id");
  if (!all.ok()) return all.status();
  absl::StatusOr<uint64_t> worker_copies = session.Call<uint64_t>("sql.copies");
  if (!worker_copies.ok()) return worker_copies.status();

  std::cout << "\n" << query << "\n" << *answer << "\n";
  const slabpipe::SessionStats stats = session.stats();
  std::cout << "What crossed: " << stats.messages_sent << " messages of main's, "
            << stats.message_bytes_sent << " bytes; values copied to be sent: " << stats.pool.copies
            << " by main, " << *worker_copies
            << " by the worker,\nwhich puts DuckDB's batches together once, in shared memory\n";
  if (absl::Status status = CheckSameRows(*birds, *all); !status.ok()) return status;
  std::cout << "All " << all->row_count() << " rows came back as they were.\n";
  if (absl::Status status = CheckMeans(session, *birds); !status.ok()) return status;
  std::cout << "DuckDB's means are those that main finds.\n";
  if (stats.pool.copies + *worker_copies == 0) return absl::OkStatus();
  return absl::InternalError("values were copied that lay in shared memory");
}

}  // namespace
}  // namespace sql

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Asks a worker that embeds DuckDB questions about a table.");
  absl::ParseCommandLine(argc, argv);
  absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start({.program = "sql_worker"});
  if (!session.ok()) {
    std::cerr << session.status() << "\n";
    return 1;
  }
  absl::StatusOr<std::string> version = session->Call<std::string>("sql.version");
  if (!version.ok()) {
    std::cerr << version.status() << "\n";
    return absl::IsNotFound(version.status()) ? sql::kNoDuckdb : 1;
  }
  absl::Status status = sql::Run(*session, *version);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
