#include "slabpipe/examples/sql/database.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sql {
namespace {

std::string Quoted(const std::string& name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

absl::StatusCode CodeOf(int error_type) {
  switch (error_type) {
    case kDuckdbErrorOutOfMemory:
      return absl::StatusCode::kResourceExhausted;
    case kDuckdbErrorInterrupt:
      return absl::StatusCode::kCancelled;
    case kDuckdbErrorFatal:
    case kDuckdbErrorInternal:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kInvalidArgument;
  }
}

absl::Status Configure(const DuckdbApi& duckdb, const DatabaseOptions& options,
                       DuckdbConfig config) {
  std::vector<std::pair<std::string, std::string>> settings = {
      {"threads", absl::StrCat(options.threads)}, {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},     {"temp_directory", ""},
      {"enable_external_access", "false"},  // after the folder, which can't be set any more then
  };
  if (options.max_memory_bytes > 0) {
    settings.push_back({"max_memory", absl::StrCat(options.max_memory_bytes, "B")});
  }
  for (const auto& [name, value] : settings) {
    if (duckdb.set_config(config, name.c_str(), value.c_str()) == kDuckdbSuccess) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("DuckDB does not take the setting ", name, " = '", value, "'"));
  }
  return absl::OkStatus();
}

}  // namespace

struct Database::Connection {
  explicit Connection(const DuckdbApi& api)
      : duckdb(api), database(api.close), connection(api.disconnect) {}

  const DuckdbApi& duckdb;
  DuckdbOwned<DuckdbDatabase> database;
  DuckdbOwned<DuckdbConnection> connection;  // destroyed first
};

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const DuckdbLibrary& library,
                                                         const DatabaseOptions& options) {
  const DuckdbApi& duckdb = library.api();
  DuckdbOwned<DuckdbConfig> config(duckdb.destroy_config);
  duckdb.create_config(config.out());
  if (absl::Status status = Configure(duckdb, options, config.get()); !status.ok()) return status;
  auto connection = std::make_shared<Connection>(duckdb);
  char* error = nullptr;
  if (duckdb.open_ext(nullptr, connection->database.out(), config.get(), &error) !=
      kDuckdbSuccess) {
    absl::Status status = absl::InvalidArgumentError(
        absl::StrCat("DuckDB does not open: ", error == nullptr ? "" : error));
    duckdb.free(error);
    return status;
  }
  if (duckdb.connect(connection->database.get(), connection->connection.out()) != kDuckdbSuccess) {
    return absl::InternalError("DuckDB gives no connection");
  }
  std::unique_ptr<Database> database(new Database(std::move(connection)));
  for (const char* sql : {"SET TimeZone = 'UTC'", "SET lock_configuration = true"}) {
    if (absl::Status status = database->Run(sql); !status.ok()) return status;
  }
  return database;
}

Database::Database(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

Database::~Database() {
  // Functions are never dropped, and results may keep the connection: the tables go all the same.
  for (auto& [name, slot] : tables_) slot->Reset();
}

absl::Status Database::Register(const std::string& name, ArrowArrayStream* stream) {
  absl::StatusOr<std::shared_ptr<const ArrowBatches>> table = ArrowBatches::Take(stream);
  if (!table.ok()) return table.status();
  return RegisterBatches(name, std::move(*table));
}

absl::Status Database::Register(const std::string& name, ArrowSchema* schema, ArrowArray* array) {
  absl::StatusOr<std::shared_ptr<const ArrowBatches>> table = ArrowBatches::Take(schema, array);
  if (!table.ok()) return table.status();
  return RegisterBatches(name, std::move(*table));
}

absl::Status Database::RegisterBatches(const std::string& name,
                                       std::shared_ptr<const ArrowBatches> table) {
  std::lock_guard<std::mutex> lock(mutex_);
  const DuckdbApi& duckdb = connection_->duckdb;
  absl::StatusOr<std::shared_ptr<const ArrowScan>> scan =
      ArrowScan::Make(duckdb, connection_->connection.get(), std::move(table));
  if (!scan.ok()) {
    return absl::Status(scan.status().code(),
                        absl::StrCat("table '", name, "': ", scan.status().message()));
  }
  const std::string function = absl::StrCat("slabpipe_scan_", ++registered_);
  auto slot = std::make_shared<ArrowScanSlot>(std::move(*scan));
  absl::Status status = RegisterArrowScan(duckdb, connection_->connection.get(), function, slot);
  if (status.ok()) {
    status = Run(absl::StrCat("CREATE OR REPLACE TEMP VIEW ", Quoted(name), " AS SELECT * FROM ",
                              function, "()"));
  }
  if (!status.ok()) {
    slot->Reset();
    return status;
  }
  if (auto old = tables_.find(name); old != tables_.end()) old->second->Reset();
  tables_[name] = std::move(slot);
  return absl::OkStatus();
}

absl::Status Database::Drop(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto table = tables_.find(name);
  if (table == tables_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no table '", name, "' to drop"));
  }
  table->second->Reset();
  tables_.erase(table);
  return Run(absl::StrCat("DROP VIEW IF EXISTS temp.", Quoted(name)));
}

absl::Status Database::Run(const std::string& sql) {
  DuckdbResult result;
  absl::Status status;
  if (connection_->duckdb.query(connection_->connection.get(), sql.c_str(), &result) !=
      kDuckdbSuccess) {
    const char* message = connection_->duckdb.result_error(&result);
    status = absl::Status(CodeOf(connection_->duckdb.result_error_type(&result)),
                          message == nullptr ? "DuckDB failed" : message);
  }
  connection_->duckdb.destroy_result(&result);
  return status;
}

absl::StatusOr<QueryResult> Database::Query(const std::string& sql) {
  std::lock_guard<std::mutex> lock(mutex_);
  const DuckdbApi& duckdb = connection_->duckdb;
  DuckdbResult result;
  if (duckdb.query(connection_->connection.get(), sql.c_str(), &result) == kDuckdbSuccess) {
    return QueryResult(duckdb, result, connection_);
  }
  const char* message = duckdb.result_error(&result);
  absl::Status status(CodeOf(duckdb.result_error_type(&result)),
                      message == nullptr ? "DuckDB failed" : message);
  duckdb.destroy_result(&result);
  return status;
}

}  // namespace sql
