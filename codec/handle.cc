#include "slabpipe/codec/handle.h"

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

constexpr size_t kMaxTypeNameBytes = 1024;
// What ToString shows of either, in characters.
constexpr size_t kMostShown = 100;

// At most `most` bytes, without a part of a character at the end.
absl::string_view CutBetweenCharacters(absl::string_view text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && most - end < 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

namespace internal {

HandleState::HandleState(absl::string_view type_name, absl::string_view text)
    : type_name_(CutBetweenCharacters(type_name, kMaxTypeNameBytes)),
      text_(CutBetweenCharacters(text, kMaxHandleTextBytes)) {}

std::string HandleState::ToString() const {
  const std::string type = PrintableText(type_name_, kMostShown);
  if (text_.empty()) return type;
  return absl::StrCat(type, " (", PrintableText(text_, kMostShown), ")");
}

absl::Status CheckHandleType(const Handle<>& handle, TypeId wanted) {
  if (absl::Status fresh = handle.status(); !fresh.ok()) return fresh;
  const KeptObject* kept = handle.state()->kept();
  if (kept == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is a handle of ", handle.ToString(),
                     ", which lives in another process: it can be passed to functions there"));
  }
  if (kept->type() == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("it is a handle of ", handle.ToString(), ", wanted one of ", wanted.name()));
}

}  // namespace internal

absl::string_view Handle<>::type_name() const {
  return state_ == nullptr ? absl::string_view() : state_->type_name();
}

absl::string_view Handle<>::text() const {
  return state_ == nullptr ? absl::string_view() : state_->text();
}

absl::Status Handle<>::status() const {
  if (state_ != nullptr) return state_->status();
  return absl::FailedPreconditionError("it is a handle of no object");
}

std::string Handle<>::ToString() const {
  return state_ == nullptr ? "no object" : state_->ToString();
}

}  // namespace slabpipe
