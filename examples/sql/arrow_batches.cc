#include "slabpipe/examples/sql/arrow_batches.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/examples/sql/arrow_slice.h"

namespace sql {
namespace {

std::string NameOf(const ArrowSchema& schema) {
  return absl::StrCat("'", schema.name == nullptr ? "" : schema.name, "'");
}

absl::Status StreamError(ArrowArrayStream* stream, int error, absl::string_view doing) {
  const char* message = stream->get_last_error(stream);
  return absl::InternalError(absl::StrCat("an Arrow stream fails to give its ", doing, ": ",
                                          message != nullptr ? message : std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ArrowBatches>> ArrowBatches::Take(ArrowArrayStream* stream) {
  if (stream == nullptr || stream->release == nullptr) {
    return absl::InvalidArgumentError("the Arrow stream has been released");
  }
  std::shared_ptr<ArrowBatches> table(new ArrowBatches);
  const absl::Status status = table->Read(stream);
  stream->release(stream);
  if (!status.ok()) return status;
  return table;
}

absl::StatusOr<std::shared_ptr<const ArrowBatches>> ArrowBatches::Take(ArrowSchema* schema,
                                                                       ArrowArray* array) {
  std::shared_ptr<ArrowBatches> table(new ArrowBatches);
  std::swap(table->schema_, *schema);
  schema->release = nullptr;
  absl::Status status = table->CheckSchema();
  // Also moves it, if only to release it, when the schema is wrong.
  if (absl::Status added = table->Add(array); status.ok()) status = added;
  if (!status.ok()) return status;
  return table;
}

ArrowBatches::~ArrowBatches() {
  for (ArrowArray& batch : batches_) {
    if (batch.release != nullptr) batch.release(&batch);
  }
  if (schema_.release != nullptr) schema_.release(&schema_);
}

absl::Status ArrowBatches::Read(ArrowArrayStream* stream) {
  if (int error = stream->get_schema(stream, &schema_); error != 0) {
    schema_ = {};
    return StreamError(stream, error, "schema");
  }
  if (absl::Status status = CheckSchema(); !status.ok()) return status;
  while (true) {
    ArrowArray batch = {};
    if (int error = stream->get_next(stream, &batch); error != 0) {
      return StreamError(stream, error, absl::StrCat("batch ", batch_count()));
    }
    if (batch.release == nullptr) return absl::OkStatus();
    if (absl::Status status = Add(&batch); !status.ok()) return status;
  }
}

absl::Status ArrowBatches::Add(ArrowArray* batch) {
  if (batch->release == nullptr) {
    return absl::InvalidArgumentError("the Arrow array has been released");
  }
  batches_.push_back(*batch);
  batch->release = nullptr;
  const ArrowArray& added = batches_.back();
  if (schema_.release == nullptr || added.n_children != schema_.n_children || added.length < 0 ||
      added.offset < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch ", batch_count() - 1, " has ", added.n_children, " columns and ",
                     added.length, " rows; the schema has ", schema_.n_children, " columns"));
  }
  if (added.null_count != 0 && added.n_buffers > 0 && added.buffers[0] != nullptr) {
    return absl::InvalidArgumentError("rows are missing as a whole, which a table's can't");
  }
  for (int64_t i = 0; i < added.n_children; ++i) {
    const ArrowArray& column = *added.children[i];
    if (column.offset >= 0 && column.length >= added.length + added.offset) continue;
    return absl::InvalidArgumentError(absl::StrCat("column ", NameOf(column_schema(i)), " has ",
                                                   column.length, " rows of ",
                                                   added.length + added.offset));
  }
  return absl::OkStatus();
}

absl::Status ArrowBatches::CheckSchema() const {
  if (schema_.release == nullptr || absl::string_view(schema_.format) != "+s") {
    return absl::InvalidArgumentError("a table's Arrow schema is a struct, with format \"+s\"");
  }
  for (int64_t i = 0; i < schema_.n_children; ++i) {
    const absl::Status status = CheckColumnType(column_schema(i));
    if (status.ok()) continue;
    return absl::Status(status.code(),
                        absl::StrCat(NameOf(column_schema(i)), " is ", status.message()));
  }
  return absl::OkStatus();
}

int64_t ArrowBatches::row_count() const {
  int64_t rows = 0;
  for (const ArrowArray& batch : batches_) rows += batch.length;
  return rows;
}

int64_t ArrowBatches::first_row(int64_t batch, int64_t index) const {
  return batches_[batch].offset + column(batch, index).offset;
}

void ArrowBatches::Slice(const ArrowSchema& schema, const ArrowArray& array, int64_t begin,
                         int64_t length, ArrowArray* out) const {
  SliceArray(schema, array, begin, length, shared_from_this(), out);
}

}  // namespace sql
