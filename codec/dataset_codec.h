// DatasetCodec: datasets, their arrays through the registry. Metadata: schemas/codecs.capnp,
// Dataset.

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
  // All rules of DatasetGroup::Add are checked again: INVALID_ARGUMENT names group and variable.
  absl::StatusOr<Dataset> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DATASET_CODEC_H_
