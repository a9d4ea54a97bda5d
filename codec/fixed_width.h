// FixedBytes, FixedText: array elements of a fixed width; and arrays of them from and to strings.
//
//   auto names = TextArray({"Ada", "Émilie"});              // AnyNdArray, text[6], shape (2,)
//   absl::StatusOr<std::vector<std::string>> back = TextsOf(*names);
//
//   NdArray<FixedBytes<8>> codes = ...;                     // if the width is known when compiling
//   codes(0) = *FixedBytes<8>::From("AB12");
//   absl::string_view code = codes(0).view();
//
// As in NumPy ('S' and 'U'): shorter ones are filled up with zeros, and zeros at the end are not
// part of the content. Text is stored as code points of four bytes, so that every character of an
// array is found by its index; here it goes in and out as UTF-8.

#ifndef SLABPIPE_CODEC_FIXED_WIDTH_H_
#define SLABPIPE_CODEC_FIXED_WIDTH_H_

#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/element_type.h"
#include "slabpipe/codec/ndarray.h"

namespace slabpipe {

// Writes `content` and zeros after it. INVALID_ARGUMENT if it is too long, ends with a zero (which
// would be lost), or, for text, is not UTF-8.
absl::Status WriteFixedBytes(absl::string_view content, absl::Span<char> to);
absl::Status WriteFixedText(absl::string_view utf8, absl::Span<char32_t> to);
// The content, without the zeros at the end.
absl::string_view ReadFixedBytes(absl::Span<const char> from);
// As UTF-8. Each code point is read once, so that it does not matter if the peer is changing them.
// INVALID_ARGUMENT for a number that is no code point.
absl::StatusOr<std::string> ReadFixedText(absl::Span<const char32_t> from);

// Up to kWidth bytes. All zeros, unless made otherwise.
template <size_t kWidth>
class FixedBytes {
 public:
  static_assert(kWidth > 0 && kWidth <= ElementType::kMaxWidthBytes);
  FixedBytes() = default;
  // INVALID_ARGUMENT as WriteFixedBytes.
  static absl::StatusOr<FixedBytes> From(absl::string_view content) {
    FixedBytes element;
    absl::Status status = WriteFixedBytes(content, absl::MakeSpan(element.data_));
    if (!status.ok()) return status;
    return element;
  }
  // Valid as long as the element.
  absl::string_view view() const { return ReadFixedBytes(data_); }
  friend bool operator==(const FixedBytes&, const FixedBytes&) = default;

 private:
  char data_[kWidth] = {};
};

// Up to kWidth characters. None, unless made otherwise.
template <size_t kWidth>
class FixedText {
 public:
  static_assert(kWidth > 0 && kWidth <= ElementType::kMaxWidthBytes / 4);
  FixedText() = default;
  // INVALID_ARGUMENT as WriteFixedText.
  static absl::StatusOr<FixedText> From(absl::string_view utf8) {
    FixedText element;
    absl::Status status = WriteFixedText(utf8, absl::MakeSpan(element.data_));
    if (!status.ok()) return status;
    return element;
  }
  // As UTF-8. INVALID_ARGUMENT as ReadFixedText.
  absl::StatusOr<std::string> ToUtf8() const { return ReadFixedText(data_); }
  friend bool operator==(const FixedText&, const FixedText&) = default;

 private:
  char32_t data_[kWidth] = {};
};

// One-dimensional arrays in private memory, as wide as the longest (and at least one wide).
// INVALID_ARGUMENT names the item, as WriteFixedBytes and WriteFixedText; RESOURCE_EXHAUSTED.
absl::StatusOr<AnyNdArray> BytesArray(absl::Span<const std::string> items);
absl::StatusOr<AnyNdArray> TextArray(absl::Span<const std::string> utf8_items);

// All elements in row-major order, of any shape and layout. INVALID_ARGUMENT if the elements are
// others; TextsOf also as ReadFixedText.
absl::StatusOr<std::vector<std::string>> BytesOf(const AnyNdArray& array);
absl::StatusOr<std::vector<std::string>> TextsOf(const AnyNdArray& array);

// Implementation details only below this line.

namespace internal {
template <size_t kWidth>
struct ElementTypeOf<FixedBytes<kWidth>> {
  static constexpr ElementType value = ElementType::Bytes(kWidth);
};
template <size_t kWidth>
struct ElementTypeOf<FixedText<kWidth>> {
  static constexpr ElementType value = ElementType::Text(kWidth);
};
}  // namespace internal

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_FIXED_WIDTH_H_
