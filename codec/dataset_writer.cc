#include "slabpipe/codec/dataset_writer.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

capnp::Text::Reader ToText(const std::string& text) { return {text.c_str(), text.size()}; }

// The elements without gaps, to where they are sent from.
void CopyTo(const AnyNdArray& array, const ArrayLayout& packed, std::byte* to) {
  if (array.size() == 1) {
    std::memcpy(to, array.origin(), array.size_bytes());
  } else {
    CopyElements(array.layout(), array.origin(), packed, to, array.element_bytes());
  }
}

}  // namespace

// What the variables of a group have in common: dimensions, and the type of elements. Each such
// form once.
class DatasetWriter::Forms {
 public:
  explicit Forms(const DatasetGroup& group) {
    for (const DatasetDimension& dimension : group.dimensions()) {
      dimension_numbers_.emplace(dimension.name, dimension_numbers_.size());
    }
    numbers_.reserve(group.coordinates().size() + group.variables().size());
    ForEachVariable(group, [this](const DatasetVariable& variable) { Add(variable); });
  }

  // One a variable, in order.
  const std::vector<uint32_t>& numbers() const { return numbers_; }

  void Write(schemas::Dataset::Group::Builder out) const {
    auto forms = out.initForms(static_cast<unsigned>(forms_.size()));
    for (unsigned i = 0; i < forms.size(); ++i) {
      const Form& form = forms_[i];
      if (!form.dimensions.empty()) {
        auto list = forms[i].initDimensions(static_cast<unsigned>(form.dimensions.size()));
        for (unsigned k = 0; k < list.size(); ++k) list.set(k, form.dimensions[k]);
      }
      forms[i].setElementType(static_cast<schemas::ElementType>(form.element_kind));
      forms[i].setElementBytes(form.element_bytes);
    }
  }

 private:
  struct Form {
    absl::InlinedVector<uint32_t, 4> dimensions;
    uint32_t element_kind = 0;
    uint32_t element_bytes = 0;  // of those of a fixed width

    friend bool operator==(const Form&, const Form&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Form& form) {
      return H::combine(std::move(h), form.dimensions, form.element_kind, form.element_bytes);
    }
  };

  void Add(const DatasetVariable& variable) {
    Form form;
    if (const AnyNdArray* array = variable.array()) {
      const ElementType type = array->element_type();
      form.element_kind = type.kind();
      if (type.has_fixed_width()) form.element_bytes = static_cast<uint32_t>(type.size_bytes());
    }
    for (const std::string& name : variable.dimensions) {
      form.dimensions.push_back(static_cast<uint32_t>(dimension_numbers_.at(name)));
    }
    const auto [known, fresh] = index_.emplace(form, static_cast<uint32_t>(forms_.size()));
    if (fresh) forms_.push_back(std::move(form));
    numbers_.push_back(known->second);
  }

  absl::flat_hash_map<absl::string_view, size_t> dimension_numbers_;
  std::vector<Form> forms_;
  absl::flat_hash_map<Form, uint32_t> index_;
  std::vector<uint32_t> numbers_;
};

void DatasetWriter::Write(const Dataset& dataset, schemas::Dataset::Builder out) {
  if (!dataset.attributes().empty()) WriteValue(dataset.attributes(), out.initAttributes());
  auto groups = out.initGroups(static_cast<unsigned>(dataset.groups().size()));
  for (unsigned i = 0; i < groups.size(); ++i) WriteGroup(dataset.groups()[i], groups[i]);
}

void DatasetWriter::WriteGroup(const DatasetGroup& group, schemas::Dataset::Group::Builder out) {
  out.setName(ToText(group.name()));
  if (!group.attributes().empty()) WriteValue(group.attributes(), out.initAttributes());
  auto dimensions = out.initDimensions(static_cast<unsigned>(group.dimensions().size()));
  for (unsigned i = 0; i < dimensions.size(); ++i) {
    dimensions[i].setName(ToText(group.dimensions()[i].name));
    dimensions[i].setExtent(group.dimensions()[i].extent);
  }
  const Forms forms(group);
  forms.Write(out);
  auto coordinates = out.initCoordinates(static_cast<unsigned>(group.coordinates().size()));
  auto variables = out.initVariables(static_cast<unsigned>(group.variables().size()));
  unsigned next = 0;
  ForEachVariable(group, [&](const DatasetVariable& variable) {
    const unsigned index = next++;
    const Variable::Builder place =
        index < coordinates.size() ? coordinates[index] : variables[index - coordinates.size()];
    WriteVariable(variable, forms.numbers()[index], place);
  });
}

void DatasetWriter::WriteVariable(const DatasetVariable& variable, uint32_t form,
                                  Variable::Builder out) {
  out.setName(ToText(variable.name));
  out.setForm(form);
  if (!variable.attributes.empty()) {
    WriteValue(variable.attributes, out.initDetails().initAttributes());
  }
  if (variable.array() != nullptr) {
    WriteArray(*variable.array(), out);
  } else {
    out.getData().setColumn(columns_.numbers()[next_column_++]);
  }
}

void DatasetWriter::WriteArray(const AnyNdArray& array, Variable::Builder out) {
  const DatasetArrays::Place& place = arrays_.places()[next_array_++];
  const size_t own_blocks = copies_.empty() ? 0 : 1;
  if (!array.empty()) {
    const size_t number = place.copied ? 0 : own_blocks + place.referred;
    out.setBlock(static_cast<uint16_t>(first_block_ + number));
  }
  const ArrayLayout layout =
      place.copied ? PackedLayout(array.layout(), array.element_bytes()) : array.layout();
  if (place.copied && !place.again) {
    std::byte* to = copies_.data() + place.byte_offset;
    // What lay there before is nobody's business, and equal datasets are equal bytes.
    std::memset(copies_.data() + copied_bytes_, 0, place.byte_offset - copied_bytes_);
    CopyTo(array, layout, to);
    copied_bytes_ = place.byte_offset + array.size_bytes();
    encoder_.CountCopy(array.size_bytes());
  }
  if (IsContiguous(layout, array.element_bytes(), Order::kRowMajor)) {
    out.getData().setRowMajor(place.byte_offset);
  } else if (IsContiguous(layout, array.element_bytes(), Order::kColumnMajor)) {
    out.getData().setColumnMajor(place.byte_offset);
  } else {
    out.getData().setStrided(place.byte_offset);
    auto details = out.hasDetails() ? out.getDetails() : out.initDetails();
    auto strides = details.initStrides(static_cast<unsigned>(layout.rank()));
    for (unsigned axis = 0; axis < strides.size(); ++axis) strides.set(axis, layout.strides[axis]);
  }
}

}  // namespace slabpipe
