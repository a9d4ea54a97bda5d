// Proxy: the functions of one module of the worker's, or of one class, under their short names.
//
//   absl::StatusOr<Proxy> stats = session.Module("stats");
//   if (!stats.ok()) return stats.status();                         // NOT_FOUND: no such module
//   absl::StatusOr<double> mean = stats->Call<double>("mean", x);   // calls stats.mean
//   absl::StatusOr<Proxy> model = session.Module("bayes::Model");
//
// Cheap to make and to copy.

#ifndef SLABPIPE_SESSION_PROXY_H_
#define SLABPIPE_SESSION_PROXY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/session/session.h"

namespace slabpipe {

// Borrows the session, which must neither be moved nor destroyed while the proxy is used. It goes
// on with the session's next worker. Thread-safe.
class Proxy {
 public:
  // As Session::Call, with the name that stands behind the module's: `mean` for `stats.mean`.
  template <typename R = void, typename... Args>
  auto Call(absl::string_view function, const Args&... arguments) const {
    return session_->Call<R>(Target(function), arguments...);
  }
  template <typename R = void, typename... Args>
  auto Call(const CallOptions& options, absl::string_view function,
            const Args&... arguments) const {
    return session_->Call<R>(options, Target(function), arguments...);
  }
  absl::StatusOr<Object> CallObject(const CallOptions& options, absl::string_view function,
                                    absl::Span<const ArgumentRef> arguments) const {
    return session_->CallObject(options, Target(function), arguments);
  }

  // As Session::Submit and Session::Stream.
  template <typename R = void, typename... Args>
  Future<R> Submit(absl::string_view function, const Args&... arguments) const {
    return session_->Submit<R>(Target(function), arguments...);
  }
  template <typename R = void, typename... Args>
  Future<R> Submit(const CallOptions& options, absl::string_view function,
                   const Args&... arguments) const {
    return session_->Submit<R>(options, Target(function), arguments...);
  }
  template <typename R, typename... Args>
  ResultStream<R> Stream(absl::string_view function, const Args&... arguments) const {
    return session_->Stream<R>(Target(function), arguments...);
  }
  template <typename R, typename... Args>
  ResultStream<R> Stream(const CallOptions& options, absl::string_view function,
                         const Args&... arguments) const {
    return session_->Stream<R>(options, Target(function), arguments...);
  }

  const std::string& scope() const { return scope_; }
  // The whole name of one of its functions.
  std::string Target(absl::string_view function) const {
    return absl::StrCat(scope_, ".", function);
  }
  // As Session::Describe of the module.
  absl::StatusOr<std::string> Describe() const { return session_->Describe(scope_); }

 private:
  friend class Session;
  Proxy(Session& session, std::string scope) : session_(&session), scope_(std::move(scope)) {}

  Session* session_;
  std::string scope_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_PROXY_H_
