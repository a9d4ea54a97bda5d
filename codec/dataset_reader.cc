#include "slabpipe/codec/dataset_reader.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/codec_limits.h"
#include "slabpipe/codec/column_wire.h"
#include "slabpipe/codec/ndarray_wire.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

using Group = schemas::Dataset::Group;
using Variable = schemas::Dataset::Variable;

absl::Status NoSuch(absl::string_view field, uint64_t number, size_t size) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": number ", number, " of ", size));
}

}  // namespace

class DatasetReader::GroupReader {
 public:
  GroupReader(DatasetReader& dataset, Group::Reader in, DatasetGroup& group)
      : dataset_(dataset), decoder_(dataset.decoder_), in_(in), group_(group) {}

  absl::Status Read();

 private:
  // What a schemas::Dataset::Form says, its element type not yet checked.
  struct Form {
    Dimensions dimensions;
    Extents shape;
    unsigned element_kind;
    uint64_t element_bytes;
  };

  absl::Status ReadDimensions();
  absl::Status ReadVariables(capnp::List<Variable>::Reader in, bool coordinates);
  absl::Status ReadVariable(Variable::Reader in, bool coordinate);
  absl::StatusOr<const Form*> FormAt(size_t number);
  absl::StatusOr<Form> ReadForm(schemas::Dataset::Form::Reader in);
  absl::Status CountNames(capnp::List<uint32_t>::Reader numbers);
  absl::StatusOr<VariableData> ReadData(Variable::Reader in, const Form& form);
  absl::StatusOr<VariableData> ReadArray(Variable::Reader in, const Form& form);
  absl::StatusOr<VariableData> ReadColumn(uint64_t number, const Form& form) const;

  DatasetReader& dataset_;
  Decoder& decoder_;
  const Group::Reader in_;
  DatasetGroup& group_;
  std::vector<DatasetDimension> dimensions_;
  capnp::List<schemas::Dataset::Form>::Reader wire_forms_;
  std::vector<std::optional<Form>> forms_;  // those that were asked for
};

absl::Status DatasetReader::GroupReader::Read() {
  absl::Status status = ReadAttributes(in_.getAttributes(), group_.attributes());
  if (status.ok()) status = ReadDimensions();
  if (!status.ok()) return status;
  wire_forms_ = in_.getForms();
  status = decoder_.CountParts(wire_forms_.size());
  if (!status.ok()) return InContext("forms", status);
  forms_.resize(wire_forms_.size());
  status = ReadVariables(in_.getCoordinates(), true);
  if (status.ok()) status = ReadVariables(in_.getVariables(), false);
  group_.OrderDimensions(dimensions_);
  return status;
}

absl::Status DatasetReader::GroupReader::ReadDimensions() {
  const auto list = in_.getDimensions();
  if (absl::Status status = decoder_.CountParts(list.size()); !status.ok()) {
    return InContext("dimensions", status);
  }
  absl::flat_hash_set<std::string> names;
  for (const schemas::Dataset::Dimension::Reader in : list) {
    absl::StatusOr<std::string> name = ReadName(in.getName(), "a dimension's name");
    if (!name.ok()) return name.status();
    if (!names.insert(*name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("dimensions: the name '", internal::NameInError(*name), "' comes twice"));
    }
    if (name->size() > kMaxDimensionNameBytes) {
      return absl::InvalidArgumentError(absl::StrCat("dimensions: a name of ", name->size(),
                                                     " bytes, at most ", kMaxDimensionNameBytes));
    }
    if (in.getExtent() < 0) {
      return absl::InvalidArgumentError(absl::StrCat("dimension '", internal::NameInError(*name),
                                                     "': extent ", in.getExtent(), " is negative"));
    }
    dimensions_.push_back({.name = *std::move(name), .extent = in.getExtent()});
  }
  return absl::OkStatus();
}

absl::Status DatasetReader::GroupReader::ReadVariables(capnp::List<Variable>::Reader in,
                                                       bool coordinates) {
  if (absl::Status status = decoder_.CountParts(in.size()); !status.ok()) {
    return InContext(coordinates ? "coordinates" : "variables", status);
  }
  for (const Variable::Reader variable : in) {
    if (absl::Status status = ReadVariable(variable, coordinates); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DatasetReader::GroupReader::ReadVariable(Variable::Reader in, bool coordinate) {
  DatasetVariable variable;
  absl::StatusOr<std::string> name = ReadName(in.getName(), "a variable's name");
  if (!name.ok()) return name.status();
  variable.name = *std::move(name);
  const absl::StatusOr<const Form*> form = FormAt(in.getForm());
  if (!form.ok()) return internal::InVariable(variable.name, form.status());
  variable.dimensions = (*form)->dimensions;
  if (in.hasDetails()) {
    absl::Status status = ReadAttributes(in.getDetails().getAttributes(), variable.attributes);
    if (!status.ok()) return internal::InVariable(variable.name, status);
  }
  absl::StatusOr<VariableData> data = ReadData(in, **form);
  if (!data.ok()) return internal::InVariable(variable.name, data.status());
  variable.data = *std::move(data);
  absl::Status added = group_.Add(coordinate, std::move(variable));
  // What can't be done to a group of one's own is nonsense in a message.
  return added.ok() ? added : absl::Status(absl::StatusCode::kInvalidArgument, added.message());
}

absl::StatusOr<const DatasetReader::GroupReader::Form*> DatasetReader::GroupReader::FormAt(
    size_t number) {
  if (number >= forms_.size()) return NoSuch("form", number, forms_.size());
  std::optional<Form>& form = forms_[number];
  if (!form.has_value()) {
    absl::StatusOr<Form> read = ReadForm(wire_forms_[static_cast<unsigned>(number)]);
    if (!read.ok()) return InContext(absl::StrCat("form ", number), read.status());
    form = *std::move(read);
  }
  return &*form;
}

// Otherwise a long name, sent once, could be copied for each of many forms.
absl::Status DatasetReader::GroupReader::CountNames(capnp::List<uint32_t>::Reader numbers) {
  for (const uint32_t number : numbers) {
    if (number >= dimensions_.size()) return NoSuch("dimensions", number, dimensions_.size());
    dataset_.name_bytes_ += dimensions_[number].name.size();
    if (dataset_.name_bytes_ > kMaxValueBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "dimensions: the names of all forms are longer than ", kMaxValueBytes, " bytes"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<DatasetReader::GroupReader::Form> DatasetReader::GroupReader::ReadForm(
    schemas::Dataset::Form::Reader in) {
  const auto numbers = in.getDimensions();
  if (numbers.size() > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("dimensions: there are ", numbers.size(), ", at most ", kMaxRank));
  }
  if (absl::Status status = CountNames(numbers); !status.ok()) return status;
  std::vector<std::string> names;
  Form form = {.dimensions = {},
               .shape = {},
               .element_kind = static_cast<unsigned>(in.getElementType()),
               .element_bytes = in.getElementBytes()};
  for (const uint32_t number : numbers) {
    names.push_back(dimensions_[number].name);
    form.shape.push_back(dimensions_[number].extent);
  }
  form.dimensions = Dimensions(std::move(names));
  return form;
}

absl::StatusOr<VariableData> DatasetReader::GroupReader::ReadData(Variable::Reader in,
                                                                  const Form& form) {
  const auto data = in.getData();
  if (data.which() > Variable::Data::COLUMN) {
    return absl::InvalidArgumentError(
        absl::StrCat("data: unknown kind ", static_cast<int>(data.which())));
  }
  return data.isColumn() ? ReadColumn(data.getColumn(), form) : ReadArray(in, form);
}

absl::StatusOr<VariableData> DatasetReader::GroupReader::ReadColumn(uint64_t number,
                                                                    const Form& form) const {
  if (number >= dataset_.columns_.size()) {
    return NoSuch("column", number, dataset_.columns_.size());
  }
  return ShapedColumn(dataset_.columns_[number].values, form.shape);
}

absl::StatusOr<VariableData> DatasetReader::GroupReader::ReadArray(Variable::Reader in,
                                                                   const Form& form) {
  const absl::StatusOr<ElementType> type =
      ElementType::FromWire(form.element_kind, form.element_bytes);
  if (!type.ok()) return type.status();
  const size_t element_bytes = type->size_bytes();
  if (absl::Status status = CheckShape(form.shape, element_bytes); !status.ok()) return status;
  const auto data = in.getData();
  uint64_t byte_offset = 0;
  ArrayLayout layout;
  if (data.isStrided()) {
    byte_offset = data.getStrided();
    layout.shape = form.shape;
    const auto strides = in.getDetails().getStrides();
    if (strides.size() != form.shape.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("strides: ", strides.size(), " for ", form.shape.size(), " dimensions"));
    }
    for (const int64_t stride : strides) layout.strides.push_back(stride);
  } else {
    byte_offset = data.isRowMajor() ? data.getRowMajor() : data.getColumnMajor();
    layout = ContiguousLayout(form.shape, element_bytes,
                              data.isRowMajor() ? Order::kRowMajor : Order::kColumnMajor);
  }
  absl::StatusOr<Buffer> block = Buffer();
  if (ElementCount(form.shape) > 0) block = dataset_.BlockBuffer(in.getBlock());
  if (!block.ok()) return block.status();
  absl::StatusOr<AnyNdArray> array =
      ArrayInBlock(*type, std::move(layout), byte_offset, *std::move(block));
  if (!array.ok()) return array.status();
  return *std::move(array);
}

absl::StatusOr<Buffer> DatasetReader::BlockBuffer(size_t block) {
  if (block >= decoder_.block_count()) return NoSuch("block", block, decoder_.block_count());
  if (blocks_.empty()) blocks_.resize(decoder_.block_count());
  if (!blocks_[block].has_value()) {
    absl::StatusOr<Buffer> buffer = decoder_.TakeBuffer(block);
    if (!buffer.ok()) return buffer.status();
    blocks_[block] = *std::move(buffer);
  }
  return *blocks_[block];
}

absl::Status DatasetReader::ReadGroups(schemas::Dataset::Reader in, Dataset& dataset) {
  if (absl::Status status = decoder_.CountParts(in.getGroups().size()); !status.ok()) {
    return InContext("groups", status);
  }
  for (const Group::Reader group : in.getGroups()) {
    absl::StatusOr<std::string> name = ReadName(group.getName(), "a group's name");
    if (!name.ok()) return name.status();
    if (dataset.FindGroup(*name) != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("group '", internal::NameInError(*name), "' comes twice"));
    }
    DatasetGroup& target = dataset.AddGroup(*name);
    absl::Status status = GroupReader(*this, group, target).Read();
    if (!status.ok())
      return InContext(absl::StrCat("group '", internal::NameInError(*name), "'"), status);
  }
  return absl::OkStatus();
}

absl::StatusOr<Dataset> DatasetReader::Read(schemas::Dataset::Reader in) {
  Dataset dataset;
  absl::Status status = ReadAttributes(in.getAttributes(), dataset.attributes());
  if (!status.ok()) return status;
  if (in.hasColumns()) {
    absl::StatusOr<std::vector<TableColumn>> columns = DecodeColumns(decoder_, in.getColumns(), -1);
    if (!columns.ok()) return InContext("columns", columns.status());
    columns_ = *std::move(columns);
  }
  status = ReadGroups(in, dataset);
  if (!status.ok()) return status;
  return dataset;
}

}  // namespace slabpipe
