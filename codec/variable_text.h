// The values of a dataset's variables as text, for people.

#ifndef SLABPIPE_CODEC_VARIABLE_TEXT_H_
#define SLABPIPE_CODEC_VARIABLE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "slabpipe/codec/dataset_variable.h"

namespace slabpipe {

// Element `index` in row-major order: "4.408", "7", "true", "'Choate'", "2013-06-01T12:00:00",
// "null". In one line; texts, times and the like in about `most_of_a_text` places. REQUIRES: there
// is such an element.
std::string ElementText(const VariableData& data, int64_t index, size_t most_of_a_text = 40);

// The first and the last values, in at most `width` places: "4.5 3.2 ... 1.1".
std::string ValuesText(const VariableData& data, size_t width);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_VARIABLE_TEXT_H_
