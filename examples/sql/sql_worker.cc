// The worker: DuckDB, jailed. What main sends is scanned where it lies; answers are put together in
// shared memory, where main will read them.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/arrow.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/examples/sql/database.h"
#include "slabpipe/examples/sql/duckdb_library.h"
#include "slabpipe/session/worker.h"

namespace {

using slabpipe::Table;

// Opened when it is first needed, so that main is told what is missing by a call.
class SqlEngine {
 public:
  absl::Status Register(const std::string& name, const Table& table) {
    if (absl::Status status = Open(); !status.ok()) return status;
    // This side trusts main not to change what it has sent: not even offsets are copied.
    ArrowSchema schema;
    ArrowArray array;
    absl::Status exported = slabpipe::ExportTable(table, &schema, &array, {.trust_peer = true});
    return exported.ok() ? database_->Register(name, &schema, &array) : exported;
  }

  absl::Status Drop(const std::string& name) {
    if (absl::Status status = Open(); !status.ok()) return status;
    return database_->Drop(name);
  }

  // DuckDB answers in batches of 2,048 rows: they are copied once, into one table in `memory`.
  absl::StatusOr<Table> Query(const std::string& sql, slabpipe::SharedMemory memory) {
    if (absl::Status status = Open(); !status.ok()) return status;
    absl::StatusOr<sql::QueryResult> result = database_->Query(sql);
    if (!result.ok()) return result.status();
    ArrowArrayStream stream;
    std::move(*result).Export(&stream);
    absl::StatusOr<std::unique_ptr<slabpipe::TableReader>> reader = slabpipe::ImportStream(&stream);
    if (!reader.ok()) return reader.status();
    return slabpipe::ReadAll(**reader, memory);
  }

  absl::StatusOr<std::string> Version() {
    if (absl::Status status = Open(); !status.ok()) return status;
    return (*sql::DuckdbLibrary::Open())->version();
  }

 private:
  absl::Status Open() {
    if (database_ != nullptr) return absl::OkStatus();
    absl::StatusOr<const sql::DuckdbLibrary*> library = sql::DuckdbLibrary::Open();
    if (!library.ok()) return library.status();
    absl::StatusOr<std::unique_ptr<sql::Database>> database = sql::Database::Open(**library);
    if (!database.ok()) return database.status();
    database_ = *std::move(database);
    return absl::OkStatus();
  }

  std::unique_ptr<sql::Database> database_;
};

}  // namespace

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  SqlEngine engine;
  worker.Register(
      "sql.register",
      [&](const std::string& name, const Table& table) { return engine.Register(name, table); },
      "Makes a table readable in SQL, in place of one of that name.", {"name", "table"});
  worker.Register("sql.drop", [&](const std::string& name) { return engine.Drop(name); },
                  "Forgets a table.", {"name"});
  worker.Register("sql.query",
                  [&](const std::string& sql) { return engine.Query(sql, worker.memory()); },
                  "Runs a statement; its result as a table.", {"sql"});
  worker.Register(
      "sql.version", [&] { return engine.Version(); }, "DuckDB's version.");
  worker.Register(
      "sql.copies", [&] { return worker.pool_stats().copies; },
      "How many values this worker has copied into shared memory to send them.");
  return worker.Serve();
}
