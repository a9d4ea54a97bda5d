#include "slabpipe/codec/text_width.h"

#include <algorithm>

#include "absl/strings/escaping.h"
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
  std::string line;
  const bool utf8 = IsValidUtf8(beginning);
  for (const char byte : beginning) {
    // Only what would break the line is to be escaped.
    const bool plain = (byte >= ' ' && byte <= '~' && byte != '\\') || (utf8 && (byte & 0x80) != 0);
    if (plain) {
      line += byte;
    } else {
      absl::StrAppend(&line, absl::CEscape(absl::string_view(&byte, 1)));
    }
  }
  if (TextWidth(line) <= width && beginning.size() == text.size()) return line;
  return WithCut(line, width);
}

std::string CutText(absl::string_view line, size_t width) {
  return TextWidth(line) <= width ? std::string(line) : WithCut(line, width);
}

}  // namespace slabpipe
