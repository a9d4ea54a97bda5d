#include "slabpipe/codec/built_in.h"

#include <memory>

#include "slabpipe/codec/dataset_codec.h"
#include "slabpipe/codec/handle_codec.h"
#include "slabpipe/codec/map_codec.h"
#include "slabpipe/codec/ndarray_codec.h"
#include "slabpipe/codec/record_codec.h"
#include "slabpipe/codec/sequence_codec.h"
#include "slabpipe/codec/table_codec.h"
#include "slabpipe/codec/value_codec.h"
#include "slabpipe/codec/variant_codec.h"

namespace slabpipe {

CodecRegistry BuiltInCodecs() {
  CodecRegistry registry;
  // Their names differ: none of this can fail.
  registry.Add(std::make_unique<NdArrayCodec>()).IgnoreError();
  registry.Add(std::make_unique<RecordCodec>()).IgnoreError();
  registry.Add(std::make_unique<SequenceCodec>()).IgnoreError();
  registry.Add(std::make_unique<MapCodec>()).IgnoreError();
  registry.Add(std::make_unique<VariantCodec>()).IgnoreError();
  registry.Add(std::make_unique<DatasetCodec>()).IgnoreError();
  registry.Add(std::make_unique<TableCodec>()).IgnoreError();
  registry.Add(std::make_unique<ColumnCodec>()).IgnoreError();
  registry.Add(std::make_unique<HandleCodec>()).IgnoreError();
  registry.SetFallback(std::make_unique<ValueCodec>()).IgnoreError();
  return registry;
}

}  // namespace slabpipe
