// Text in columns on a terminal.

#ifndef SLABPIPE_CODEC_TEXT_WIDTH_H_
#define SLABPIPE_CODEC_TEXT_WIDTH_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace slabpipe {

// How many places it takes: a character each, of UTF-8. (Wide and combining ones are not known.)
size_t TextWidth(absl::string_view text);

// The text in one line of at most `width` places, cut with "..." if it is longer; line breaks and
// other control characters, and bytes that are not UTF-8, as escapes.
std::string PrintableText(absl::string_view text, size_t width);

// The same, whole, but for backslashes, which stay as they are: for texts from elsewhere that are
// shown again and again. SafeText keeps line breaks and tabs, too.
std::string SafeLine(absl::string_view text);
std::string SafeText(absl::string_view text);

// A line that is printable already, cut in the same way.
std::string CutText(absl::string_view line, size_t width);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_TEXT_WIDTH_H_
