// JsonPointer: where something is in a JSON text (RFC 6901).

#ifndef SLABPIPE_SESSION_JSON_POINTER_H_
#define SLABPIPE_SESSION_JSON_POINTER_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

// JsonPointer("/variables", "a/b") is "/variables/a~1b".
inline std::string JsonPointer(absl::string_view parent, absl::string_view key) {
  return absl::StrCat(parent, "/", absl::StrReplaceAll(key, {{"~", "~0"}, {"/", "~1"}}));
}

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_JSON_POINTER_H_
