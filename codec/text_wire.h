// WriteText: any text into a message.
//
//   WriteText(target, [&](unsigned bytes) { return request.initTarget(bytes); });
//
// Cap'n Proto's setters want texts that end with a NUL, which a part of a longer one does not.

#ifndef SLABPIPE_CODEC_TEXT_WIRE_H_
#define SLABPIPE_CODEC_TEXT_WIRE_H_

#include <capnp/blob.h>

#include <algorithm>

#include "absl/strings/string_view.h"

namespace slabpipe {

// `init` makes the message's text, of so many bytes.
template <typename Init>
void WriteText(absl::string_view text, Init init) {
  capnp::Text::Builder out = init(static_cast<unsigned>(text.size()));
  std::copy(text.begin(), text.end(), out.begin());
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_TEXT_WIRE_H_
