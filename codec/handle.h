// Handle: a small stand-in for an object that stays in the worker.
//
//   // In the worker. The handle keeps the object; the text is for people.
//   slabpipe::Handle<Model> Fit(const slabpipe::Table& data) {
//     return {std::make_unique<Model>(data), "42 rows"};
//   }
//   double Score(const slabpipe::Handle<Model>& model, double x) { return model->Score(x); }
//
//   // In main.
//   absl::StatusOr<slabpipe::Handle<>> model = session.Call<slabpipe::Handle<>>("bayes.fit", data);
//   absl::StatusOr<double> score = session.Call<double>("bayes.score", *model, 0.5);
//
// Passed back, a handle is the same object again, also as a field of a record, in a list, a map, an
// optional. The worker keeps the object until main has dropped the last copy of its handle (and the
// worker's own code every shared_ptr to it). In main a handle is good as long as the worker that
// made it: after a restart it is stale, and says so when it is passed.
//
// Handle<T> is for the process in which the object lives; Handle<> is any handle, anywhere.

#ifndef SLABPIPE_CODEC_HANDLE_H_
#define SLABPIPE_CODEC_HANDLE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/object.h"

namespace slabpipe {

// Of a handle's text; what is longer is cut, between two characters.
inline constexpr size_t kMaxHandleTextBytes = size_t{16} << 10;

namespace internal {

class KeptObject;

// What the copies of a handle share. Immutable.
class HandleState {
 public:
  HandleState(absl::string_view type_name, absl::string_view text);
  virtual ~HandleState() = default;
  HandleState(const HandleState&) = delete;
  HandleState& operator=(const HandleState&) = delete;

  const std::string& type_name() const { return type_name_; }
  const std::string& text() const { return text_; }
  // "Model (42 rows)".
  std::string ToString() const;
  // FAILED_PRECONDITION if the object can't be reached any more.
  virtual absl::Status status() const = 0;
  // Null if the object lives in another process.
  virtual const KeptObject* kept() const { return nullptr; }

 private:
  const std::string type_name_;
  const std::string text_;
};

// An object of this process.
class KeptObject final : public HandleState {
 public:
  KeptObject(TypeId type, std::shared_ptr<void> object, absl::string_view text)
      : HandleState(type.name(), text), type_(type), object_(std::move(object)) {}

  absl::Status status() const override { return absl::OkStatus(); }
  const KeptObject* kept() const override { return this; }
  TypeId type() const { return type_; }
  const std::shared_ptr<void>& object() const { return object_; }

 private:
  const TypeId type_;
  const std::shared_ptr<void> object_;
};

}  // namespace internal

template <typename T = void>
class Handle;

// Any handle, opaque. A value type; copies stand for the same object. Thread-compatible: copies of
// it may be used, and dropped, on any threads, at any time. To drop one takes no lock that anybody
// holds for long, and does not wait for the worker.
template <>
class Handle<void> {
 public:
  // Of no object. It can't be passed: use a std::optional where there may be none.
  Handle() = default;
  // For what makes handles.
  explicit Handle(std::shared_ptr<const internal::HandleState> state) : state_(std::move(state)) {}

  explicit operator bool() const { return state_ != nullptr; }
  // The C++ type of the object, as in the worker's source; empty of none. As the worker says: data
  // only.
  absl::string_view type_name() const;
  // At most kMaxHandleTextBytes, as the worker says: there may be any bytes in it. What it was when
  // the handle first came. ToString() is fit for a terminal.
  absl::string_view text() const;
  // Whether the object is out of reach for good, because its worker has ended.
  bool stale() const { return state_ != nullptr && !state_->status().ok(); }
  // FAILED_PRECONDITION if it is stale ("STALE handle ...") or of no object.
  absl::Status status() const;
  // "Model (42 rows)": in one line, control characters escaped, at most about 200 characters.
  std::string ToString() const;

  // Whether they stand for the same object.
  friend bool operator==(const Handle& a, const Handle& b) {
    return a.identity() == b.identity() && a.type_name() == b.type_name();
  }
  template <typename H>
  friend H AbslHashValue(H hash, const Handle& handle) {
    return H::combine(std::move(hash), handle.identity());
  }

  // For the session.
  const std::shared_ptr<const internal::HandleState>& state() const { return state_; }

 protected:
  // Null if there is none, or it lives elsewhere.
  const internal::KeptObject* kept() const { return state_ == nullptr ? nullptr : state_->kept(); }

 private:
  const void* identity() const {
    return kept() != nullptr ? kept()->object().get() : static_cast<const void*>(state_.get());
  }
  std::shared_ptr<const internal::HandleState> state_;
};

// A handle to a T of this process, and that T, which the handle keeps. As Handle<>; what guards the
// object against use by several threads is the object's own affair.
template <typename T>
class Handle : public Handle<void> {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "a handle is one to a mutable object");

 public:
  Handle() = default;
  // Of no object if `object` is null.
  Handle(std::shared_ptr<T> object, absl::string_view text = "")
      : Handle<void>(Keep(std::move(object), text)) {}
  template <typename D>
  Handle(std::unique_ptr<T, D> object, absl::string_view text = "")
      : Handle(std::shared_ptr<T>(std::move(object)), text) {}

  // INVALID_ARGUMENT if it is one to something else; FAILED_PRECONDITION if it is stale, or its
  // object lives in another process.
  static absl::StatusOr<Handle> From(const Handle<void>& handle);

  // Null if it is of no object.
  T* get() const { return kept() == nullptr ? nullptr : static_cast<T*>(kept()->object().get()); }
  T& operator*() const { return *get(); }
  T* operator->() const { return get(); }
  std::shared_ptr<T> shared() const {
    return kept() == nullptr ? nullptr : std::static_pointer_cast<T>(kept()->object());
  }

 private:
  static std::shared_ptr<const internal::HandleState> Keep(std::shared_ptr<T> object,
                                                           absl::string_view text) {
    if (object == nullptr) return nullptr;
    return std::make_shared<internal::KeptObject>(TypeId::Of<T>(), std::move(object), text);
  }
};

// Implementation details only below this line.

namespace internal {
// OK if it is one to an object of this type in this process.
absl::Status CheckHandleType(const Handle<>& handle, TypeId wanted);
}  // namespace internal

template <typename T>
absl::StatusOr<Handle<T>> Handle<T>::From(const Handle<void>& handle) {
  absl::Status fits = internal::CheckHandleType(handle, TypeId::Of<T>());
  if (!fits.ok()) return fits;
  Handle typed;
  static_cast<Handle<void>&>(typed) = handle;
  return typed;
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_HANDLE_H_
