// What codec_benchmark consists of. Each function registers its benchmarks; to be called once.

#ifndef SLABPIPE_BENCH_CODEC_CASES_H_
#define SLABPIPE_BENCH_CODEC_CASES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "slabpipe/bench/codec/message_loop.h"
#include "slabpipe/codec/ndarray.h"

namespace slabpipe::bench {

void AddFloorCases();     // what the machine takes
void AddArrayCases();     // ndarray, dataset
void AddValueCases();     // value
void AddCompoundCases();  // record, sequence, map, variant
void AddTableCases();     // table, column
void AddOwnCodecCases();  // those of examples/custom_codecs
void AddRegistryCases();  // looking codecs up

// 0, 1, 2, ... in private memory, and in the sender's shared memory.
NdArray<const double> PrivateArray(int64_t elements);
NdArray<const double> SharedArray(MessageLoop& loop, int64_t elements);
// A thousand of 20 and some characters; a thousand with a name.
std::vector<std::string> MakeTexts();
std::map<std::string, double> MakeNumbers();

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_CODEC_CASES_H_
