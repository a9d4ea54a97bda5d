// The bindings of handles: the model of all of them is Handle<>. Include binding.h.

#ifndef SLABPIPE_CODEC_HANDLE_BINDING_H_
#define SLABPIPE_CODEC_HANDLE_BINDING_H_

#include <memory>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/simple_binding.h"

namespace slabpipe {

template <>
struct Binding<Handle<>> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const Handle<>& handle, ModelVisitor visit) {
    return visit(AnyRef::To(handle));
  }
  static absl::StatusOr<Handle<>> Make(const Object& object) {
    if (const Handle<>* handle = object.get<Handle<>>()) return *handle;
    return WrongModel(object, "a handle");
  }
};

template <typename T>
struct Binding<Handle<T>> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const Handle<T>& handle, ModelVisitor visit) {
    return visit(AnyRef::To<Handle<>>(handle));
  }
  static absl::StatusOr<Handle<T>> Make(const Object& object) {
    if (const Handle<>* handle = object.get<Handle<>>()) return Handle<T>::From(*handle);
    return WrongModel(object, absl::StrCat("a handle of ", TypeId::Of<T>().name()));
  }
};

// The object itself, shared: as Handle<T>, without a text. A codec of one's own goes first.
template <typename T>
requires(std::is_object_v<T> && !std::is_const_v<T>) struct Binding<std::shared_ptr<T>> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const std::shared_ptr<T>& object, ModelVisitor visit) {
    return Binding<Handle<T>>::Visit(Handle<T>(object), visit);
  }
  static absl::StatusOr<std::shared_ptr<T>> Make(const Object& object) {
    absl::StatusOr<Handle<T>> handle = Binding<Handle<T>>::Make(object);
    if (!handle.ok()) return handle.status();
    return handle->shared();
  }
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_HANDLE_BINDING_H_
