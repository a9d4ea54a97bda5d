// The end of a text, as what is shown of stderr.
//
//   absl::string_view shown = LastLines(text, size_t{4} << 10);

#ifndef SLABPIPE_SESSION_LAST_LINES_H_
#define SLABPIPE_SESSION_LAST_LINES_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace slabpipe {

// The last whole lines, and what stands behind the last newline, at most so many bytes together; of
// a longer last line, its end. A part of `text`.
inline absl::string_view LastLines(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  // From the first line that begins inside the limit on.
  const size_t begin = text.size() - max_bytes;
  const size_t end_of_line = text.find('\n', begin - 1);
  const bool whole = end_of_line != absl::string_view::npos && end_of_line + 1 < text.size();
  return text.substr(whole ? end_of_line + 1 : begin);
}

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_LAST_LINES_H_
