// Streams of tables: see arrow.h.

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/arrow.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/arrow_import.h"
#include "slabpipe/codec/column_copy.h"

namespace slabpipe {
namespace {

class BatchReader : public TableReader {
 public:
  BatchReader(Table table, int64_t batch_rows)
      : table_(std::move(table)), schema_(table_.Head(0)), batch_rows_(batch_rows) {}
  const Table& schema() const override { return schema_; }
  absl::StatusOr<std::optional<Table>> Next() override {
    // A table without rows is a batch, too: it may have categories.
    if (next_ == table_.row_count() && std::exchange(begun_, true)) return std::nullopt;
    begun_ = true;
    const int64_t begin = std::exchange(next_, std::min(next_ + batch_rows_, table_.row_count()));
    absl::StatusOr<Table> batch = table_.Slice(begin, next_);
    if (!batch.ok()) return batch.status();
    return *std::move(batch);
  }

 private:
  const Table table_;
  const Table schema_;
  const int64_t batch_rows_;
  int64_t next_ = 0;
  bool begun_ = false;
};

// ---- Export

struct StreamHolder {
  std::unique_ptr<TableReader> reader;
  ArrowExportOptions options;
  std::string error;
};

StreamHolder& HolderOf(ArrowArrayStream* stream) {
  return *static_cast<StreamHolder*>(stream->private_data);
}

int Report(StreamHolder& holder, const absl::Status& status) {
  if (status.ok()) return 0;
  holder.error = status.ToString();
  return EIO;
}

int GetSchema(ArrowArrayStream* stream, ArrowSchema* out) {
  StreamHolder& holder = HolderOf(stream);
  return Report(holder, ExportSchema(holder.reader->schema(), out));
}

int GetNext(ArrowArrayStream* stream, ArrowArray* out) {
  StreamHolder& holder = HolderOf(stream);
  absl::StatusOr<std::optional<Table>> batch = holder.reader->Next();
  if (!batch.ok()) return Report(holder, batch.status());
  *out = {};  // released: the end
  if (!batch->has_value()) return 0;
  ArrowSchema schema;
  absl::Status exported = ExportTable(**batch, &schema, out, holder.options);
  if (exported.ok()) schema.release(&schema);
  return Report(holder, exported);
}

const char* GetLastError(ArrowArrayStream* stream) {
  const StreamHolder& holder = HolderOf(stream);
  return holder.error.empty() ? nullptr : holder.error.c_str();
}

void ReleaseStream(ArrowArrayStream* stream) {
  delete &HolderOf(stream);
  stream->release = nullptr;
}

// ---- Import

class StreamReader : public TableReader {
 public:
  explicit StreamReader(ArrowArrayStream* source) : stream_(*source) { source->release = nullptr; }
  ~StreamReader() override {
    if (stream_.release != nullptr) stream_.release(&stream_);
  }
  absl::Status Open() {
    if (stream_.release == nullptr) {
      return absl::InvalidArgumentError("Arrow stream: it has been released");
    }
    ArrowSchema schema;
    if (const int code = stream_.get_schema(&stream_, &schema); code != 0) return ErrorOf(code);
    absl::StatusOr<Table> table = ImportSchema(&schema);
    if (table.ok()) schema_ = *std::move(table);
    return table.status();
  }
  const Table& schema() const override { return schema_; }
  absl::StatusOr<std::optional<Table>> Next() override {
    if (!failed_.ok()) return failed_;
    if (ended_) return std::nullopt;
    absl::StatusOr<std::optional<Table>> batch = ReadBatch();
    if (!batch.ok()) failed_ = batch.status();
    return batch;
  }

 private:
  absl::StatusOr<std::optional<Table>> ReadBatch() {
    ArrowArray array = {};
    if (const int code = stream_.get_next(&stream_, &array); code != 0) return ErrorOf(code);
    ended_ = array.release == nullptr;
    if (ended_) return std::nullopt;
    absl::StatusOr<Table> batch = ImportBatch(schema_, &array);
    if (!batch.ok()) return batch.status();
    if (batch->index_columns().empty()) batch->SetIndex(NextRange(batch->row_count()));
    return *std::move(batch);
  }
  // The labels go on from batch to batch, and wrap around as the arithmetic of ranges does.
  RangeIndex NextRange(int64_t rows) {
    RangeIndex range = schema_.range_index();
    range.start = static_cast<int64_t>(static_cast<uint64_t>(range.start) +
                                       rows_read_ * static_cast<uint64_t>(range.step));
    rows_read_ += static_cast<uint64_t>(rows);
    return range;
  }
  absl::Status ErrorOf(int code) {
    const char* text = stream_.get_last_error(&stream_);
    return absl::UnknownError(absl::StrCat(
        "Arrow stream: error ", code, text == nullptr ? "" : ": ", text == nullptr ? "" : text));
  }

  ArrowArrayStream stream_;
  Table schema_;
  absl::Status failed_;
  bool ended_ = false;
  uint64_t rows_read_ = 0;
};

}  // namespace

std::unique_ptr<TableReader> ReadInBatches(Table table, int64_t batch_rows) {
  assert(batch_rows >= 1);
  return std::make_unique<BatchReader>(std::move(table), batch_rows);
}

absl::StatusOr<Table> ReadAll(TableReader& reader, BufferSource source) {
  std::vector<Table> batches = {reader.schema()};
  while (true) {
    absl::StatusOr<std::optional<Table>> batch = reader.Next();
    if (!batch.ok()) return batch.status();
    if (!batch->has_value()) return Concatenate(batches, source);
    batches.push_back(**std::move(batch));
  }
}

void ExportStream(std::unique_ptr<TableReader> reader, ArrowArrayStream* stream,
                  const ArrowExportOptions& options) {
  *stream = {.get_schema = &GetSchema,
             .get_next = &GetNext,
             .get_last_error = &GetLastError,
             .release = &ReleaseStream,
             .private_data = new StreamHolder{std::move(reader), options, {}}};
}

absl::StatusOr<std::unique_ptr<TableReader>> ImportStream(ArrowArrayStream* stream) {
  auto reader = std::make_unique<StreamReader>(stream);
  if (absl::Status opened = reader->Open(); !opened.ok()) return opened;
  return reader;
}

}  // namespace slabpipe
