#include "slabpipe/examples/sql/arrow_scan.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sql {
namespace {

// The functions by which the callbacks below get at their data. DuckDB gives them nothing else, and
// a process loads one library (DuckdbLibrary). Release: RegisterArrowScan; acquire: Duckdb.
std::atomic<const DuckdbApi*> callbacks_api{nullptr};

const DuckdbApi& Duckdb() { return *callbacks_api.load(std::memory_order_acquire); }

using Slot = std::shared_ptr<ArrowScanSlot>;     // what a table function has
using Bound = std::shared_ptr<const ArrowScan>;  // what a query has

// One scan of the table by a query, shared by the threads that work on it.
struct Running {
  Bound scan;
  std::vector<uint64_t> columns;  // of the table, in the order of the output's vectors
  std::atomic<size_t> next_piece{0};
};

template <typename T>
void Delete(void* data) {
  delete static_cast<T*>(data);
}

void Bind(DuckdbBindInfo info) {
  const DuckdbApi& duckdb = Duckdb();
  Bound scan = (*static_cast<Slot*>(duckdb.bind_get_extra_info(info)))->scan();
  if (scan == nullptr) return duckdb.bind_set_error(info, "the table has been dropped");
  for (int64_t i = 0; i < scan->table().column_count(); ++i) {
    const char* name = scan->table().column_schema(i).name;
    duckdb.bind_add_result_column(info, name == nullptr ? "" : name, scan->type(i));
  }
  duckdb.bind_set_cardinality(info, scan->table().row_count(), true);
  duckdb.bind_set_bind_data(info, new Bound(std::move(scan)), Delete<Bound>);
}

void Init(DuckdbInitInfo info) {
  const DuckdbApi& duckdb = Duckdb();
  auto running = std::make_unique<Running>();
  running->scan = *static_cast<Bound*>(duckdb.init_get_bind_data(info));
  for (uint64_t i = 0; i < duckdb.init_get_column_count(info); ++i) {
    running->columns.push_back(duckdb.init_get_column_index(info, i));
  }
  duckdb.init_set_max_threads(info, std::max<uint64_t>(1, running->scan->pieces().size()));
  duckdb.init_set_init_data(info, running.release(), Delete<Running>);
}

// Gives one vector of rows; none at the end.
void Scan(DuckdbFunctionInfo info, DuckdbChunk output) {
  const DuckdbApi& duckdb = Duckdb();
  auto& running = *static_cast<Running*>(duckdb.function_get_init_data(info));
  const ArrowScan& scan = *running.scan;
  // Relaxed: the pieces themselves never change.
  const size_t next = running.next_piece.fetch_add(1, std::memory_order_relaxed);
  if (next >= scan.pieces().size()) return duckdb.data_chunk_set_size(output, 0);
  const ArrowScan::Piece& piece = scan.pieces()[next];
  for (size_t i = 0; i < running.columns.size(); ++i) {
    // A query that only counts rows asks for a column that the table has not.
    if (running.columns[i] >= static_cast<uint64_t>(scan.table().column_count())) continue;
    const absl::Status status = scan.Fill(static_cast<int64_t>(running.columns[i]), piece,
                                          duckdb.data_chunk_get_vector(output, i));
    if (!status.ok()) {
      return duckdb.function_set_error(info, std::string(status.message()).c_str());
    }
  }
  duckdb.data_chunk_set_size(output, piece.length);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ArrowScan>> ArrowScan::Make(
    const DuckdbApi& duckdb, DuckdbConnection connection,
    std::shared_ptr<const ArrowBatches> table) {
  if (table->column_count() == 0) {
    return absl::InvalidArgumentError("a table without columns is no table for SQL");
  }
  std::shared_ptr<ArrowScan> scan(new ArrowScan(duckdb, std::move(table)));
  for (int64_t i = 0; i < scan->table_->column_count(); ++i) {
    const absl::Status status = scan->AddColumn(connection, i);
    if (status.ok()) continue;
    const ArrowSchema& schema = scan->table_->column_schema(i);
    return absl::Status(
        status.code(), absl::StrCat("column '", schema.name == nullptr ? "" : schema.name,
                                    "', Arrow format \"", schema.format, "\": ", status.message()));
  }
  scan->CutPieces();
  return scan;
}

absl::Status ArrowScan::AddColumn(DuckdbConnection connection, int64_t index) {
  Column& column = columns_.emplace_back();
  if (table_->column_schema(index).dictionary != nullptr) {
    absl::StatusOr<std::unique_ptr<DictionaryColumn>> dictionary =
        DictionaryColumn::Make(duckdb_, connection, table_, index);
    if (!dictionary.ok()) return dictionary.status();
    column.dictionary = std::move(*dictionary);
    return absl::OkStatus();
  }
  absl::StatusOr<ArrowImporter> importer =
      ArrowImporter::Make(duckdb_, connection, table_->column_schema(index));
  if (!importer.ok()) return importer.status();
  absl::StatusOr<DuckdbOwned<DuckdbType>> type = importer->Type();
  if (!type.ok()) return type.status();
  column.importer = std::make_unique<ArrowImporter>(std::move(*importer));
  column.type = std::make_unique<DuckdbOwned<DuckdbType>>(std::move(*type));
  return absl::OkStatus();
}

void ArrowScan::CutPieces() {
  const auto most = static_cast<int64_t>(duckdb_.vector_size());
  for (int64_t batch = 0; batch < table_->batch_count(); ++batch) {
    const int64_t rows = table_->row_count(batch);
    for (int64_t begin = 0; begin < rows; begin += most) {
      pieces_.push_back({batch, begin, std::min(most, rows - begin)});
    }
  }
}

DuckdbType ArrowScan::type(int64_t column) const {
  const Column& of = columns_[column];
  return of.dictionary != nullptr ? of.dictionary->type() : of.type->get();
}

absl::Status ArrowScan::Fill(int64_t column, const Piece& piece, DuckdbVector vector) const {
  const Column& of = columns_[column];
  if (of.dictionary != nullptr) {
    return of.dictionary->Fill(piece.batch, piece.begin, piece.length, vector);
  }
  ArrowArray rows;
  table_->Slice(table_->column_schema(column), table_->column(piece.batch, column),
                table_->first_row(piece.batch, column) + piece.begin, piece.length, &rows);
  absl::StatusOr<DuckdbOwned<DuckdbChunk>> chunk = of.importer->Import(&rows);
  if (!chunk.ok()) return chunk.status();
  duckdb_.vector_reference_vector(vector, duckdb_.data_chunk_get_vector(chunk->get(), 0));
  return absl::OkStatus();
}

absl::Status RegisterArrowScan(const DuckdbApi& duckdb, DuckdbConnection connection,
                               const std::string& name, std::shared_ptr<ArrowScanSlot> slot) {
  callbacks_api.store(&duckdb, std::memory_order_release);
  DuckdbOwned<DuckdbTableFunction> function(duckdb.destroy_table_function,
                                            duckdb.create_table_function());
  duckdb.table_function_set_name(function.get(), name.c_str());
  duckdb.table_function_set_extra_info(function.get(), new Slot(std::move(slot)), Delete<Slot>);
  duckdb.table_function_set_bind(function.get(), Bind);
  duckdb.table_function_set_init(function.get(), Init);
  duckdb.table_function_set_function(function.get(), Scan);
  duckdb.table_function_supports_projection_pushdown(function.get(), true);
  if (duckdb.register_table_function(connection, function.get()) == kDuckdbSuccess) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("DuckDB refuses the table function ", name));
}

}  // namespace sql
