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

}  // namespace

size_t TextWidth(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

std::string PrintableText(absl::string_view text, size_t width) {
  constexpr absl::string_view kCut = "...";
  // A character has at most four bytes: what is behind these is not shown anyhow.
  const absl::string_view beginning = width < text.size() / 4 ? FirstPlaces(text, width + 1) : text;
  std::string line =
      IsValidUtf8(beginning) ? absl::Utf8SafeCEscape(beginning) : absl::CEscape(beginning);
  // Only what would break the line is to be escaped.
  for (const auto& [escaped, plain] : {std::pair("\\\"", "\""), std::pair("\\'", "'")}) {
    for (size_t at = line.find(escaped); at != std::string::npos; at = line.find(escaped, at + 1)) {
      line.replace(at, 2, plain);
    }
  }
  if (TextWidth(line) <= width) return line;
  const size_t kept = width > kCut.size() ? width - kCut.size() : 0;
  return absl::StrCat(FirstPlaces(line, kept), kCut.substr(0, std::min(width, kCut.size())));
}

}  // namespace slabpipe
