// TableCodec, ColumnCodec: tables and single columns, in Arrow's memory. Metadata:
// schemas/codecs.capnp, Table and Columns.
//
// Memory. Buffers that lie in shared memory already are sent as references; all others are copied,
// once, into one block. What arrives points into the blocks, nothing is copied: offsets, indices of
// categories and validity are read once to check them (some 10 GB/s), values are not.

#ifndef SLABPIPE_CODEC_TABLE_CODEC_H_
#define SLABPIPE_CODEC_TABLE_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/table.h"

namespace slabpipe {

class TableCodec : public CodecFor<Table> {
 public:
  absl::string_view name() const override { return "table"; }
  // INVALID_ARGUMENT if a name or an attribute is not UTF-8.
  absl::Status Prepare(const Table& table, Sizer& sizer) const override;
  absl::Status Encode(const Table& table, Encoder& encoder) const override;
  // INVALID_ARGUMENT names column and field.
  absl::StatusOr<Table> Decode(Decoder& decoder) const override;
};

class ColumnCodec : public CodecFor<Column> {
 public:
  absl::string_view name() const override { return "column"; }
  absl::Status Prepare(const Column& column, Sizer& sizer) const override;
  absl::Status Encode(const Column& column, Encoder& encoder) const override;
  absl::StatusOr<Column> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_TABLE_CODEC_H_
