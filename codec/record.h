// Records: structs whose fields go through the registry one by one.
//
//   struct Fit {
//     slabpipe::NdArray<const double> draws;
//     std::string model;
//     int chains = 0;
//
//     static constexpr auto SlabpipeFields() {
//       return slabpipe::Fields("bayes.Fit", slabpipe::Field("draws", &Fit::draws),
//                               slabpipe::Field("model", &Fit::model),
//                               slabpipe::Field("chains", &Fit::chains));
//     }
//   };
//
// That is all: a Fit can be an argument, a result, a field of another record, an item of a
// std::vector. For a struct that is not yours, specialise slabpipe::RecordTraits with a Describe()
// that returns the same.
//
// The fields' order carries no meaning. A record whose type's name, or whose fields' names, are not
// those declared is an error that lists both; a field that is a std::optional may be missing.

#ifndef SLABPIPE_CODEC_RECORD_H_
#define SLABPIPE_CODEC_RECORD_H_

#include <array>
#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/object.h"

namespace slabpipe {

template <typename Struct, typename Member>
struct FieldDescription {
  absl::string_view name;
  Member Struct::*member;
};

template <typename Struct, typename... Member>
struct RecordDescription {
  absl::string_view type_name;
  std::tuple<FieldDescription<Struct, Member>...> fields;
};

// One field. `name` is its name on the wire.
template <typename Struct, typename Member>
constexpr FieldDescription<Struct, Member> Field(absl::string_view name, Member Struct::*member) {
  return {name, member};
}

// All fields of a struct. `type_name` is the record's name on the wire.
template <typename Struct, typename... Member>
constexpr RecordDescription<Struct, Member...> Fields(absl::string_view type_name,
                                                      FieldDescription<Struct, Member>... fields) {
  return {type_name, {fields...}};
}

// Where the description of a struct is found: in the struct itself, unless this is specialised.
template <typename T>
struct RecordTraits {
  static constexpr auto Describe() requires requires { T::SlabpipeFields(); }
  { return T::SlabpipeFields(); }
};

template <typename T>
concept RecordType = requires {
  RecordTraits<T>::Describe();
};

// The model of a record on its way out: borrowed.
struct RecordRef {
  absl::string_view type_name;
  absl::Span<const absl::string_view> field_names;
  const void* object = nullptr;
  absl::Status (*visit_field)(const void* object, size_t field, ModelVisitor visit) = nullptr;
};

// A decoded record.
struct DynamicRecord {
  std::string type_name;
  std::vector<std::pair<std::string, Object>> fields;

  // nullptr if there is none.
  const Object* Find(absl::string_view name) const;
};

// INVALID_ARGUMENT unless `record` has that type's name and no field besides `field_names`.
absl::Status CheckRecord(const DynamicRecord& record, absl::string_view type_name,
                         absl::Span<const absl::string_view> field_names);

// Implementation details only below this line.

namespace internal {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

absl::Status MissingField(const DynamicRecord& record, absl::string_view name);

template <typename Member>
absl::Status TakeField(const DynamicRecord& record, absl::string_view name, Member& member) {
  const Object* field = record.Find(name);
  if (field == nullptr) {
    return IsOptional<Member>::value ? absl::OkStatus() : MissingField(record, name);
  }
  absl::StatusOr<Member> value = Binding<Member>::Make(*field);
  if (!value.ok()) {
    return absl::Status(
        value.status().code(),
        absl::StrCat("field '", name, "' of '", record.type_name, "': ", value.status().message()));
  }
  member = *std::move(value);
  return absl::OkStatus();
}

}  // namespace internal

template <RecordType T>
struct Binding<T> {
  static constexpr auto kDescription = RecordTraits<T>::Describe();
  static constexpr auto kNames = std::apply(
      [](const auto&... field) {
        return std::array<absl::string_view, sizeof...(field)>{field.name...};
      },
      kDescription.fields);
  static constexpr bool kOwnsItsBytes = std::apply(
      []<typename... M>(const FieldDescription<T, M>&...) {
        return (Binding<M>::kOwnsItsBytes && ...);
      },
      kDescription.fields);

  static absl::Status Visit(const T& value, ModelVisitor visit) {
    const RecordRef record = {.type_name = kDescription.type_name,
                              .field_names = kNames,
                              .object = &value,
                              .visit_field = &VisitField};
    return visit(AnyRef::To(record));
  }

  static absl::StatusOr<T> Make(const Object& object) {
    const DynamicRecord* record = object.get<DynamicRecord>();
    if (record == nullptr) {
      return WrongModel(object, absl::StrCat("a record '", kDescription.type_name, "'"));
    }
    absl::Status status = CheckRecord(*record, kDescription.type_name, kNames);
    T value;
    std::apply(
        [&](const auto&... field) {
          ((status.ok()
                ? status.Update(internal::TakeField(*record, field.name, value.*field.member))
                : void()),
           ...);
        },
        kDescription.fields);
    if (!status.ok()) return status;
    return value;
  }

 private:
  static absl::Status VisitField(const void* object, size_t field, ModelVisitor visit) {
    absl::Status status;
    size_t index = 0;
    std::apply(
        [&]<typename... M>(const FieldDescription<T, M>&... description) {
          ((index++ == field ? status.Update(Binding<M>::Visit(
                                   static_cast<const T*>(object)->*description.member, visit))
                             : void()),
           ...);
        },
        kDescription.fields);
    return status;
  }
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_RECORD_H_
