// Tables and columns to and from other Arrow libraries, by the Arrow C Data Interface and the C
// Stream Interface, without a copy.
//
//   ArrowSchema schema;
//   ArrowArray array;
//   absl::Status status = ExportTable(table, &schema, &array);     // for pyarrow, DuckDB, ...
//   absl::StatusOr<Table> answer = ImportTable(&schema, &array);   // from there
//
// The structs are in arrow_abi.h, or in whatever other library brings them; the interface is
// specified in "The Arrow C data interface" and "The Arrow C stream interface",
// arrow.apache.org/docs/format/CDataInterface.html.
//
// Lifetime. What is exported keeps the memory (in shared memory: the lease on it) until its release
// callback is called, on any thread; each column, and each child, by itself, so that they may be
// moved out and released one by one. What is imported calls the release callback of each column
// when the last of our columns that use it is gone, on whatever thread that is.
//
// Hostile memory. Our columns check every offset and index at use (column_data.h); other libraries
// check them once or never, and count missing values before they collect the others. So where the
// other process of a session can still write to a column (it came from there), export gives private
// copies of its offsets, the indices of categories, validity and bools, checked: 4 or 8 bytes a
// text, list or category, a bit a value. With `trust_peer`, in a worker, which trusts its main,
// nothing is copied. Other values and texts never are: whatever they are changed to, they lead
// nowhere; but a library that relies on texts being UTF-8 (Column::CheckUtf8), or on values staying
// as they are while it sorts them, should be given a Copy() of the table.
//
// Types. All of ours are exported; imported are all but views ('vu', 'vz', '+vl'), unions,
// run-end-encoded arrays, decimals of 32 and 64 bits, and the intervals other than of months, days
// and nanoseconds (UNIMPLEMENTED). A map is imported as the list of structs that it is. Attributes
// become metadata; what is no text is written as Value::DebugString has it. The index becomes
// metadata, too, keys that begin with "slabpipe.index": a library that takes rows or columns away
// and keeps the metadata makes it meaningless.
//
// All functions are thread-safe for different arguments; a table may be exported by several threads
// at once.

#ifndef SLABPIPE_CODEC_ARROW_H_
#define SLABPIPE_CODEC_ARROW_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/table.h"

struct ArrowSchema;
struct ArrowArray;
struct ArrowArrayStream;

namespace slabpipe {

struct ArrowExportOptions {
  // The other process is trusted not to change what it has sent.
  bool trust_peer = false;
};

// A table as a record batch: a struct array of its columns. Fills both structs, which the caller
// releases; nothing is to be released after an error. RESOURCE_EXHAUSTED; DATA_LOSS if the other
// process has made nonsense of offsets or indices.
absl::Status ExportTable(const Table& table, ArrowSchema* schema, ArrowArray* array,
                         const ArrowExportOptions& options = {});
absl::Status ExportColumn(const TableColumn& column, ArrowSchema* schema, ArrowArray* array,
                          const ArrowExportOptions& options = {});
// What a table is exported from if it is exported piece by piece: the same with what
// export would copy in private memory, so that they are copied once, not for each piece.
absl::StatusOr<Table> PinIndices(const Table& table);
// The type alone.
absl::Status ExportSchema(const Table& table, ArrowSchema* schema);

// Takes what both structs hold, whether it succeeds or not: the caller has nothing to release any
// more. Trusts the producer as far as sizes of buffers go, which the interface does not tell; what
// is in them is checked as CheckColumn does, but for null_count, which is counted. Buffers that are
// not aligned are copied. INVALID_ARGUMENT names column and field;
// UNIMPLEMENTED for the types above.
absl::StatusOr<Table> ImportTable(ArrowSchema* schema, ArrowArray* array);
absl::StatusOr<TableColumn> ImportColumn(ArrowSchema* schema, ArrowArray* array);
// The columns of a schema, without rows.
absl::StatusOr<Table> ImportSchema(ArrowSchema* schema);

// A table in batches. Thread-compatible.
class TableReader {
 public:
  virtual ~TableReader() = default;
  // Names and types of all batches: a table without rows, and without categories. The same at each
  // call.
  virtual const Table& schema() const = 0;
  // The next batch; nothing at the end, and after it. After an error the same error again.
  virtual absl::StatusOr<std::optional<Table>> Next() = 0;
};

// The rows of a table, at most `batch_rows` at a time, as views; one batch of none if there are
// none. REQUIRES: batch_rows >= 1.
std::unique_ptr<TableReader> ReadInBatches(Table table, int64_t batch_rows);

// All batches in one table: copied once, into memory of `source`. Errors as the reader's, and as
// Concatenate of tables.
absl::StatusOr<Table> ReadAll(TableReader& reader, BufferSource source);

// Fills `stream`, which the caller releases. Its functions return EIO with a message where the
// reader fails.
void ExportStream(std::unique_ptr<TableReader> reader, ArrowArrayStream* stream,
                  const ArrowExportOptions& options = {});
// Takes the stream, whether it succeeds or not. Errors of the stream are UNKNOWN with its message.
absl::StatusOr<std::unique_ptr<TableReader>> ImportStream(ArrowArrayStream* stream);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_ARROW_H_
