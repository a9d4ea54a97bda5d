// DatasetReader: a dataset from its metadata and blocks, everything checked.

#ifndef SLABPIPE_CODEC_DATASET_READER_H_
#define SLABPIPE_CODEC_DATASET_READER_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/schemas/codecs.capnp.h"

namespace slabpipe {

// Borrows the decoder. To be used once.
class DatasetReader {
 public:
  explicit DatasetReader(Decoder& decoder) : decoder_(decoder) {}

  // INVALID_ARGUMENT names group, variable and field.
  absl::StatusOr<Dataset> Read(schemas::Dataset::Reader in);

 private:
  class GroupReader;

  absl::Status ReadGroups(schemas::Dataset::Reader in, Dataset& dataset);
  // The payload's block of that number.
  absl::StatusOr<Buffer> BlockBuffer(size_t block);

  Decoder& decoder_;
  std::vector<TableColumn> columns_;
  std::vector<std::optional<Buffer>> blocks_;  // those that were asked for
  size_t name_bytes_ = 0;                      // of the dimensions of all forms
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DATASET_READER_H_
