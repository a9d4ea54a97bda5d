// Session: a main process, its worker, and calls between them.
//
//   auto session = slabpipe::Session::Start({.program = "stats_worker"});
//   if (!session.ok()) return session.status();
//   auto x = session->NewArray<double>({1000, 1000});   // in shared memory: sending copies nothing
//   absl::StatusOr<double> mean = session->Call<double>("stats.mean", *x);
//   auto fit = session->Call<slabpipe::Dataset>({.timeout = absl::Minutes(5)}, "bayes.fit", table,
//                                               slabpipe::Named("chains", 4));
//   if (!fit.ok()) std::cerr << fit.status() << "\n";
//
// Errors. What the worker's function returned or threw comes with its own code, message and
// traceback (as a value: GetRemoteError, remote_error.h), and the worker goes on. Otherwise (as a
// value, if the worker is lost: GetWorkerLoss, worker_loss.h):
//   UNAVAILABLE          the worker is lost; the message says how it ended, what its stderr said
//                        last, and whether a new one is running. A call that it may have begun is
//                        never repeated by itself, unless CallOptions::idempotent says so
//   DATA_LOSS            it broke the protocol, and was killed; the rest as for UNAVAILABLE
//   DEADLINE_EXCEEDED    no answer in time; the worker was told, and CallOptions::on_deadline says
//                        what became of it. (If it was the grace of a Shutdown that ended, the
//                        worker is gone)
//   CANCELLED            by CallOptions::cancellation or Future::Cancel, or another thread has
//                        ended the session meanwhile
//   INVALID_ARGUMENT     arguments that can't be sent or don't fit, or a result that is no R
//   NOT_FOUND            there is no such target
//   FAILED_PRECONDITION  there is no worker (any more); one side lacks a codec; a handle is stale;
//                        this process is a fork of the session's, which alone can use it
//   RESOURCE_EXHAUSTED   no memory, no descriptors; the message names the limit
// A call that loses its worker also starts the new one, as far as its deadline and
// SessionOptions::restart allow; otherwise the next call does.
//
// What a call has returned stays valid when the worker restarts, dies, or the session is gone.

#ifndef SLABPIPE_SESSION_SESSION_H_
#define SLABPIPE_SESSION_SESSION_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/record.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/environment.h"
#include "slabpipe/session/environment_scope.h"
#include "slabpipe/session/future.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/session/result_stream.h"
#include "slabpipe/session/session_options.h"
#include "slabpipe/session/target.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/session/worker_health.h"
#include "slabpipe/session/worker_loss.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {

class Connection;
class Proxy;
class SessionCore;

// Movable: one that has been moved from has no worker, and what is asked of it is
// FAILED_PRECONDITION. Thread-safe, but for being moved and destroyed: that may happen on any
// thread.
class Session {
 public:
  // Starts the worker and shakes hands. The errors are those of Connection::Start: NOT_FOUND with
  // where the program was looked for; UNAVAILABLE and DEADLINE_EXCEEDED for a worker that ended or
  // said nothing, with its stderr; ... INVALID_ARGUMENT for arguments and variables that no program
  // would see as they are.
  static absl::StatusOr<Session> Start(SessionOptions options);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  // As Shutdown(shutdown_grace).
  ~Session();

  // Calls a function of the worker's. Arguments are anything that a codec accepts, and Named(name,
  // value) after the positional ones; arrays that lie in shared memory are not copied. R is what
  // the result is to be taken as, and says what Call returns:
  //   numbers, texts, Value, NdArray, Dataset, ...: they keep their bytes   StatusOr<R>
  //   any other R, by a codec of your own                                   StatusOr<Leased<R>>
  //   Object: any result, to be looked at                                   StatusOr<Object>
  //   void: the result is dropped                                           Status
  template <typename R = void, typename... Args>
  auto Call(absl::string_view target, const Args&... arguments) {
    return Call<R>(CallOptions(), target, arguments...);
  }
  template <typename R = void, typename... Args>
  auto Call(const CallOptions& options, absl::string_view target, const Args&... arguments) {
    const std::vector<ArgumentRef> refs = {ToArgumentRef(arguments)...};
    return ConvertResult<R>(target, CallObject(options, target, refs));
  }
  absl::StatusOr<Object> CallObject(const CallOptions& options, absl::string_view target,
                                    absl::Span<const ArgumentRef> arguments);

  // The same, but does not wait for the answer: see future.h. The arguments are sent, or copied,
  // before it returns; any number of calls may be in flight. A worker runs them one after the other
  // unless it has several threads (ServeOptions).
  template <typename R = void, typename... Args>
  Future<R> Submit(absl::string_view target, const Args&... arguments) {
    return Submit<R>(CallOptions(), target, arguments...);
  }
  template <typename R = void, typename... Args>
  Future<R> Submit(const CallOptions& options, absl::string_view target, const Args&... arguments) {
    const std::vector<ArgumentRef> refs = {ToArgumentRef(arguments)...};
    return Future<R>(std::string(target), SubmitObject(options, target, refs));
  }
  std::shared_ptr<AsyncResult> SubmitObject(const CallOptions& options, absl::string_view target,
                                            absl::Span<const ArgumentRef> arguments);

  // Calls a function that yields many results (ResultWriter), each to be taken as R: see
  // result_stream.h.
  template <typename R, typename... Args>
  ResultStream<R> Stream(absl::string_view target, const Args&... arguments) {
    return Stream<R>(CallOptions(), target, arguments...);
  }
  template <typename R, typename... Args>
  ResultStream<R> Stream(const CallOptions& options, absl::string_view target,
                         const Args&... arguments) {
    const std::vector<ArgumentRef> refs = {ToArgumentRef(arguments)...};
    return ResultStream<R>(std::string(target), StreamObjects(options, target, refs));
  }
  ObjectStream StreamObjects(const CallOptions& options, absl::string_view target,
                             absl::Span<const ArgumentRef> arguments);

  // Whether the worker answers. It does so after what it is running. The errors are those of a
  // call.
  absl::Status Ping(absl::Duration timeout);

  // The worker frees an object when main has dropped the last copy of its handle. It hears of that
  // with the next message; when many have been dropped, soon; or at once by this. The errors are
  // those of a call.
  absl::Status ReleaseHandles(absl::Duration timeout = absl::InfiniteDuration());

  // Asks the worker to go, waits at most `grace` for it to finish what it runs, and kills it then
  // (DEADLINE_EXCEEDED). UNAVAILABLE, DATA_LOSS: it is lost before that, as in a call. Calls that
  // are waiting get their answers, or an error at the end of the grace. Afterwards calls fail,
  // until Restart.
  absl::Status Shutdown(absl::Duration grace);

  // Ends the worker, if one runs, and starts a new one; with another environment, if one is given.
  // Errors as for Start; then there is no worker, and Restart may be tried again. (With variables
  // that can't be, INVALID_ARGUMENT, the old worker goes on.)
  absl::Status Restart(std::optional<EnvironmentChanges> environment = std::nullopt);
  // The same with a named environment: what that does not say is as in the options. Later restarts
  // stay in it. If it can't be used for a reason that is known before (INVALID_ARGUMENT, or
  // NOT_FOUND: its program), the old worker goes on.
  absl::Status Restart(const Environment& environment);

  // A scope: inside it the worker runs in `environment`, after it in that of before, whatever
  // happens. It holds for all threads. If the worker can't be started there, it runs as before when
  // this returns, and the error says so. FAILED_PRECONDITION inside another scope, whose
  // environment it names; so is a Restart with an environment.
  absl::StatusOr<EnvironmentScope> Within(const Environment& environment);
  // The name of the environment that the worker runs in; nullopt: that of the options.
  std::optional<std::string> environment() const;

  // Waits until the log sink has been told all that the worker has said so far: what it has printed
  // (but for an unfinished line), and the records that came before an answer. DEADLINE_EXCEEDED;
  // FAILED_PRECONDITION in the sink itself. Shutdown and the destructor do so by themselves, for
  // one second and five.
  absl::Status FlushLogs(absl::Duration timeout);

  // An array in shared memory, writable, its elements undefined: as an argument it is not copied,
  // at any size. Don't write to it while the worker uses it. It may outlive the session.
  // INVALID_ARGUMENT for a shape that is none; RESOURCE_EXHAUSTED.
  template <ArrayElement T>
  absl::StatusOr<NdArray<T>> NewArray(absl::Span<const int64_t> shape,
                                      Order order = Order::kRowMajor) {
    absl::StatusOr<AnyNdArray> array = NewAnyArray(kElementTypeOf<T>, shape, order);
    if (!array.ok()) return array.status();
    return NdArray<T>::FromAny(*array);
  }
  absl::StatusOr<AnyNdArray> NewAnyArray(ElementType type, absl::Span<const int64_t> shape,
                                         Order order = Order::kRowMajor);

  // Where columns and tables get their memory from if they are to lie in shared memory from the
  // start: Table::Copy, Concatenate, ReadAll. Valid as long as the session, what it gives longer.
  SharedMemory memory();

  // What the worker offers, in its order. Empty if there is no worker.
  std::vector<TargetInfo> targets() const;
  // The same for people: signatures and documentation of all, or of one target or module (NOT_FOUND
  // with what may have been meant). See describe.h.
  std::string Describe() const;
  absl::StatusOr<std::string> Describe(absl::string_view name) const;
  // The functions of `module` or `module::Class` under their short names: include proxy.h.
  // NOT_FOUND with what may have been meant.
  absl::StatusOr<Proxy> Module(absl::string_view scope);
  // Whether the worker works, waits, or is stuck: from what it shows, without asking it.
  WorkerHealth health() const;
  // -1 if there is none. A worker may end by itself, and its number become another process's: what
  // is to be killed is asked for its health() first, and better left to the session.
  pid_t worker_pid() const;
  // How the last worker that ended did so.
  std::optional<WorkerEnd> last_end() const;
  SessionStats stats() const;

 private:
  explicit Session(std::shared_ptr<SessionCore> core);
  absl::Status CheckNotMovedFrom() const;
  // Null if there is no worker.
  std::shared_ptr<Connection> connection() const;

  std::shared_ptr<SessionCore> core_;  // null: moved from
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SESSION_H_
