// Future: the result of a call that runs meanwhile.
//
//   Future<double> a = session->Submit<double>("stats.mean", x);
//   Future<double> b = session->Submit<double>("stats.mean", y);
//   absl::StatusOr<double> mean = a.Get();          // waits
//   b.Cancel();
//
// Futures are small and may be copied: all copies are one. They may outlive the session; a call
// whose futures are all gone goes on. Every future becomes ready, once: with a result, or with the
// error that Call would have given. A process that was forked meanwhile has its own copies: those
// that were ready stay so, of the others all that waits is FAILED_PRECONDITION. One that is of no
// call (made without arguments, or moved from)
// is ready, and its error is FAILED_PRECONDITION.

#ifndef SLABPIPE_SESSION_FUTURE_H_
#define SLABPIPE_SESSION_FUTURE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/async_calls.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

namespace internal {

// Does not compile for what no result is taken as, and says what would be right.
template <typename R>
constexpr bool CanBeResult() {
  static_assert(std::is_void_v<R> || std::is_same_v<R, std::decay_t<R>>,
                "a result is taken as a value: R without &, const or [n]");
  static_assert(!std::is_pointer_v<R>, "no pointer comes back: take a value, or a Handle<>");
  static_assert(!std::is_same_v<R, absl::string_view> && !std::is_same_v<R, std::string_view>,
                "a text comes back as a std::string: a view has nothing that it could lie in");
  static_assert(!IsSpan<R>::value, "an array comes back as an NdArray<const T>, or a std::vector");
  static_assert(!IsStatusOr<R>::value, "Call<R> gives a StatusOr<R> by itself");
  return true;
}

}  // namespace internal

// What Call<R> gives: a Status for void, otherwise a StatusOr.
template <typename R>
auto ConvertResult(absl::string_view target, const absl::StatusOr<Object>& result) {
  static_assert(internal::CanBeResult<R>());
  if constexpr (std::is_void_v<R>) {
    return result.status();
  } else {
    using Converted = absl::StatusOr<Decoded<R>>;
    if (!result.ok()) return Converted(result.status());
    Converted converted = FromObject<R>(*result);
    if (converted.ok()) return converted;
    return Converted(
        absl::Status(converted.status().code(),
                     absl::StrCat("the result of ", target, ": ", converted.status().message())));
  }
}

// Whatever its result is. Thread-safe.
class AnyFuture {
 public:
  AnyFuture() = default;
  AnyFuture(std::string target, std::shared_ptr<AsyncResult> result)
      : target_(std::move(target)), result_(std::move(result)) {}

  bool ready() const { return result_ == nullptr || result_->ready(); }
  // Until it is ready. DEADLINE_EXCEEDED: it is not yet, and the call goes on. FAILED_PRECONDITION:
  // it can't become so, because this process was forked from the one that made the call.
  absl::Status Wait(absl::Duration timeout = absl::InfiniteDuration()) const {
    return result_ == nullptr ? absl::OkStatus() : result_->Wait(Deadline::After(timeout));
  }
  // As CallOptions::cancellation does. The future becomes ready, with CANCELLED unless the result
  // came first. If the worker is lost already, it does not wait for a new one any more: it becomes
  // ready with that error. Returns at once; does nothing if it is ready.
  void Cancel() const {
    if (result_ != nullptr) result_->Cancel();
  }
  // `callback` is called once it is ready: at once, on this thread, if it is, otherwise on the
  // session's own thread, maybe after threads that wait for it have gone on. There it must not
  // block: other calls wait for it. What it throws there is caught, and told on stderr.
  void OnReady(std::function<void()> callback) const;
  const std::string& target() const { return target_; }

 protected:
  // REQUIRES: ready().
  absl::StatusOr<Object> result() const {
    if (result_ != nullptr) return result_->get();
    return absl::FailedPreconditionError("this future is of no call");
  }

 private:
  friend class ReadyBell;
  std::string target_;
  std::shared_ptr<AsyncResult> result_;
};

template <typename R = void>
class Future : public AnyFuture {
 public:
  using AnyFuture::AnyFuture;

  // Waits, and gives what Call<R> would have given. May be asked again. With a timeout,
  // DEADLINE_EXCEEDED may also be of this wait: ready() tells.
  auto Get(absl::Duration timeout = absl::InfiniteDuration()) const {
    absl::Status waited = Wait(timeout);
    return ConvertResult<R>(target(), waited.ok() ? result() : absl::StatusOr<Object>(waited));
  }
};

// Waits until one of them is ready: its index. DEADLINE_EXCEEDED; INVALID_ARGUMENT if there is
// none; FAILED_PRECONDITION if none is ready and one can't become so (AnyFuture::Wait).
absl::StatusOr<size_t> WaitAny(absl::Span<const AnyFuture> futures,
                               absl::Duration timeout = absl::InfiniteDuration());
// Waits until all are ready. DEADLINE_EXCEEDED; FAILED_PRECONDITION if one can't become so.
absl::Status WaitAll(absl::Span<const AnyFuture> futures,
                     absl::Duration timeout = absl::InfiniteDuration());

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_FUTURE_H_
