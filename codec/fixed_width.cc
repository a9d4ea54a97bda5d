#include "slabpipe/codec/fixed_width.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/array_layout.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {
namespace {

constexpr char32_t kLastCodePoint = 0x10ffff;

absl::Status CheckEnd(bool ends_with_zero) {
  if (!ends_with_zero) return absl::OkStatus();
  return absl::InvalidArgumentError("it ends with a zero, which would be taken for padding");
}

absl::Status TooLong(size_t length, size_t width, absl::string_view unit) {
  return absl::InvalidArgumentError(
      absl::StrCat("it has ", length, " ", unit, "; an element of this array holds ", width));
}

// Of valid UTF-8: every byte but those that go on with a character.
size_t CountCharacters(absl::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  }));
}

// The character that starts at `at`, which moves behind it. REQUIRES: valid UTF-8.
char32_t NextCharacter(absl::string_view utf8, size_t& at) {
  const auto lead = static_cast<unsigned char>(utf8[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  char32_t character = lead & (0x3f >> more);
  for (int i = 0; i < more; ++i) character = character << 6 | (utf8[at++] & 0x3f);
  return character;
}

void AppendUtf8(char32_t character, std::string& to) {
  const auto tail = [&](int shift) {
    to.push_back(static_cast<char>(0x80 | (character >> shift & 0x3f)));
  };
  if (character < 0x80) {
    to.push_back(static_cast<char>(character));
  } else if (character < 0x800) {
    to.push_back(static_cast<char>(0xc0 | character >> 6));
    tail(0);
  } else if (character < 0x10000) {
    to.push_back(static_cast<char>(0xe0 | character >> 12));
    tail(6), tail(0);
  } else {
    to.push_back(static_cast<char>(0xf0 | character >> 18));
    tail(12), tail(6), tail(0);
  }
}

absl::Status InItem(size_t index, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("item ", index, ": ", status.message()));
}

// An array of `type`, each element written by `write(item, its place)`.
template <typename Write>
absl::StatusOr<AnyNdArray> MakeArray(ElementType type, absl::Span<const std::string> items,
                                     Write write) {
  absl::StatusOr<AnyNdArray> array = AnyNdArray::Create(type, {static_cast<int64_t>(items.size())});
  for (size_t i = 0; array.ok() && i < items.size(); ++i) {
    absl::Status status = write(items[i], array->mutable_origin() + i * type.size_bytes());
    if (!status.ok()) return InItem(i, status);
  }
  return array;
}

absl::Status CheckKind(const AnyNdArray& array, ElementType::Kind wanted, absl::string_view name) {
  if (array.element_type().kind() == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("it is an array of ", array.Describe(), ", wanted one of ", name));
}

// The elements one after the other, in memory of one's own, as units of `Unit`.
template <typename Unit>
std::vector<Unit> Gather(const AnyNdArray& array) {
  std::vector<Unit> units(array.size_bytes() / sizeof(Unit));
  CopyElements(array.layout(), array.origin(),
               ContiguousLayout(array.shape(), array.element_bytes(), Order::kRowMajor),
               reinterpret_cast<std::byte*>(units.data()), array.element_bytes());
  return units;
}

}  // namespace

absl::Status WriteFixedBytes(absl::string_view content, absl::Span<char> to) {
  if (content.size() > to.size()) return TooLong(content.size(), to.size(), "bytes");
  if (absl::Status s = CheckEnd(!content.empty() && content.back() == '\0'); !s.ok()) return s;
  const auto end = std::copy(content.begin(), content.end(), to.begin());
  std::fill(end, to.end(), '\0');
  return absl::OkStatus();
}

absl::Status WriteFixedText(absl::string_view utf8, absl::Span<char32_t> to) {
  if (!IsValidUtf8(utf8)) return absl::InvalidArgumentError("the text is not UTF-8");
  const size_t characters = CountCharacters(utf8);
  if (characters > to.size()) return TooLong(characters, to.size(), "characters");
  if (absl::Status s = CheckEnd(!utf8.empty() && utf8.back() == '\0'); !s.ok()) return s;
  auto out = to.begin();
  for (size_t at = 0; at < utf8.size();) *out++ = NextCharacter(utf8, at);
  std::fill(out, to.end(), U'\0');
  return absl::OkStatus();
}

absl::string_view ReadFixedBytes(absl::Span<const char> from) {
  size_t length = from.size();
  while (length > 0 && from[length - 1] == '\0') --length;
  return {from.data(), length};
}

absl::StatusOr<std::string> ReadFixedText(absl::Span<const char32_t> from) {
  std::string utf8;
  size_t length = 0;  // without the zeros at the end
  for (size_t i = 0; i < from.size(); ++i) {
    const char32_t character = *static_cast<const volatile char32_t*>(&from[i]);
    if (character > kLastCodePoint || (character >= 0xd800 && character < 0xe000)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "character ", i, ": ", static_cast<uint32_t>(character), " is no code point of Unicode"));
    }
    AppendUtf8(character, utf8);
    if (character != 0) length = utf8.size();
  }
  utf8.resize(length);
  return utf8;
}

absl::StatusOr<AnyNdArray> BytesArray(absl::Span<const std::string> items) {
  size_t width = 1;
  for (const std::string& item : items) width = std::max(width, item.size());
  if (width > ElementType::kMaxWidthBytes) {
    return TooLong(width, ElementType::kMaxWidthBytes, "bytes");
  }
  return MakeArray(ElementType::Bytes(width), items, [&](absl::string_view item, std::byte* to) {
    return WriteFixedBytes(item, {reinterpret_cast<char*>(to), width});
  });
}

absl::StatusOr<AnyNdArray> TextArray(absl::Span<const std::string> utf8_items) {
  size_t width = 1;
  for (const std::string& item : utf8_items) width = std::max(width, CountCharacters(item));
  if (width > ElementType::kMaxWidthBytes / sizeof(char32_t)) {
    return TooLong(width, ElementType::kMaxWidthBytes / sizeof(char32_t), "characters");
  }
  return MakeArray(ElementType::Text(width), utf8_items,
                   [&](absl::string_view item, std::byte* to) {
                     return WriteFixedText(item, {reinterpret_cast<char32_t*>(to), width});
                   });
}

absl::StatusOr<std::vector<std::string>> BytesOf(const AnyNdArray& array) {
  if (absl::Status s = CheckKind(array, ElementType::kBytes, "bytes"); !s.ok()) return s;
  const std::vector<char> all = Gather<char>(array);
  std::vector<std::string> items;
  for (size_t at = 0; at < all.size(); at += array.element_bytes()) {
    items.emplace_back(ReadFixedBytes({all.data() + at, array.element_bytes()}));
  }
  return items;
}

absl::StatusOr<std::vector<std::string>> TextsOf(const AnyNdArray& array) {
  if (absl::Status s = CheckKind(array, ElementType::kText, "text"); !s.ok()) return s;
  const std::vector<char32_t> all = Gather<char32_t>(array);
  const size_t width = array.element_bytes() / sizeof(char32_t);
  std::vector<std::string> items;
  for (size_t at = 0; at < all.size(); at += width) {
    absl::StatusOr<std::string> item = ReadFixedText({all.data() + at, width});
    if (!item.ok()) return InItem(items.size(), item.status());
    items.push_back(*std::move(item));
  }
  return items;
}

}  // namespace slabpipe
