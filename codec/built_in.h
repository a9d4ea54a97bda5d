// The codecs that slabpipe brings.

#ifndef SLABPIPE_CODEC_BUILT_IN_H_
#define SLABPIPE_CODEC_BUILT_IN_H_

#include "slabpipe/codec/registry.h"

namespace slabpipe {

// ndarray, record, sequence, dataset, and value as the fallback. Add your own behind them.
CodecRegistry BuiltInCodecs();

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_BUILT_IN_H_
