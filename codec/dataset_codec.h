// DatasetCodec: labelled arrays and columns in groups. Metadata: schemas/codecs.capnp, Dataset.
//
// Memory. Arrays and columns that lie in shared memory are sent as references, whatever views they
// are; all others are copied once, the arrays into one block and the columns into another, however
// many there are. What arrives points into the blocks. Variables that show the same memory in the
// same way are sent once, and share it on the other side.

#ifndef SLABPIPE_CODEC_DATASET_CODEC_H_
#define SLABPIPE_CODEC_DATASET_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/dataset.h"

namespace slabpipe {

class DatasetCodec : public CodecFor<Dataset> {
 public:
  absl::string_view name() const override { return "dataset"; }
  // INVALID_ARGUMENT if a name or an attribute is not UTF-8.
  absl::Status Prepare(const Dataset& dataset, Sizer& sizer) const override;
  absl::Status Encode(const Dataset& dataset, Encoder& encoder) const override;
  // All rules of DatasetGroup::Add are checked again, and those of arrays and columns:
  // INVALID_ARGUMENT names group, variable and field.
  absl::StatusOr<Dataset> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DATASET_CODEC_H_
