#include "slabpipe/session/stack_text.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {

void AppendFrames(std::string& text, const std::vector<std::string>& frames) {
  bool first = true;
  for (const std::string& frame : frames) {
    if (!first && absl::StartsWith(frame, "slabpipe::internal::FunctionMaker<")) return;
    absl::StrAppend(&text, "\n    ", SafeLine(frame));
    first = false;
  }
}

}  // namespace slabpipe
