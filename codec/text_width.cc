#include "slabpipe/codec/text_width.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {
namespace {

bool BeginsCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

// The first bytes of the text that take `width` places.
absl::string_view FirstPlaces(absl::string_view text, size_t width) {
  size_t places = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (BeginsCharacter(text[i]) && places++ == width) return text.substr(0, i);
  }
  return text;
}

// The first places of the line, and how it is told that there was more.
std::string WithCut(absl::string_view line, size_t width) {
  constexpr absl::string_view kCut = "...";
  const size_t kept = width > kCut.size() ? width - kCut.size() : 0;
  return absl::StrCat(FirstPlaces(line, kept), kCut.substr(0, std::min(width, kCut.size())));
}

// Bytes of a character at the beginning of `text` that is none to be shown: a control character of
// ISO 6429's second set (U+0080 to U+009F), a break of lines (U+2028, U+2029), or one that turns
// the direction of what follows (U+202A to U+202E, U+2066 to U+2069). 0 if it is another.
size_t HiddenBytes(absl::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) return 2;
  if (byte(0) != 0xe2) return 0;
  if (byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae) return 3;
  return byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9 ? 3 : 0;
}

// The text, with escapes for what could harm a terminal or break the line. Of ASCII, `kept` stays
// in any case and `escaped` does not.
std::string Escape(absl::string_view text, absl::string_view kept, absl::string_view escaped) {
  std::string line;
  const bool utf8 = IsValidUtf8(text);
  size_t hidden = 0;  // so many of the bytes to come
  for (size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (utf8 && hidden == 0) hidden = HiddenBytes(text.substr(i));
    const bool plain = (byte >= ' ' && byte <= '~' && !absl::StrContains(escaped, byte)) ||
                       absl::StrContains(kept, byte);
    if (hidden == 0 && (plain || (utf8 && (byte & 0x80) != 0))) {
      line += byte;
    } else {
      absl::StrAppend(&line, absl::CEscape(absl::string_view(&byte, 1)));
      if (hidden > 0) --hidden;
    }
  }
  return line;
}

}  // namespace

size_t TextWidth(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

std::string PrintableText(absl::string_view text, size_t width) {
  constexpr size_t kMostBytes = 4;  // of a character
  // SUBTLE: bytes that only go on a character take no place, but are shown as escapes.
  absl::string_view beginning = text;
  if (width < text.size() / kMostBytes) {
    beginning = FirstPlaces(text.substr(0, kMostBytes * (width + 1)), width + 1);
  }
  const std::string line = Escape(beginning, "", "\\");
  if (TextWidth(line) <= width && beginning.size() == text.size()) return line;
  return WithCut(line, width);
}

std::string SafeLine(absl::string_view text) { return Escape(text, "", ""); }
std::string SafeText(absl::string_view text) { return Escape(text, "\n\t", ""); }

std::string CutText(absl::string_view line, size_t width) {
  return TextWidth(line) <= width ? std::string(line) : WithCut(line, width);
}

}  // namespace slabpipe
