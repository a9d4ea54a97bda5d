#include "slabpipe/codec/element_type.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace slabpipe {
namespace {

constexpr absl::string_view kNames[ElementType::kKindCount] = {
    "bool",       "int8",    "int16",    "int32",   "int64",   "uint8",
    "uint16",     "uint32",  "uint64",   "float32", "float64", "complex64",
    "complex128", "float16", "bfloat16", "bytes",   "text"};

constexpr size_t kBytesPerCharacter = 4;

}  // namespace

absl::StatusOr<ElementType> ElementType::FromWire(unsigned kind, uint64_t width_bytes) {
  if (kind >= kKindCount) {
    return absl::InvalidArgumentError(absl::StrCat("elementType: unknown number ", kind));
  }
  if (kind != kBytes && kind != kText) return ElementType(static_cast<Kind>(kind));
  if (width_bytes == 0 || width_bytes > kMaxWidthBytes ||
      (kind == kText && width_bytes % kBytesPerCharacter != 0)) {
    return absl::InvalidArgumentError(absl::StrCat("elementBytes: ", width_bytes,
                                                   " is no width of ", kNames[kind], ", at most ",
                                                   kMaxWidthBytes));
  }
  return ElementType(static_cast<Kind>(kind), width_bytes);
}

std::string ElementType::name() const {
  if (!has_fixed_width()) return std::string(kNames[kind_]);
  return absl::StrCat(kNames[kind_], "[",
                      kind_ == kText ? size_bytes() / kBytesPerCharacter : size_bytes(), "]");
}

}  // namespace slabpipe
