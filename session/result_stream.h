// ResultStream: the results of a function that yields many, while they come.
//
//   auto draws = session->Stream<NdArray<const double>>("mcmc.draws", 1000);
//   while (draws.Next()) Use(draws.value());
//   if (!draws.status().ok()) ...                         // it ended early: why
//
// A worker with one serving thread begins no other call before the stream has ended: one that is
// made between two Next waits for the function, which may wait for Next. Give the worker more
// threads (ServeOptions), or use up the stream first.
//
// The worker goes ahead by as many results as CallOptions::window says, and then waits: a caller
// that is slow costs no memory. One that stops early destroys the stream; the function is told, by
// CallContext::cancelled and by ResultWriter::Write.

#ifndef SLABPIPE_SESSION_RESULT_STREAM_H_
#define SLABPIPE_SESSION_RESULT_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/session/call_in_progress.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/connection.h"
#include "slabpipe/session/future.h"

namespace slabpipe {

// A stream of objects. Move-only, thread-compatible.
class ObjectStream {
 public:
  // Settles an outcome that is the loss of the worker.
  using Settle = std::function<absl::Status(const std::shared_ptr<Connection>&, CallOutcome)>;
  // Sends the request.
  ObjectStream(std::shared_ptr<Connection> connection, absl::string_view target,
               CallOptions options, Deadline deadline, absl::Duration hang_timeout,
               absl::Span<const ArgumentRef> arguments, Settle settle);
  // One that has ended already.
  explicit ObjectStream(absl::Status ended);
  ObjectStream(ObjectStream&&) noexcept;
  ObjectStream& operator=(ObjectStream&&) noexcept;
  // Tells the worker to stop, if it goes on.
  ~ObjectStream();

  // The next result; nullopt at the end: then status() says why.
  std::optional<Object> Next();
  const absl::Status& status() const { return status_; }
  void Cancel();
  // CallOutcome::shut_out.
  bool shut_out() const { return shut_out_; }

 private:
  struct State;
  void End(CallOutcome outcome);
  void Stop();

  std::unique_ptr<State> state_;  // null when it has ended
  absl::Status status_;
  bool shut_out_ = false;
};

// Move-only, thread-compatible. Must be used up or destroyed before the session's end to be of use;
// afterwards Next gives what had arrived, then false.
template <typename R>
class ResultStream {
 public:
  ResultStream(std::string target, ObjectStream objects)
      : target_(std::move(target)), objects_(std::move(objects)) {}

  // Waits for the next result. False at the end.
  bool Next() {
    value_.reset();
    if (!status_.ok()) return false;
    std::optional<Object> object = objects_.Next();
    if (!object.has_value()) {
      status_ = objects_.status();
      return false;
    }
    auto converted = ConvertResult<R>(target_, absl::StatusOr<Object>(*std::move(object)));
    if (converted.ok()) {
      value_.emplace(*std::move(converted));
    } else {
      status_ = converted.status();
      objects_ = ObjectStream(status_);
    }
    return value_.has_value();
  }
  // REQUIRES: the last Next() was true. Valid until the next one; what is copied or moved from it
  // longer.
  Decoded<R>& value() { return *value_; }
  // OK while it goes on, and at its end if it ended by itself. Otherwise as Call's;
  // FAILED_PRECONDITION in a process that was forked from the stream's.
  const absl::Status& status() const { return status_; }
  // No more results are wanted: status() is CANCELLED after those that have arrived. Destroying the
  // stream does the same.
  void Cancel() { objects_.Cancel(); }

  // For range-for. Begins with the next result.
  class Iterator {
   public:
    explicit Iterator(ResultStream* stream) : stream_(stream) { ++*this; }
    Decoded<R>& operator*() const { return stream_->value(); }
    Iterator& operator++() {
      if (!stream_->Next()) stream_ = nullptr;
      return *this;
    }
    bool operator!=(std::nullptr_t) const { return stream_ != nullptr; }

   private:
    ResultStream* stream_;
  };
  Iterator begin() { return Iterator(this); }
  std::nullptr_t end() { return nullptr; }

 private:
  std::string target_;
  ObjectStream objects_;
  std::optional<Decoded<R>> value_;
  absl::Status status_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_RESULT_STREAM_H_
