// AnyRef, Object, Leased: values whose type is known at run time, and decoded values with what
// keeps their bytes.
//
//   AnyRef       a borrowed value of any type, on its way into a codec
//   Object       a decoded value of any type, shared, with the leases on its buffers
//   Leased<T>    the same of a type that is known: a pointer to a const T
//
//   absl::StatusOr<Leased<Cloud>> cloud = session.Call<Cloud>("lidar.scan");
//   Use((*cloud)->points);                       // good as long as `cloud`, or a copy, lives
//   WeakBuffer watch = cloud->buffers()[0];      // tells when nobody here keeps the bytes
//
// It is the registry, decoding, that ties the leases to the object, whatever its type: a codec may
// put bare pointers into what it decodes and needs to know nothing of lifetimes.

#ifndef SLABPIPE_CODEC_OBJECT_H_
#define SLABPIPE_CODEC_OBJECT_H_

#include <memory>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/transport/block.h"

namespace slabpipe {

// A C++ type at run time. A small value; compares and hashes by address.
class TypeId {
 public:
  template <typename T>
  static TypeId Of() {
    return TypeId(&kInfo<T>);
  }
  // As in the source, namespaces and all: for messages.
  std::string name() const;
  const void* key() const { return info_; }
  friend bool operator==(TypeId, TypeId) = default;

 private:
  struct Info {
    const std::type_info* type;
  };
  template <typename T>
  inline static const Info kInfo = {&typeid(T)};

  explicit TypeId(const Info* info) : info_(info) {}
  const Info* info_;
};

class AnyRef;

// Is shown a value, which is gone when it returns.
using ModelVisitor = absl::FunctionRef<absl::Status(AnyRef model)>;

// Borrows a value. Valid as long as the value.
class AnyRef {
 public:
  // Shows what stands for the value if there is no codec for its own type (binding.h).
  using VisitModelFunction = absl::Status (*)(const void* value, ModelVisitor visit);

  template <typename T>
  static AnyRef To(const T& value) {
    return AnyRef(TypeId::Of<T>(), &value);
  }
  template <typename T>
  static AnyRef To(const T& value, VisitModelFunction visit_model) {
    return AnyRef(TypeId::Of<T>(), &value, visit_model);
  }
  AnyRef(TypeId type, const void* value, VisitModelFunction visit_model = nullptr)
      : type_(type), value_(value), visit_model_(visit_model) {}

  TypeId type() const { return type_; }
  // nullptr if the value is of another type.
  template <typename T>
  const T* get() const {
    return type_ == TypeId::Of<T>() ? static_cast<const T*>(value_) : nullptr;
  }
  bool has_model() const { return visit_model_ != nullptr; }
  // REQUIRES: has_model().
  absl::Status VisitModel(ModelVisitor visit) const { return visit_model_(value_, visit); }

 private:
  TypeId type_;
  const void* value_;
  VisitModelFunction visit_model_;
};

// Leases on the slabs that a decoded value lies in. Few: one a slab.
using Leases = absl::InlinedVector<std::shared_ptr<const Lease>, 1>;

// A decoded value. A value type; copies share it, and all it needs. Thread-compatible.
class Object {
 public:
  // Nothing: of type void.
  Object() : type_(TypeId::Of<void>()) {}
  Object(const Object&) = default;
  Object(Object&&) = default;
  // The old value dies with `other`, before its leases do; member by member it would die after.
  Object& operator=(Object other) noexcept {
    std::swap(leases_, other.leases_);
    std::swap(type_, other.type_);
    std::swap(visit_model_, other.visit_model_);
    std::swap(value_, other.value_);
    return *this;
  }
  // `visit_model`: as AnyRef's.
  template <typename T>
  static Object Make(T value, AnyRef::VisitModelFunction visit_model = nullptr) {
    return Object(TypeId::Of<T>(), std::make_shared<T>(std::move(value)), visit_model);
  }

  TypeId type() const { return type_; }
  AnyRef ref() const { return AnyRef(type_, value_.get(), visit_model_); }
  // nullptr if it is of another type. Valid as long as this object or a copy.
  template <typename T>
  const T* get() const {
    return ref().get<T>();
  }
  // The leases that the registry has tied to it: one for each slab that it may point into.
  const Leases& leases() const { return leases_; }
  std::vector<WeakBuffer> buffers() const;

  // Ties leases to the value. For the registry.
  void Hold(Leases leases) { leases_ = std::move(leases); }

 private:
  template <typename T>
  friend class Leased;
  Object(TypeId type, std::shared_ptr<const void> value, AnyRef::VisitModelFunction visit_model)
      : leases_(), type_(type), visit_model_(visit_model), value_(std::move(value)) {}

  Leases leases_;  // dropped after the value
  TypeId type_;
  AnyRef::VisitModelFunction visit_model_ = nullptr;
  std::shared_ptr<const void> value_;
};

// A decoded T and what it needs. Like a shared_ptr<const T>, never null unless default-constructed.
template <typename T>
class Leased {
 public:
  Leased() = default;
  Leased(const Leased&) = default;
  Leased(Leased&&) = default;
  // As Object's.
  Leased& operator=(Leased other) noexcept {
    std::swap(source_, other.source_);
    std::swap(value_, other.value_);
    return *this;
  }
  // The object's value itself. REQUIRES: it is a T.
  explicit Leased(Object object)
      : source_(std::move(object)), value_(std::static_pointer_cast<const T>(source_.value_)) {}
  // A value that was made from the object's and may point into it.
  Leased(T value, Object source)
      : source_(std::move(source)), value_(std::make_shared<const T>(std::move(value))) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  const T* get() const { return value_.get(); }
  std::vector<WeakBuffer> buffers() const { return source_.buffers(); }
  const Object& object() const { return source_; }

 private:
  Object source_;  // dropped after the value
  std::shared_ptr<const T> value_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_OBJECT_H_
