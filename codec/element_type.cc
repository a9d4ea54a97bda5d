#include "slabpipe/codec/element_type.h"

namespace slabpipe {
namespace {

struct Properties {
  absl::string_view name;
  size_t size_bytes;
  size_t alignment_bytes;
};

constexpr Properties kProperties[kElementTypeCount] = {
    {"bool", 1, 1},        {"int8", 1, 1},    {"int16", 2, 2},   {"int32", 4, 4},
    {"int64", 8, 8},       {"uint8", 1, 1},   {"uint16", 2, 2},  {"uint32", 4, 4},
    {"uint64", 8, 8},      {"float32", 4, 4}, {"float64", 8, 8}, {"complex64", 8, 4},
    {"complex128", 16, 8},
};

}  // namespace

size_t ElementSizeBytes(ElementType type) { return kProperties[static_cast<int>(type)].size_bytes; }

size_t ElementAlignmentBytes(ElementType type) {
  return kProperties[static_cast<int>(type)].alignment_bytes;
}

absl::string_view ElementTypeName(ElementType type) {
  return kProperties[static_cast<int>(type)].name;
}

}  // namespace slabpipe
