// DatasetWriter: the metadata of a dataset, and the copies of its arrays.

#ifndef SLABPIPE_CODEC_DATASET_WRITER_H_
#define SLABPIPE_CODEC_DATASET_WRITER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/dataset_wire.h"
#include "slabpipe/schemas/codecs.capnp.h"

namespace slabpipe {

// Borrows all that it is given. To be used once.
class DatasetWriter {
 public:
  // The block of copies, if there is one, has number `first_block`; those that are referred to come
  // behind it.
  DatasetWriter(const DatasetColumns& columns, const DatasetArrays& arrays,
                absl::Span<std::byte> copies, size_t first_block, Encoder& encoder)
      : columns_(columns),
        arrays_(arrays),
        copies_(copies),
        first_block_(first_block),
        encoder_(encoder) {}

  // All but the columns.
  void Write(const Dataset& dataset, schemas::Dataset::Builder out);

 private:
  class Forms;
  using Variable = schemas::Dataset::Variable;

  void WriteGroup(const DatasetGroup& group, schemas::Dataset::Group::Builder out);
  void WriteVariable(const DatasetVariable& variable, uint32_t form, Variable::Builder out);
  void WriteArray(const AnyNdArray& array, Variable::Builder out);

  const DatasetColumns& columns_;
  const DatasetArrays& arrays_;
  const absl::Span<std::byte> copies_;
  const size_t first_block_;
  Encoder& encoder_;
  size_t next_column_ = 0;
  size_t next_array_ = 0;
  size_t copied_bytes_ = 0;  // of the block of copies: filled so far
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DATASET_WRITER_H_
