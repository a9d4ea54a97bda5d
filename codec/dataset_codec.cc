#include "slabpipe/codec/dataset_codec.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

using Group = schemas::Dataset::Group;
using Variable = schemas::Dataset::Variable;
using Variables = std::deque<DatasetVariable>;

absl::Status InVariable(absl::string_view group, absl::string_view variable,
                        const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("variable '", variable, "' of group '", group,
                                                  "': ", status.message()));
}

// A message costs its sender little for each group, and each is looked up among all.
constexpr unsigned kMaxGroups = 4096;

capnp::Text::Reader ToText(const std::string& text) { return {text.c_str(), text.size()}; }

absl::Status CheckName(absl::string_view name) {
  if (IsValidUtf8(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the name '", name, "' is not UTF-8"));
}

absl::Status CheckAttributes(const ValueMap& attributes) { return CheckValue(Value(attributes)); }

absl::Status PrepareVariable(const DatasetVariable& variable, Sizer& sizer) {
  absl::Status status = CheckName(variable.name);
  for (const std::string& dimension : variable.dimensions) status.Update(CheckName(dimension));
  status.Update(CheckAttributes(variable.attributes));
  if (!status.ok()) return status;
  return std::visit([&](const auto& data) { return sizer.AddChild(data); }, variable.data);
}

absl::Status EncodeVariable(const DatasetVariable& variable, Encoder& encoder,
                            Variable::Builder out) {
  out.setName(ToText(variable.name));
  auto dimensions = out.initDimensions(static_cast<unsigned>(variable.dimensions.size()));
  for (unsigned i = 0; i < dimensions.size(); ++i) {
    dimensions.set(i, ToText(variable.dimensions[i]));
  }
  if (!variable.attributes.empty()) WriteValue(variable.attributes, out.initAttributes());
  return std::visit([&](const auto& data) { return encoder.EncodeChild(data, out.initData()); },
                    variable.data);
}

absl::Status EncodeVariables(const Variables& variables, const std::string& group, Encoder& encoder,
                             capnp::List<Variable>::Builder out) {
  for (unsigned i = 0; i < out.size(); ++i) {
    absl::Status status = EncodeVariable(variables[i], encoder, out[i]);
    if (!status.ok()) return InVariable(group, variables[i].name, status);
  }
  return absl::OkStatus();
}

absl::StatusOr<ValueMap> ReadAttributes(schemas::Value::Reader in) {
  absl::StatusOr<Value> value = ReadValue(in);
  if (!value.ok()) return value.status();
  if (value->is_nothing()) return ValueMap();
  return value->As<ValueMap>();
}

absl::StatusOr<std::variant<AnyNdArray, Labels>> ReadData(Decoder& decoder,
                                                          schemas::Payload::Reader in) {
  absl::StatusOr<Object> object = decoder.DecodeChild(in);
  if (!object.ok()) return object.status();
  if (const AnyNdArray* array = object->get<AnyNdArray>()) return *array;
  absl::StatusOr<Labels> labels = Binding<Labels>::Make(*object);
  if (labels.ok()) return *std::move(labels);
  return WrongModel(*object, "an array, or a list of texts");
}

absl::Status ReadVariable(Decoder& decoder, Variable::Reader in, bool coordinate,
                          DatasetGroup& group) {
  DatasetVariable variable;
  absl::StatusOr<std::string> name = ReadName(in.getName(), "a variable's name");
  if (!name.ok()) return name.status();
  variable.name = *std::move(name);
  for (const capnp::Text::Reader text : in.getDimensions()) {
    absl::StatusOr<std::string> dimension = ReadName(text, "a dimension's name");
    if (!dimension.ok()) return InVariable(group.name(), variable.name, dimension.status());
    variable.dimensions.push_back(*std::move(dimension));
    if (variable.dimensions.size() > kMaxRank) {
      return InVariable(group.name(), variable.name,
                        absl::InvalidArgumentError("it has too many dimensions"));
    }
  }
  absl::StatusOr<ValueMap> attributes = ReadAttributes(in.getAttributes());
  if (!attributes.ok()) return InVariable(group.name(), variable.name, attributes.status());
  variable.attributes = *std::move(attributes);
  auto data = ReadData(decoder, in.getData());
  if (!data.ok()) return InVariable(group.name(), variable.name, data.status());
  variable.data = *std::move(data);
  return group.Add(coordinate, std::move(variable));
}

absl::Status ReadGroup(Decoder& decoder, Group::Reader in, absl::flat_hash_set<std::string>& names,
                       Dataset& dataset) {
  absl::StatusOr<std::string> name = ReadName(in.getName(), "a group's name");
  if (!name.ok()) return name.status();
  if (!names.insert(*name).second) {
    return absl::InvalidArgumentError(absl::StrCat("group '", *name, "' comes twice"));
  }
  DatasetGroup& group = dataset.AddGroup(*name);
  absl::StatusOr<ValueMap> attributes = ReadAttributes(in.getAttributes());
  if (!attributes.ok()) return attributes.status();
  group.attributes() = *std::move(attributes);
  for (const Variable::Reader variable : in.getCoordinates()) {
    if (absl::Status s = ReadVariable(decoder, variable, true, group); !s.ok()) return s;
  }
  for (const Variable::Reader variable : in.getVariables()) {
    if (absl::Status s = ReadVariable(decoder, variable, false, group); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DatasetCodec::Prepare(const Dataset& dataset, Sizer& sizer) const {
  if (dataset.groups().size() > kMaxGroups) {
    return absl::InvalidArgumentError(
        absl::StrCat("a dataset has at most ", kMaxGroups, " groups"));
  }
  absl::Status status = CheckAttributes(dataset.attributes());
  for (const DatasetGroup& group : dataset.groups()) {
    status.Update(CheckName(group.name()));
    status.Update(CheckAttributes(group.attributes()));
    if (!status.ok()) return status;
    for (const Variables* variables : {&group.coordinates(), &group.variables()}) {
      for (const DatasetVariable& variable : *variables) {
        absl::Status prepared = PrepareVariable(variable, sizer);
        if (!prepared.ok()) return InVariable(group.name(), variable.name, prepared);
      }
    }
  }
  return status;
}

absl::Status DatasetCodec::Encode(const Dataset& dataset, Encoder& encoder) const {
  schemas::Dataset::Builder out = encoder.InitMetadata<schemas::Dataset>();
  if (!dataset.attributes().empty()) WriteValue(dataset.attributes(), out.initAttributes());
  auto groups = out.initGroups(static_cast<unsigned>(dataset.groups().size()));
  for (unsigned i = 0; i < groups.size(); ++i) {
    const DatasetGroup& group = dataset.groups()[i];
    groups[i].setName(ToText(group.name()));
    if (!group.attributes().empty()) WriteValue(group.attributes(), groups[i].initAttributes());
    absl::Status status = EncodeVariables(
        group.coordinates(), group.name(), encoder,
        groups[i].initCoordinates(static_cast<unsigned>(group.coordinates().size())));
    if (!status.ok()) return status;
    status =
        EncodeVariables(group.variables(), group.name(), encoder,
                        groups[i].initVariables(static_cast<unsigned>(group.variables().size())));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Dataset> DatasetCodec::Decode(Decoder& decoder) const {
  const schemas::Dataset::Reader metadata = decoder.ReadMetadata<schemas::Dataset>();
  Dataset dataset;
  absl::StatusOr<ValueMap> attributes = ReadAttributes(metadata.getAttributes());
  if (!attributes.ok()) return attributes.status();
  dataset.attributes() = *std::move(attributes);
  if (metadata.getGroups().size() > kMaxGroups) {
    return absl::InvalidArgumentError(absl::StrCat("groups: more than ", kMaxGroups));
  }
  absl::flat_hash_set<std::string> names;
  for (const Group::Reader group : metadata.getGroups()) {
    if (absl::Status status = ReadGroup(decoder, group, names, dataset); !status.ok())
      return status;
  }
  return dataset;
}

}  // namespace slabpipe
