// Datasets as xarray shows them.

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/codec/variable_text.h"

namespace slabpipe {
namespace {

constexpr size_t kMostOfAName = 40;

std::string NameText(absl::string_view name) { return PrintableText(name, kMostOfAName); }

// How many of a list are shown, and what is said of the others.
class Shown {
 public:
  Shown(size_t size, const DatasetPrintOptions& options)
      : size_(size), count_(std::min(size, options.entries)) {}
  size_t count() const { return count_; }
  std::string Rest() const {
    return count_ == size_ ? "" : absl::StrCat("    ... (", size_, " altogether)\n");
  }

 private:
  size_t size_;
  size_t count_;
};

std::string DimensionsText(const DatasetGroup& group, const DatasetPrintOptions& options) {
  const Shown shown(group.dimensions().size(), options);
  std::string text;
  for (size_t i = 0; i < shown.count(); ++i) {
    const DatasetDimension& dimension = group.dimensions()[i];
    absl::StrAppend(&text, i == 0 ? "" : ", ", NameText(dimension.name), ": ", dimension.extent);
  }
  const bool all = shown.count() == group.dimensions().size();
  return absl::StrCat("Dimensions:  (", text, all ? "" : ", ...", ")\n");
}

// The widest name that is shown.
size_t NameWidth(const DatasetGroup& group, const DatasetPrintOptions& options) {
  size_t width = 0;
  for (const auto* list : {&group.coordinates(), &group.variables()}) {
    for (size_t i = 0; i < Shown(list->size(), options).count(); ++i) {
      width = std::max(width, TextWidth(NameText((*list)[i].name)));
    }
  }
  return width;
}

std::string VariableLine(const DatasetVariable& variable, bool is_index, size_t name_width,
                         const DatasetPrintOptions& options) {
  const std::string name = NameText(variable.name);
  std::string line = absl::StrCat(is_index ? "  * " : "    ", name,
                                  std::string(name_width - TextWidth(name) + 2, ' '));
  if (!variable.dimensions.empty()) {
    absl::StrAppend(&line, PrintableText(variable.dimensions.Describe(), options.width), " ");
  }
  absl::StrAppend(&line, PrintableText(variable.TypeName(), options.width));
  const size_t used = TextWidth(line) + 1;
  // Something is always shown, also where names and types fill the line.
  constexpr size_t kLeast = 12;
  const size_t left = options.width > used + kLeast ? options.width - used : kLeast;
  const std::string values = ValuesText(variable.data, left);
  return absl::StrCat(line, values.empty() ? "" : " ", values, "\n");
}

std::string VariableLines(const DatasetGroup& group, const std::deque<DatasetVariable>& list,
                          size_t name_width, const DatasetPrintOptions& options) {
  const Shown shown(list.size(), options);
  std::string text;
  for (size_t i = 0; i < shown.count(); ++i) {
    const DatasetVariable& variable = list[i];
    const bool is_index = &list == &group.coordinates() && variable.is_along_its_name();
    absl::StrAppend(&text, VariableLine(variable, is_index, name_width, options));
  }
  return text + shown.Rest();
}

std::string AttributeLines(const ValueMap& attributes, const DatasetPrintOptions& options) {
  if (attributes.empty()) return "";
  const Shown shown(attributes.size(), options);
  std::string text = "Attributes:\n";
  auto attribute = attributes.begin();
  for (size_t i = 0; i < shown.count(); ++i, ++attribute) {
    const auto& [name, value] = *attribute;
    const std::string plain = value.text() != nullptr ? *value.text() : value.DebugString();
    absl::StrAppend(&text, "    ", PrintableText(absl::StrCat(name, ": ", plain), options.width),
                    "\n");
  }
  return text + shown.Rest();
}

}  // namespace

std::string DatasetGroup::ToText(const DatasetPrintOptions& options) const {
  const size_t name_width = NameWidth(*this, options);
  std::string text = absl::StrCat("<group ", NameText(name_), ">\n");
  absl::StrAppend(&text, DimensionsText(*this, options));
  if (!coordinates_.empty()) {
    absl::StrAppend(&text, "Coordinates:\n",
                    VariableLines(*this, coordinates_, name_width, options));
  }
  absl::StrAppend(
      &text, "Data variables:\n",
      variables_.empty() ? "    none\n" : VariableLines(*this, variables_, name_width, options));
  return text + AttributeLines(attributes_, options);
}

std::string Dataset::ToText(const DatasetPrintOptions& options) const {
  std::string text =
      absl::StrCat("<dataset of ", groups_.size(), groups_.size() == 1 ? " group>\n" : " groups>\n",
                   AttributeLines(attributes_, options));
  const Shown shown(groups_.size(), options);
  for (size_t i = 0; i < shown.count(); ++i) {
    absl::StrAppend(&text, "\n", groups_[i].ToText(options));
  }
  return text + shown.Rest();
}

std::ostream& operator<<(std::ostream& stream, const DatasetGroup& group) {
  return stream << group.ToText();
}

std::ostream& operator<<(std::ostream& stream, const Dataset& dataset) {
  return stream << dataset.ToText();
}

}  // namespace slabpipe
