#include "slabpipe/session/function.h"

namespace slabpipe {

std::string internal::InArgument(size_t index, absl::Span<const std::string> names) {
  const bool named = index < names.size() && !names[index].empty();
  return absl::StrCat("argument ", index + 1, named ? absl::StrCat(" ('", names[index], "')") : "");
}

}  // namespace slabpipe
