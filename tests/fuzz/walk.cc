#include "slabpipe/tests/fuzz/walk.h"

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/dlpack.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/record.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/sample_types.h"
#include "slabpipe/tests/fuzz/walk_table.h"

namespace slabpipe::fuzz {
namespace {

// Where what has been read goes, so that no compiler leaves the reading out.
volatile uint64_t sink;

void ReadBytes(const void* data, size_t size_bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < size_bytes; ++i) sum += static_cast<const unsigned char*>(data)[i];
  sink = sum;
}

template <typename T>
void ReadElements(const NdArray<const T>& array) {
  using Element = typename NdArray<const T>::value_type;
  int64_t count = 0;
  array.ForEach([&](Element& element) {
    ReadBytes(&element, sizeof(element));
    ++count;
  });
  FUZZ_CHECK(count == array.size(), array.Describe());
  FUZZ_CHECK(static_cast<int64_t>(array.ToVector().size()) == count, array.Describe());
  for (const Element& element : array) {
    ReadBytes(&element, sizeof(element));
    --count;
  }
  FUZZ_CHECK(count == 0, array.Describe());
  ReadBytes(array.span().data(), array.span().size() * sizeof(Element));
}

template <typename T>
bool ReadIfOf(const AnyNdArray& array) {
  if (array.element_type() != kElementTypeOf<T>) return false;
  const auto typed = NdArray<const T>::FromAny(array);
  FUZZ_CHECK(typed.ok(), typed.status().ToString());
  ReadElements<T>(*typed);
  return true;
}

template <typename... T>
bool ReadAsOneOf(const AnyNdArray& array) {
  return (ReadIfOf<T>(array) || ...);
}

// To another library and back.
void WalkDlpack(const AnyNdArray& array, const AnyNdArray& copy) {
  const absl::StatusOr<DLManagedTensorVersioned*> tensor = ToDlpack(array);
  CheckMisfit(tensor.status());
  if (!tensor.ok()) return;
  const absl::StatusOr<AnyNdArray> back = FromDlpack(*tensor);
  FUZZ_CHECK(back.ok(), back.status().ToString());
  FUZZ_CHECK(SameElements(*back, copy), array.Describe());
}

void WalkViews(const AnyNdArray& array) {
  const absl::StatusOr<AnyNdArray> copy = array.Copy();
  FUZZ_CHECK(copy.ok(), copy.status().ToString());
  FUZZ_CHECK(SameElements(array, *copy), array.Describe());
  FUZZ_CHECK(SameElements(array.Transpose().Transpose(), *copy), array.Describe());
  for (size_t axis = 0; axis < array.rank(); ++axis) {
    const int64_t extent = array.shape()[axis];
    const auto reversed = array.Slice(axis, extent - 1, -1, -1);
    if (extent == 0 || !reversed.ok()) continue;
    FUZZ_CHECK(SameElements(*reversed->Slice(axis, extent - 1, -1, -1), *copy), array.Describe());
    FUZZ_CHECK(array.Select(axis, extent - 1)->rank() == array.rank() - 1, array.Describe());
  }
  const absl::StatusOr<AnyNdArray> flat = array.Reshape({-1});
  FUZZ_CHECK(flat.ok() || absl::IsFailedPrecondition(flat.status()), flat.status().ToString());
  if (array.IsRowMajor() && !array.empty()) {
    FUZZ_CHECK(SameElements(*flat->Reshape(array.shape()), *copy), array.Describe());
  }
  FUZZ_CHECK(array.Squeeze().size() == array.size(), array.Describe());
  WalkDlpack(array, *copy);
}

void WalkFixedWidth(const AnyNdArray& array) {
  const bool text = array.element_type().kind() == ElementType::kText;
  const auto items = text ? TextsOf(array) : BytesOf(array);
  CheckMisfit(items.status());
  FUZZ_CHECK(items.ok() || text, items.status().ToString());
  FUZZ_CHECK(!items.ok() || static_cast<int64_t>(items->size()) == array.size(), array.Describe());
  ReadIfOf<FixedBytes<3>>(array);
  ReadIfOf<FixedText<2>>(array);
}

void WalkArray(const AnyNdArray& array) {
  if (array.element_type().has_fixed_width()) {
    WalkFixedWidth(array);
  } else {
    FUZZ_CHECK(
        (ReadAsOneOf<bool, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
                     float, double, std::complex<float>, std::complex<double>, Float16, Bfloat16>(
            array)),
        "an element type that the fuzzers don't know: " + array.Describe());
  }
  WalkViews(array);
}

void WalkItems(const Value& value) {
  if (value.text() != nullptr) FUZZ_CHECK(IsValidUtf8(*value.text()), "a text is not UTF-8");
  if (value.list() != nullptr) {
    for (const Value& item : *value.list()) WalkItems(item);
  }
  if (value.map() == nullptr) return;
  for (const auto& [key, item] : *value.map()) {
    FUZZ_CHECK(value.map()->Find(key) == &item, "a key is there twice");
    WalkItems(item);
  }
}

void WalkValue(const Value& value) {
  sink = value.DebugString().size();
  WalkItems(value);
}

void WalkAttributes(const ValueMap& attributes) { WalkValue(Value(attributes)); }

constexpr size_t kMostAnswerBytes = 1 << 20;

// Reads all texts of a variable, and parts along each dimension.
void WalkViews(const DatasetVariable& variable) {
  CheckMisfit(variable.View<absl::string_view>().status());
  const absl::StatusOr<std::vector<std::string>> texts = variable.Texts();
  CheckMisfit(texts.status());
  if (texts.ok()) FUZZ_CHECK(static_cast<int64_t>(texts->size()) == variable.size(), variable.name);
  for (size_t axis = 0; axis < variable.dimensions.size(); ++axis) {
    const std::string& dimension = variable.dimensions[axis];
    const int64_t extent = variable.shape()[axis];
    if (extent == 0) continue;
    const auto last = variable.SelectAt(dimension, extent - 1);
    // What is copied of a column may have become nonsense meanwhile; views are views.
    const auto first = variable.Slice(dimension, 0, 1);
    CheckRefusal(last.status(), kMostAnswerBytes);
    CheckRefusal(first.status(), kMostAnswerBytes);
    FUZZ_CHECK(variable.array() == nullptr || (last.ok() && first.ok()), variable.name);
    if (last.ok() && first.ok()) FUZZ_CHECK(last->size() == first->size(), variable.name);
  }
}

void WalkVariable(const DatasetGroup& group, const DatasetVariable& variable) {
  WalkAttributes(variable.attributes);
  const Extents& shape = variable.shape();
  FUZZ_CHECK(shape.size() == variable.dimensions.size(), variable.name);
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    FUZZ_CHECK(group.Extent(variable.dimensions[axis]) == shape[axis], variable.name);
  }
  CheckMisfit(variable.Array<const float>().status());
  if (variable.array() != nullptr) WalkArray(*variable.array());
  if (variable.column() != nullptr) WalkColumn(*variable.column());
  WalkViews(variable);
}

void WalkDataset(const Dataset& dataset) {
  sink = dataset.ToText().size();
  WalkAttributes(dataset.attributes());
  for (const DatasetGroup& group : dataset.groups()) {
    FUZZ_CHECK(dataset.FindGroup(group.name()) == &group, group.name());
    WalkAttributes(group.attributes());
    for (const DatasetVariable& variable : group.coordinates()) {
      FUZZ_CHECK(group.FindCoordinate(variable.name) == &variable, variable.name);
      WalkVariable(group, variable);
    }
    for (const DatasetVariable& variable : group.variables()) {
      FUZZ_CHECK(dataset.Find(group.name(), variable.name) == &variable, variable.name);
      WalkVariable(group, variable);
    }
  }
}

void WalkCloud(const Cloud& cloud) {
  WalkValue(cloud.settings);
  ReadBytes(cloud.points.data(), cloud.points.size() * sizeof(float));
  ReadBytes(cloud.raw.data(), cloud.raw.size());
  ReadBytes(cloud.image.data(), cloud.image.size_bytes());
}

void WalkHandle(const Handle<>& handle) {
  FUZZ_CHECK(handle, "a handle of no object");
  FUZZ_CHECK(handle == Handle<>(handle), handle.ToString());
  FUZZ_CHECK(handle.text().size() <= kMaxHandleTextBytes, handle.ToString());
  for (const char c : handle.ToString()) {
    FUZZ_CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f', handle.ToString());
  }
  ReadBytes(handle.text().data(), handle.text().size());
  FUZZ_CHECK(absl::IsFailedPrecondition(Handle<Cloud>::From(handle).status()), handle.ToString());
}

void WalkContent(const Object& object);

void WalkMap(const DynamicMap& map) {
  for (const auto& [key, value] : map.entries) {
    WalkValue(key);
    FUZZ_CHECK(map.Find(key) == &value, "a key is there twice: " + key.DebugString());
    WalkContent(value);
  }
}

// Of an object and of those in it.
void WalkContent(const Object& object) {
  if (const auto* array = object.get<AnyNdArray>()) return WalkArray(*array);
  if (const auto* value = object.get<Value>()) return WalkValue(*value);
  if (const auto* dataset = object.get<Dataset>()) return WalkDataset(*dataset);
  if (const auto* table = object.get<Table>()) {
    WalkAttributes(table->attributes());
    for (const TableColumn& column : table->columns()) WalkAttributes(column.attributes);
    return WalkTable(*table);
  }
  if (const auto* column = object.get<Column>()) return WalkColumn(*column);
  if (const auto* cloud = object.get<Cloud>()) {
    WalkCloud(*cloud);
    for (const Object& child : cloud->children) WalkContent(child);
    return;
  }
  if (const auto* handle = object.get<Handle<>>()) return WalkHandle(*handle);
  if (const auto* map = object.get<DynamicMap>()) return WalkMap(*map);
  if (const auto* variant = object.get<DynamicVariant>()) return WalkContent(variant->value);
  if (const auto* record = object.get<DynamicRecord>()) {
    for (const auto& [name, field] : record->fields) {
      FUZZ_CHECK(record->Find(name) == &field, "a field is there twice: " + name);
      WalkContent(field);
    }
    return;
  }
  const auto* list = object.get<ObjectList>();
  FUZZ_CHECK(list != nullptr, "a type that the fuzzers don't know: " + object.type().name());
  for (const Object& item : list->items) WalkContent(item);
}

template <typename... T>
void MakeEach(const Object& object) {
  (CheckMisfit(FromObject<T>(object).status()), ...);
}

// Fields that the struct does not know live on in it.
void MakeFit(const Object& object) {
  const absl::StatusOr<Fit> fit = FromObject<Fit>(object);
  CheckMisfit(fit.status());
  if (!fit.ok()) return;
  for (const auto& [name, field] : fit->unknown.fields) WalkContent(field);
}

enum class Color : uint8_t { kRed, kGreen };

}  // namespace

void Walk(const Object& object) {
  WalkContent(object);
  MakeFit(object);
  MakeEach<bool, int8_t, uint64_t, float, Color, std::string, Value, ValueList, ValueMap>(object);
  MakeEach<AnyNdArray, NdArray<const double>, std::vector<int32_t>, std::vector<bool>,
           std::array<float, 3>>(object);
  MakeEach<std::vector<std::string>, std::vector<std::vector<double>>, std::vector<Object>,
           std::pair<int, std::string>, std::tuple<double, Value, Object>, std::vector<Fit>,
           std::array<std::string, 2>>(object);
  MakeEach<std::map<std::string, double>, std::unordered_map<int, std::string>,
           std::map<Color, std::vector<float>>, std::map<std::string, Object>>(object);
  MakeEach<std::variant<std::monostate, double, std::string, std::vector<double>>,
           std::optional<double>, std::variant<Fit, Object>>(object);
  MakeEach<Handle<>, std::optional<Handle<>>, std::vector<Handle<>>>(object);
  MakeEach<Dataset, Table, Column, Cloud, std::vector<std::optional<Cloud>>>(object);
}

}  // namespace slabpipe::fuzz
