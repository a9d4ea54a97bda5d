#include "slabpipe/codec/variable_text.h"

#include <algorithm>
#include <complex>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

std::string Quoted(absl::string_view text, size_t most) {
  return absl::StrCat("'", PrintableText(text, most), "'");
}

std::string NumberText(double number) { return absl::StrFormat("%.4g", number); }
std::string NumberText(float number) { return NumberText(double{number}); }
std::string NumberText(Float16 number) { return NumberText(static_cast<float>(number)); }
std::string NumberText(Bfloat16 number) { return NumberText(static_cast<float>(number)); }
std::string NumberText(Bool8 truth) { return truth ? "true" : "false"; }
template <typename T>
std::string NumberText(std::complex<T> number) {
  return absl::StrFormat("%.4g%+.4gi", number.real(), number.imag());
}
template <std::integral T>
std::string NumberText(T number) {
  return absl::StrCat(number);
}

// If the scalar is of T.
template <typename T>
bool PrintIfOf(const AnyNdArray& scalar, std::string& text) {
  if (scalar.element_type() != kElementTypeOf<T>) return false;
  text = NumberText(*NdArray<const T>::FromAny(scalar)->data());
  return true;
}

template <typename... T>
std::string PrintAsOneOf(const AnyNdArray& scalar) {
  std::string text = "?";
  (PrintIfOf<T>(scalar, text) || ...);
  return text;
}

std::string ScalarText(const AnyNdArray& scalar, size_t most_of_a_text) {
  if (!scalar.element_type().has_fixed_width()) {
    return PrintAsOneOf<bool, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                        uint64_t, float, double, std::complex<float>, std::complex<double>, Float16,
                        Bfloat16>(scalar);
  }
  const bool text = scalar.element_type().kind() == ElementType::kText;
  const absl::StatusOr<std::vector<std::string>> items = text ? TextsOf(scalar) : BytesOf(scalar);
  return items.ok() ? Quoted((*items)[0], most_of_a_text) : "?";
}

// The element as an array without axes.
AnyNdArray ScalarAt(AnyNdArray array, int64_t index) {
  while (array.rank() > 0) {
    const size_t last = array.rank() - 1;
    const int64_t extent = array.shape()[last];
    array = *array.Select(last, index % extent);
    index /= extent;
  }
  return array;
}

std::string CellText(const Column& column, int64_t row, size_t most_of_a_text) {
  const bool text = column.type().is_text() ||
                    (column.type().is_categorical() && column.type().categories().is_text());
  const std::string cell = column.CellText(row);
  return text && !column.is_null(row) ? Quoted(cell, most_of_a_text)
                                      : PrintableText(cell, most_of_a_text);
}

int64_t SizeOf(const VariableData& data) {
  const AnyNdArray* array = std::get_if<AnyNdArray>(&data);
  return array != nullptr ? array->size() : std::get<ShapedColumn>(data).values.size();
}

}  // namespace

std::string ElementText(const VariableData& data, int64_t index, size_t most_of_a_text) {
  if (const AnyNdArray* array = std::get_if<AnyNdArray>(&data)) {
    return ScalarText(ScalarAt(*array, index), most_of_a_text);
  }
  return CellText(std::get<ShapedColumn>(data).values, index, most_of_a_text);
}

std::string ValuesText(const VariableData& data, size_t width) {
  constexpr int64_t kMost = 8;
  constexpr absl::string_view kGap = "...";
  const int64_t size = SizeOf(data);
  const int64_t shown = std::min(size, kMost);
  // So that there is room for two.
  const size_t most_of_a_text = std::clamp<size_t>(width / 2, 12, 44) - 4;
  // Those of the first half, then those of the second; both grow from the outside.
  std::vector<std::string> texts;
  for (int64_t i = 0; i < shown; ++i) {
    texts.push_back(ElementText(data, i < (shown + 1) / 2 ? i : size - shown + i, most_of_a_text));
  }
  for (int64_t left_out = 0;; ++left_out) {
    const int64_t count = shown - left_out, first = (count + 1) / 2;
    std::string line;
    for (int64_t i = 0; i < count; ++i) {
      if (i == first && count < size) absl::StrAppend(&line, " ", kGap);
      const int64_t place = i < first ? i : shown - count + i;
      absl::StrAppend(&line, i == 0 ? "" : " ", texts[static_cast<size_t>(place)]);
    }
    if (count == 1 && size > 1) absl::StrAppend(&line, " ", kGap);
    if (TextWidth(line) <= width || count <= 1) return CutText(line, width);
  }
}

}  // namespace slabpipe
