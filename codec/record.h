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
// std::vector. A member that is not named stays on its side, and has its default value on the
// other. For a struct that is not yours, specialise slabpipe::RecordTraits with a Describe() that
// returns the same. Structs are default-constructible, and not changed while they are sent. One
// with fields of its own type (in a std::vector, say) can't find out whether it keeps its bytes by
// itself: tell it, slabpipe::kOwnsItsBytes<Tree> = true (simple_binding.h), before it is first
// used.
//
// Versions. The fields' order carries no meaning. A record of another type's name is an error. A
// field that is missing is an error, too, unless it is a std::optional, or declared so:
//
//       slabpipe::Field("chains", &Fit::chains).MayBeMissing()         // keeps its default
//
// and one that is not declared here, because the peer is newer, is an error that lists both sides'
// fields, unless the struct has a place to keep such fields in, from which they are sent on:
//
//     slabpipe::UnknownFields unknown;
//       slabpipe::Fields("bayes.Fit", ...).KeepUnknown(&Fit::unknown)

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
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/object.h"

namespace slabpipe {

template <typename Struct, typename Member>
struct FieldDescription {
  absl::string_view name;
  Member Struct::*member;
  bool may_be_missing = false;

  constexpr FieldDescription MayBeMissing() const { return {name, member, true}; }
};

// Fields that came with a record and are not declared: of any types, with what keeps their bytes.
struct UnknownFields {
  std::vector<std::pair<std::string, Object>> fields;
};

template <typename Struct, typename... Member>
struct RecordDescription {
  using StructType = Struct;
  absl::string_view type_name;
  std::tuple<FieldDescription<Struct, Member>...> fields;
  UnknownFields Struct::*unknown = nullptr;

  constexpr RecordDescription KeepUnknown(UnknownFields Struct::*member) const {
    return {type_name, fields, member};
  }
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

// A struct that inherits another's description has none of its own.
template <typename T>
concept RecordType = std::same_as<typename decltype(RecordTraits<T>::Describe())::StructType, T>;

// Implementation details only below this line.

namespace internal {

// INVALID_ARGUMENT unless the record has that type's name. Of the fields that are not among
// `field_names`: they are put into `unknown`, or INVALID_ARGUMENT if that is null.
absl::Status CheckRecord(const DynamicRecord& record, absl::string_view type_name,
                         absl::Span<const absl::string_view> field_names, UnknownFields* unknown);
absl::Status MissingField(const DynamicRecord& record, absl::string_view name);

template <typename Struct, typename Member>
absl::Status TakeField(const DynamicRecord& record, const FieldDescription<Struct, Member>& field,
                       Member& member) {
  const Object* object = record.Find(field.name);
  if (object == nullptr) {
    return field.may_be_missing || IsOptional<Member>::value ? absl::OkStatus()
                                                             : MissingField(record, field.name);
  }
  absl::StatusOr<Member> value = MakeValue<Member>(*object);
  if (!value.ok()) return InField(record.type_name, field.name, value.status());
  member = *std::move(value);
  return absl::OkStatus();
}

}  // namespace internal

template <RecordType T>
struct Binding<T> {
  static constexpr auto kDescription = RecordTraits<T>::Describe();
  static constexpr size_t kDeclared = std::tuple_size_v<decltype(kDescription.fields)>;
  static constexpr auto kNames = std::apply(
      [](const auto&... field) { return std::array<absl::string_view, kDeclared>{field.name...}; },
      kDescription.fields);

  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = [] {
    if constexpr (slabpipe::kOwnsItsBytes<T>) {
      return true;
    } else {
      return std::apply(
          []<typename... M>(const FieldDescription<T, M>&...) {
            return (Binding<M>::kOwnsItsBytes && ...);
          },
          kDescription.fields);
    }
  }();

  static absl::Status Visit(const T& value, ModelVisitor visit) {
    const UnknownFields* unknown = Unknown(value);
    if (unknown == nullptr || unknown->fields.empty()) return VisitNamed(value, kNames, visit);
    std::vector<absl::string_view> names(kNames.begin(), kNames.end());
    for (const auto& [name, object] : unknown->fields) names.push_back(name);
    return VisitNamed(value, names, visit);
  }

  static absl::StatusOr<T> Make(const Object& object) {
    const DynamicRecord* record = object.get<DynamicRecord>();
    if (record == nullptr) {
      return WrongModel(object, absl::StrCat("a record '", kDescription.type_name, "'"));
    }
    T value{};
    absl::Status status =
        internal::CheckRecord(*record, kDescription.type_name, kNames, Unknown(value));
    const auto take = [&](const auto& field) {
      if (status.ok()) status = internal::TakeField(*record, field, value.*field.member);
    };
    std::apply([&](const auto&... field) { (take(field), ...); }, kDescription.fields);
    if (!status.ok()) return status;
    return value;
  }

 private:
  template <typename Struct>
  static auto Unknown(Struct& value) {
    return kDescription.unknown == nullptr ? nullptr : &(value.*kDescription.unknown);
  }
  static absl::Status VisitNamed(const T& value, absl::Span<const absl::string_view> names,
                                 ModelVisitor visit) {
    return visit(AnyRef::To(RecordRef{.type_name = kDescription.type_name,
                                      .field_names = names,
                                      .object = &value,
                                      .visit_field = &VisitField}));
  }
  static absl::Status VisitField(const void* object, size_t index, ModelVisitor visit) {
    const T& value = *static_cast<const T*>(object);
    if (index >= kDeclared) {
      return VisitValue(Unknown(value)->fields[index - kDeclared].second, visit);
    }
    absl::Status status;
    size_t next = 0;
    const auto visit_if = [&](const auto& field) {
      if (next++ == index) status = VisitValue(value.*field.member, visit);
    };
    std::apply([&](const auto&... field) { (visit_if(field), ...); }, kDescription.fields);
    return status;
  }
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_RECORD_H_
