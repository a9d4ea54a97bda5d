// Columns in messages: schemas/codecs.capnp, Columns.

#ifndef SLABPIPE_CODEC_COLUMN_WIRE_H_
#define SLABPIPE_CODEC_COLUMN_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_data.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/schemas/codecs.capnp.h"

namespace slabpipe {

// How some columns go into a payload: which buffers are referred to where they lie in shared
// memory, and where the others are copied to, in one block for all. Made twice, when the columns
// are prepared and when they are encoded. Borrows the columns.
class ColumnsPlan {
 public:
  // Whether a buffer need not be copied.
  using CanRefer = absl::FunctionRef<bool(const Buffer& buffer)>;

  ColumnsPlan(absl::Span<const TableColumn> columns, CanRefer can_refer);

  // Of the block of copies, 0: there is none.
  size_t copied_bytes() const { return copied_bytes_; }
  // The blocks that are referred to, by number; that of copies comes first, if there is one.
  const std::vector<const Buffer*>& referred() const { return referred_; }
  // Copies what is to be copied, `block` being the block for it, and writes nodes and buffers.
  void Write(absl::Span<std::byte> block, schemas::Columns::Builder out) const;

 private:
  // One buffer of a column on its way.
  struct Piece {
    const std::byte* from = nullptr;
    size_t size_bytes = 0;
    uint64_t offset = 0;  // in its block
    uint16_t block = 0;   // without the block of copies counted
    bool copied = false;
    // Of copied offsets: the width of each, 0 of other pieces; what is taken away from each, and
    // the most that is left.
    uint8_t offset_bytes = 0;
    int64_t base = 0;
    int64_t limit = 0;
  };
  struct Node {
    int64_t length;
    int64_t null_count;
    uint8_t skip;
    bool has_validity;
  };
  // Rows `first` to first + count of the buffers; `skip` of them come before those that are sent.
  struct Rows {
    int64_t first;
    int64_t count;
    int64_t skip;
  };
  void Add(const ColumnData& data, int64_t begin, int64_t length);
  void AddBuffers(const ColumnData& data, Rows rows, bool has_validity);
  void AddOffsets(const ColumnData& data, Rows rows, size_t offset_bytes);
  void AddChildren(const ColumnData& data, Rows rows);
  void AddPiece(const ColumnBuffer& buffer, size_t begin, size_t size_bytes, bool refer);
  bool MayRefer(const ColumnBuffer& buffer) const;
  bool MayReferAll(const ColumnData& data) const;

  CanRefer can_refer_;  // for the constructor alone

  std::vector<Node> nodes_;
  std::vector<Piece> pieces_;
  std::vector<const Buffer*> referred_;
  absl::flat_hash_map<const Buffer*, uint16_t> referred_index_;
  std::vector<std::pair<int64_t, int64_t>> list_items_;  // begin and length, of lists being added
  size_t copied_bytes_ = 0;
};

// What can't be sent of columns: names that are not UTF-8, attributes, nesting. INVALID_ARGUMENT
// names the column.
absl::Status CheckColumnsToSend(absl::Span<const TableColumn> columns);

// Blocks and metadata of some columns, and back. Prepare and Encode take the same columns.
absl::Status PrepareColumns(absl::Span<const TableColumn> columns, Sizer& sizer);
absl::Status EncodeColumns(absl::Span<const TableColumn> columns, Encoder& encoder,
                           schemas::Columns::Builder out);
// All is checked as CheckColumn does. INVALID_ARGUMENT names column and field. Each column has
// `row_count` rows, or any number if that is below 0.
absl::StatusOr<std::vector<TableColumn>> DecodeColumns(Decoder& decoder,
                                                       schemas::Columns::Reader in,
                                                       int64_t row_count);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COLUMN_WIRE_H_
