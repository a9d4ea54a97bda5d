// Connection: one worker process, from its start to its end.
//
//   auto connection = Connection::Start(options, pool, codecs, end);
//   CallInProgress call(*connection, ...);                       // call_in_progress.h
//   absl::Status gone = (*connection)->Shutdown(absl::Seconds(5));

#ifndef SLABPIPE_SESSION_CONNECTION_H_
#define SLABPIPE_SESSION_CONNECTION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/handle_releaser.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/log_queue.h"
#include "slabpipe/session/output_reader.h"
#include "slabpipe/session/remote_handles.h"
#include "slabpipe/session/reply_router.h"
#include "slabpipe/session/resource_limits.h"
#include "slabpipe/session/target.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/session/worker_health.h"
#include "slabpipe/session/worker_loss.h"
#include "slabpipe/session/worker_process.h"
#include "slabpipe/transport/ring_pipe.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

struct ConnectionOptions {
  std::string program;
  std::vector<std::string> arguments;
  EnvironmentChanges environment;
  std::string working_directory;
  ResourceLimits limits;
  std::optional<int> niceness;
  HelloInfo hello;
  PipeOptions pipe;
  absl::Duration start_timeout;
  std::shared_ptr<LogQueue> logs;
  const Cancellation* interrupt = nullptr;  // of the start; borrowed till its end
};

// What a caller is told when its worker is lost.
struct Loss {
  absl::Status status = absl::OkStatus();  // has a WorkerLoss
  bool may_have_run = true;                // false: the worker had not begun the call
};

// Thread-safe. Whoever still holds it when its session is gone finds it over.
class Connection {
 public:
  // Spawns the worker and shakes hands. NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED: it could
  // not be spawned; RESOURCE_EXHAUSTED: it refuses for want of memory or descriptors, too;
  // DEADLINE_EXCEEDED: it said nothing in time; UNAVAILABLE: it ended; FAILED_PRECONDITION: it is
  // of another version, or refuses; CANCELLED: interrupted. `end` is told how it ended, if it did.
  static absl::StatusOr<std::shared_ptr<Connection>> Start(
      const ConnectionOptions& options, std::shared_ptr<ShmPool> pool,
      std::shared_ptr<const CodecRegistry> codecs, std::optional<WorkerEnd>& end);
  ~Connection();

  // For calls. Sends a request; where it stands in the pipe is in `sent`. On failure nothing was
  // sent, or the connection is over; `worker_is_full`: because the worker takes nothing. Otherwise
  // DEADLINE_EXCEEDED and CANCELLED mean that another message was on its way, or the arguments took
  // too long.
  struct RequestHead {
    uint64_t id;
    absl::string_view target;
    Deadline deadline;
    uint32_t credit = 0;
    bool reports = false;
    std::stop_token cancellation = {};
    absl::Duration hang_timeout = absl::InfiniteDuration();
  };
  absl::Status SendRequest(const RequestHead& head, absl::Span<const ArgumentRef> arguments,
                           uint64_t& sent, bool& worker_is_full);
  // The worker is told: now, if that takes no longer than till the deadline, otherwise behind the
  // next message that goes out. `overdue`: because the call's own deadline has passed.
  void SendCancel(uint64_t id, bool overdue, Deadline deadline);
  // So many more items of the request may come.
  absl::Status SendCredit(const RequestHead& head);
  // What the worker answered: a result, or the function's error. DATA_LOSS in `broken` if it is
  // neither: the connection is over then.
  struct Answer {
    absl::Status broken;
    absl::StatusOr<Object> result;
  };
  Answer ReadAnswer(const Received& received, absl::string_view target);
  Answer ReadItem(const Received& received, absl::string_view target);
  // Kills a worker that has not answered in time: SIGTERM, and after the grace SIGKILL. `phase` as
  // in TimedOut. Waits for that; BeginToTerminate, if there can be a thread for it, does not.
  void Terminate(const std::string& phase, absl::Duration grace);
  void BeginToTerminate(const std::string& phase, absl::Duration grace);
  // Kills it if it has given no sign of life for so long.
  void TerminateIfHung(absl::Duration timeout, absl::string_view target);
  // For a caller that was `doing` something when the connection ended: how it did, and what stderr
  // said last. `sent`: where its request stands, 0 if it was not sent.
  // `target` and `call`: what was called, if it was a call. Waits for the process to end; but if it
  // is being killed for another call, with a grace, not longer than the `patience`.
  Loss Lost(absl::string_view doing, uint64_t sent, absl::string_view target = "",
            uint64_t call = 0, Deadline patience = Deadline::Never());
  // Whether its process has ended; waits for that like Lost. REQUIRES: it is over.
  bool AwaitEnd(Deadline patience) { return EndProcess(patience); }

  absl::Status Ping(Deadline deadline);
  // Sends the releases of all handles that have been dropped.
  absl::Status ReleaseHandles(Deadline deadline);
  // Asks the worker to go, waits, kills it if it does not in time (DEADLINE_EXCEEDED). UNAVAILABLE,
  // DATA_LOSS: it is lost meanwhile. Calls that are waiting get their answers or, in the end, an
  // error.
  absl::Status Shutdown(absl::Duration grace);

  // Puts what the worker has printed so far into the log queue.
  void ReadOutput() { output_->ReadNow(); }

  // Kills the worker if it still runs; when this returns, end() is known.
  void Kill();

  ReplyRouter& router() { return router_; }
  const std::vector<TargetInfo>& targets() const { return targets_; }
  pid_t pid() const { return process_.pid(); }
  const MessagePipe& pipe() const { return channel_->pipe(); }
  WorkerHealth Health() const;
  // Objects that main has handles of.
  size_t handle_count() const { return handles_->size(); }
  // Why nothing can be called any more; OK while it can.
  absl::Status over() const { return router_.over(); }
  // Whether it was this side that ended it, or is about to: by Shutdown or Kill.
  bool closing() const { return router_.closing(); }
  // How the worker ended; nullopt while it runs.
  std::optional<WorkerEnd> end() const { return process_.end(); }
  // Whether another part of this program has closed the socket behind its back, and all else.
  bool DescriptorsWereClosed() const { return IdentityOf(socket_) != socket_file_; }

  // That of whoever drives the calls that no caller waits for (async_calls.h).
  Waiter& async_waiter() { return async_waiter_; }

 private:
  struct Parts;
  static absl::Status Spawn(const ConnectionOptions& options, Parts& parts);
  Connection(const ConnectionOptions& options, Parts parts, std::shared_ptr<ShmPool> pool,
             std::shared_ptr<const CodecRegistry> codecs);

  absl::Status ShakeHands(HelloInfo hello, const ConnectionOptions& options);
  absl::Status SendPatiently(const RequestHead& head,
                             absl::FunctionRef<absl::Status(const Wait&)> step);
  Answer Judge(Answer answer, const absl::Status& read, absl::string_view target);
  absl::Status PassOn(const Received& received);
  absl::Status WriteRequest(const RequestHead& head, absl::Span<const ArgumentRef> arguments,
                            uint64_t& sent, bool& worker_is_full);
  // Whoever has sent something sends what others had no time to.
  absl::Status Send(absl::FunctionRef<void(schemas::Message::Builder)> fill, const Wait& wait);
  void SendOwed(Deadline deadline);
  // After a send that failed: all is as before, unless the pipe is over.
  void NoteFailedSend();
  // Another caller has asked the worker to go: waits for that, ends it by force at the deadline.
  absl::Status AwaitShutdown(Deadline deadline);
  // Whether the process has ended by the deadline, and before somebody else has ended the
  // connection.
  bool AwaitProcess(Deadline deadline);
  // Ends the process, or waits for that. False if another thread is about to, after a grace, and
  // has not by then.
  bool EndProcess(Deadline patience = Deadline::Never());
  // Now and then, while nobody waits for the worker: hears what it says; if it has ended, it is no
  // zombie any more.
  void LookAround();

  const std::string program_;
  const std::shared_ptr<ShmPool> pool_;  // whose peer it is
  const std::shared_ptr<const CodecRegistry> codecs_;
  const std::shared_ptr<LogQueue> logs_;
  const int socket_;  // the pipe's; only to be looked at
  const FileIdentity socket_file_;
  WorkerProcess process_;
  std::unique_ptr<OutputReader> output_;
  RingPipe* ring_pipe_;  // channel_'s
  std::unique_ptr<Channel> channel_;
  ReplyRouter router_;
  Waiter async_waiter_;
  std::vector<TargetInfo> targets_;
  bool greeted_ = false;  // the handshake is over

  struct OwedCancel {
    uint64_t id;
    bool overdue;
  };
  std::atomic<bool> owes_ = false;  // owed_ is not empty
  std::mutex owed_mutex_;           // guards the next
  std::vector<OwedCancel> owed_;    // that the worker was not told yet

  std::shared_ptr<RemoteHandles> handles_;
  // Its thread sends: it ends before all else does.
  HandleReleaser handle_releaser_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CONNECTION_H_
