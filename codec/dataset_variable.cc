#include "slabpipe/codec/dataset_variable.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

using Names = std::vector<std::string>;

}  // namespace

namespace internal {

std::string NameInError(absl::string_view name) {
  constexpr size_t kWidth = 80;
  return PrintableText(name, kWidth);
}

absl::Status InVariable(absl::string_view name, const absl::Status& status) {
  return InContext(absl::StrCat("variable '", NameInError(name), "'"), status);
}

absl::Status NoArray(const DatasetVariable& variable) {
  return InVariable(variable.name, absl::InvalidArgumentError(
                                       absl::StrCat("it is a column of ", variable.TypeName(),
                                                    ", wanted an array: take it with View<T>()")));
}

absl::Status NoColumn(const DatasetVariable& variable) {
  return InVariable(variable.name, absl::InvalidArgumentError(
                                       absl::StrCat("it is an array of ", variable.TypeName(),
                                                    ", wanted a column: take it with Array<T>()")));
}

}  // namespace internal

// Dimensions

Dimensions::Dimensions(Names names) {
  // All scalars share the one of no names.
  static const auto* const kNone = new std::shared_ptr<const Names>(new Names());
  names_ = names.empty() ? *kNone : std::make_shared<const Names>(std::move(names));
}

Dimensions::Dimensions(std::initializer_list<absl::string_view> names)
    : Dimensions(Names(names.begin(), names.end())) {}

std::optional<size_t> Dimensions::Axis(absl::string_view name) const {
  for (size_t axis = 0; axis < size(); ++axis) {
    if ((*this)[axis] == name) return axis;
  }
  return std::nullopt;
}

Dimensions Dimensions::Without(size_t axis) const {
  Names left = names();
  left.erase(left.begin() + static_cast<ptrdiff_t>(axis));
  return Dimensions(std::move(left));
}

std::string Dimensions::Describe() const {
  return absl::StrCat("(", absl::StrJoin(names(), ", "), ")");
}

// DatasetVariable

const Column* DatasetVariable::column() const {
  const ShapedColumn* shaped = std::get_if<ShapedColumn>(&data);
  return shaped == nullptr ? nullptr : &shaped->values;
}

const Extents& DatasetVariable::shape() const {
  return array() != nullptr ? array()->shape() : std::get<ShapedColumn>(data).shape;
}

bool DatasetVariable::in_shared_memory() const {
  return array() != nullptr ? array()->in_shared_memory() : column()->in_shared_memory();
}

std::string DatasetVariable::TypeName() const {
  return array() != nullptr ? array()->element_type().name() : column()->type().name();
}

absl::StatusOr<Names> DatasetVariable::Texts() const {
  if (array() != nullptr) {
    absl::StatusOr<Names> texts = TextsOf(*array());
    if (!texts.ok()) return internal::InVariable(name, texts.status());
    return texts;
  }
  if (absl::Status wrong = View<absl::string_view>().status(); !wrong.ok()) return wrong;
  // SUBTLE: offsets that another process changes could have each row show all of the content.
  const absl::StatusOr<Column> pinned = PinIndices(*column());
  if (!pinned.ok()) return internal::InVariable(name, pinned.status());
  const absl::StatusOr<ColumnView<absl::string_view>> view = pinned->As<absl::string_view>();
  if (!view.ok()) return internal::InVariable(name, view.status());
  Names texts;
  for (int64_t row = 0; row < view->size(); ++row) {
    const std::optional<absl::string_view> text = (*view)[row];
    if (!text.has_value()) {
      return internal::InVariable(
          name, absl::InvalidArgumentError(absl::StrCat("text ", row, " is missing")));
    }
    texts.emplace_back(*text);
  }
  return texts;
}

}  // namespace slabpipe
