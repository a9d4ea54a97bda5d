#include "slabpipe/session/environment.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/json_pointer.h"

namespace slabpipe {
namespace {

constexpr size_t kMaxNameBytes = 64;

absl::Status Wrong(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, " ", what));
}

// The kernel and the C library end a text at its first NUL.
absl::Status CheckText(absl::string_view where, absl::string_view text) {
  if (!absl::StrContains(text, '\0')) return absl::OkStatus();
  return Wrong(where, "has a NUL character in it, which no program would see");
}

absl::Status CheckWord(absl::string_view where, const std::optional<std::string>& text) {
  if (!text.has_value()) return absl::OkStatus();
  if (text->empty()) return Wrong(where, "is empty; it is left out for that of the session");
  return CheckText(where, *text);
}

absl::Status CheckTexts(absl::string_view where,
                        const std::optional<std::vector<std::string>>& texts) {
  return texts.has_value() ? ValidateTexts(where, *texts) : absl::OkStatus();
}

absl::Status CheckTargets(const std::optional<std::vector<std::string>>& targets) {
  constexpr absl::string_view kWhere = "/start_up_targets";
  absl::Status status = CheckTexts(kWhere, targets);
  for (size_t i = 0; targets.has_value() && i < targets->size(); ++i) {
    if ((*targets)[i].empty()) {
      status.Update(
          Wrong(absl::StrCat(kWhere, "/", i), "is empty; it is a target's name: module.function"));
    }
  }
  return status;
}

absl::Status At(absl::string_view where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(where, status.message()));
}

}  // namespace

absl::Status ValidateTexts(absl::string_view where, const std::vector<std::string>& texts) {
  absl::Status status;
  for (size_t i = 0; i < texts.size(); ++i) {
    status.Update(CheckText(absl::StrCat(where, "/", i), texts[i]));
  }
  return status;
}

absl::Status ValidateVariables(absl::string_view where, const EnvironmentChanges& variables) {
  for (const auto& [name, value] : variables) {
    const std::string place = JsonPointer(where, name);
    if (name.empty() || absl::StrContains(name, '=')) {
      return Wrong(place, "is no name of a variable: that has one character at least, and no '='");
    }
    if (name == kDescriptorVariable) return Wrong(place, "is slabpipe's own; it can't be changed");
    absl::Status status = CheckText(place, name);
    status.Update(CheckText(place, value.value_or("")));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ValidateEnvironmentName(absl::string_view name) {
  const bool right = !name.empty() && name.size() <= kMaxNameBytes &&
                     absl::ascii_isalnum(static_cast<unsigned char>(name[0])) &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
                     });
  if (right) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "'", absl::CHexEscape(name), "' is no name of an environment: that has 1 to ", kMaxNameBytes,
      " letters, digits, '.', '_' or '-', the first of them a letter or a digit"));
}

absl::Status Environment::Validate() const {
  absl::Status status = At("/name: ", ValidateEnvironmentName(name));
  status.Update(CheckWord("/program", program));
  status.Update(CheckTexts("/arguments", arguments));
  status.Update(ValidateVariables("/variables", variables));
  status.Update(CheckWord("/working_directory", working_directory));
  status.Update(CheckTargets(start_up_targets));
  status.Update(At("/limits/", ValidateLimits(limits)));
  if (niceness.has_value()) status.Update(At("/", ValidateNiceness(*niceness)));
  return status;
}

}  // namespace slabpipe
