#include "slabpipe/session/target_info.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/target_name.h"

namespace slabpipe {
namespace {

absl::Status TooLong(absl::string_view what, size_t size, size_t limit) {
  if (size <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " has ", size, " bytes, more than ", limit));
}

absl::Status CheckParameters(const TargetInfo& info) {
  if (info.parameters.size() > kMaxParameters) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", info.parameters.size(), " parameters, more than ", kMaxParameters));
  }
  absl::flat_hash_set<absl::string_view> names;
  for (const TargetInfo::Parameter& parameter : info.parameters) {
    absl::Status status = TooLong("a type's name", parameter.type.size(), kMaxTypeNameBytes);
    status.Update(TooLong("a default value", parameter.default_value.size(), kMaxTypeNameBytes));
    if (!parameter.name.empty()) status.Update(CheckParameterName(parameter.name));
    if (!status.ok()) return status;
    if (!parameter.name.empty() && !names.insert(parameter.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("it has two parameters of the name '", parameter.name, "'"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string TargetInfo::Parameter::Show() const {
  std::string text = name.empty() ? type : absl::StrCat(name, ": ", type);
  if (optional) absl::StrAppend(&text, " = ", default_value.empty() ? "..." : default_value);
  return text;
}

std::string TargetInfo::Signature() const {
  std::vector<std::string> parts;
  for (const Parameter& parameter : parameters) parts.push_back(parameter.Show());
  const std::string given = item_type.empty() ? result : absl::StrCat("stream of ", item_type);
  return absl::StrCat(name, "(", absl::StrJoin(parts, ", "), ")", given.empty() ? "" : " -> ",
                      given);
}

size_t TargetInfo::TextBytes() const {
  size_t bytes = name.size() + documentation.size() + result.size() + item_type.size();
  for (const Parameter& parameter : parameters) {
    bytes += parameter.name.size() + parameter.type.size() + parameter.default_value.size();
  }
  return bytes;
}

absl::Status CheckTargetInfo(const TargetInfo& info) {
  if (absl::Status status = CheckTargetName(info.name); !status.ok()) return status;
  absl::Status status =
      TooLong("its documentation", info.documentation.size(), kMaxDocumentationBytes);
  status.Update(TooLong("its result's type", info.result.size(), kMaxTypeNameBytes));
  status.Update(TooLong("its items' type", info.item_type.size(), kMaxTypeNameBytes));
  status.Update(CheckParameters(info));
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat("target '", info.name, "': ", status.message()));
}

std::string internal::AndSignature(const TargetInfo& info, absl::string_view error) {
  constexpr size_t kWidth = 1000;
  return absl::StrCat(error, absl::EndsWith(error, "?") ? " It is " : "; it is ",
                      CutText(info.Signature(), kWidth));
}

}  // namespace slabpipe
