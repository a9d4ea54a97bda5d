#include "slabpipe/session/function.h"

#include "absl/strings/match.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {
namespace {

// Whether "wants int, got text" says all that the error of converting a small value says.
bool SaysNoMore(const Object& got, const absl::Status& why) {
  const Value* value = got.get<Value>();
  return value != nullptr && value->list() == nullptr && value->map() == nullptr &&
         absl::StartsWith(why.message(), "it is ");
}

}  // namespace

std::string internal::InArgument(size_t index, absl::Span<const std::string> names) {
  const bool named = index < names.size() && !names[index].empty();
  return named ? absl::StrCat("parameter '", names[index], "'")
               : absl::StrCat("argument ", index + 1);
}

absl::Status internal::WrongArgument(absl::string_view wanted, const Object& got,
                                     const absl::Status& why) {
  std::string text = absl::StrCat("wants ", wanted, ", got ", DescribeObject(got));
  if (!SaysNoMore(got, why)) absl::StrAppend(&text, ": ", why.message());
  return absl::Status(why.code(), text);
}

}  // namespace slabpipe
