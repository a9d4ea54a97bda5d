#include "slabpipe/codec/record.h"

#include <algorithm>

#include "absl/strings/str_join.h"

namespace slabpipe::internal {
namespace {

std::string FieldList(const DynamicRecord& record) {
  return absl::StrJoin(record.fields, ", ", [](std::string* out, const auto& field) {
    absl::StrAppend(out, field.first);
  });
}

}  // namespace

absl::Status CheckRecord(const DynamicRecord& record, absl::string_view type_name,
                         absl::Span<const absl::string_view> field_names, UnknownFields* unknown) {
  if (record.type_name != type_name) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is a record '", record.type_name, "', wanted '", type_name, "'"));
  }
  for (const auto& [name, value] : record.fields) {
    if (std::find(field_names.begin(), field_names.end(), name) != field_names.end()) continue;
    if (unknown == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("record '", type_name, "' came with a field '", name, "'; here it has ",
                       absl::StrJoin(field_names, ", "), ", there ", FieldList(record),
                       ": are both sides of the same version?"));
    }
    unknown->fields.emplace_back(name, value);
  }
  return absl::OkStatus();
}

absl::Status MissingField(const DynamicRecord& record, absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat("record '", record.type_name,
                                                 "' came without its field '", name, "'; it has ",
                                                 FieldList(record)));
}

}  // namespace slabpipe::internal
