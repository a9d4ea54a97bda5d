#include "slabpipe/session/remote_error.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/stack_text.h"
#include "slabpipe/session/status_detail.h"

namespace slabpipe {
namespace {

// What of the causes the text of a status shows. The value has them all.
constexpr size_t kMostShownCauses = 32;
constexpr size_t kMostShownBytes = 4096;
// Of a target's name: no worker has one that is longer.
constexpr size_t kMostShownNameBytes = 255;

// Cut between characters of UTF-8.
absl::string_view Beginning(absl::string_view text) {
  if (text.size() <= kMostShownBytes) return text;
  size_t end = kMostShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

constexpr absl::string_view kName = "slabpipe.RemoteError";

}  // namespace

RemoteError ToRemoteError(const absl::Status& status) {
  return {.code = status.code(), .message = std::string(status.message())};
}

// What the worker says goes to a terminal sooner or later.
absl::Status ToStatus(const RemoteError& error, absl::string_view target) {
  const std::string name = PrintableText(target, kMostShownNameBytes);  // may be anything
  std::string text = absl::StrCat(name, ": ");
  if (!error.type.empty()) absl::StrAppend(&text, SafeLine(error.type), ": ");
  absl::StrAppend(&text, SafeText(error.message));
  size_t shown = 0;
  for (const RemoteError::Cause& cause : error.causes) {
    if (shown++ == kMostShownCauses) {
      absl::StrAppend(&text, "\n  and ", error.causes.size() - kMostShownCauses, " more");
      break;
    }
    absl::StrAppend(&text, "\n  caused by ", SafeLine(cause.type), cause.type.empty() ? "" : ": ",
                    SafeText(Beginning(cause.message)));
    if (!cause.traceback.empty()) {
      absl::StrAppend(&text, ", thrown at ", SafeLine(cause.traceback[0]));
    }
  }
  if (!error.traceback.empty()) absl::StrAppend(&text, "\n  thrown in the worker at");
  AppendFrames(text, error.traceback);
  absl::Status status(error.code, text);
  SetStatusDetail(status, kName, name, error);
  return status;
}

std::optional<RemoteError> GetRemoteError(const absl::Status& status) {
  const std::shared_ptr<const RemoteError> error = GetStatusDetail<RemoteError>(status, kName);
  return error == nullptr ? std::nullopt : std::make_optional(*error);
}

}  // namespace slabpipe
