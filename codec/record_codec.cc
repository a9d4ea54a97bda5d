#include "slabpipe/codec/record_codec.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_wire.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

absl::Status CheckNames(const RecordRef& record) {
  if (!IsValidUtf8(record.type_name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the record's name '", record.type_name, "' is not UTF-8"));
  }
  absl::flat_hash_set<absl::string_view> names;
  for (const absl::string_view name : record.field_names) {
    if (IsValidUtf8(name) && names.insert(name).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("field '", name, "' of '", record.type_name,
                     "' is declared twice, or its name is not UTF-8"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RecordCodec::Prepare(const RecordRef& record, Sizer& sizer) const {
  if (absl::Status status = CheckNames(record); !status.ok()) return status;
  for (size_t i = 0; i < record.field_names.size(); ++i) {
    absl::Status status =
        record.visit_field(record.object, i, [&](AnyRef model) { return sizer.AddChild(model); });
    if (!status.ok()) return InField(record.type_name, record.field_names[i], status);
  }
  return absl::OkStatus();
}

absl::Status RecordCodec::Encode(const RecordRef& record, Encoder& encoder) const {
  schemas::Record::Builder metadata = encoder.InitMetadata<schemas::Record>();
  WriteText(record.type_name, [&](unsigned bytes) { return metadata.initTypeName(bytes); });
  auto fields = metadata.initFields(static_cast<unsigned>(record.field_names.size()));
  for (unsigned i = 0; i < fields.size(); ++i) {
    const absl::string_view name = record.field_names[i];
    WriteText(name, [&](unsigned bytes) { return fields[i].initName(bytes); });
    absl::Status status = record.visit_field(record.object, i, [&](AnyRef model) {
      return encoder.EncodeChild(model, fields[i].initPayload());
    });
    if (!status.ok()) return InField(record.type_name, name, status);
  }
  return absl::OkStatus();
}

absl::StatusOr<DynamicRecord> RecordCodec::Decode(Decoder& decoder) const {
  const schemas::Record::Reader metadata = decoder.ReadMetadata<schemas::Record>();
  absl::StatusOr<std::string> type_name = ReadName(metadata.getTypeName(), "typeName");
  if (!type_name.ok()) return type_name.status();
  DynamicRecord record = {.type_name = *std::move(type_name), .fields = {}};
  absl::flat_hash_set<std::string> names;
  for (const schemas::Record::Field::Reader field : metadata.getFields()) {
    absl::StatusOr<std::string> name = ReadName(field.getName(), "a field's name");
    if (!name.ok()) return name.status();
    if (!names.insert(*name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("record '", record.type_name, "' has a field '", *name, "' twice"));
    }
    absl::StatusOr<Object> value = decoder.DecodeChild(field.getPayload());
    if (!value.ok()) return InField(record.type_name, *name, value.status());
    record.fields.emplace_back(*std::move(name), *std::move(value));
  }
  return record;
}

}  // namespace slabpipe
