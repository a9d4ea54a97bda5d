// Connection: one worker process, from its start to its end.
//
//   auto connection = Connection::Start(options, pool, codecs, end);
//   absl::StatusOr<Object> result = (*connection)->Call("stats.mean", arguments, deadline);
//   absl::Status gone = (*connection)->Shutdown(absl::Seconds(5));
//
// Calls run on their callers' threads. A caller sends its request, and then either reads the pipe,
// or waits while another caller reads: whoever reads hands the others their answers. When the one
// that reads has its own, another takes over.

#ifndef SLABPIPE_SESSION_CONNECTION_H_
#define SLABPIPE_SESSION_CONNECTION_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/output_reader.h"
#include "slabpipe/session/target.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/transport/ring_pipe.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

struct ConnectionOptions {
  std::string program;
  std::vector<std::string> arguments;
  EnvironmentChanges environment;
  HelloInfo hello;
  PipeOptions pipe;
  absl::Duration start_timeout;
  LogSink log_sink;
};

// Thread-safe. Borrows the pool, whose peer it is, and the registry.
class Connection {
 public:
  // Spawns the worker and shakes hands. NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED: it could
  // not be spawned; DEADLINE_EXCEEDED: it said nothing in time; UNAVAILABLE: it ended;
  // FAILED_PRECONDITION: it is of another version, or refuses. `end` is told how it ended, if it
  // did.
  static absl::StatusOr<std::unique_ptr<Connection>> Start(const ConnectionOptions& options,
                                                           ShmPool& pool,
                                                           const CodecRegistry& codecs,
                                                           std::optional<WorkerEnd>& end);
  ~Connection() { Kill(); }

  // Errors of the function, and of arguments, are as the worker says; DEADLINE_EXCEEDED: the worker
  // goes on, its answer will be dropped; UNAVAILABLE: the worker has ended, and how;
  // FAILED_PRECONDITION: it had ended before.
  absl::StatusOr<Object> Call(absl::string_view target, absl::Span<const ArgumentRef> arguments,
                              Deadline deadline);
  absl::Status Ping(Deadline deadline);
  // Asks the worker to go, waits, kills it if it does not in time (DEADLINE_EXCEEDED). Calls that
  // are waiting get their answers or, in the end, an error.
  absl::Status Shutdown(absl::Duration grace);

  // Kills the worker if it still runs; when this returns, end() is known.
  void Kill();

  const std::vector<TargetInfo>& targets() const { return targets_; }
  pid_t pid() const { return process_.pid(); }
  const MessagePipe& pipe() const { return channel_->pipe(); }
  // Why nothing can be called any more; OK while it can.
  absl::Status over() const;
  // Whether it was this side that ended it, or is about to: by Shutdown or Kill.
  bool closing() const;
  // How the worker ended; nullopt while it runs.
  std::optional<WorkerEnd> end() const;

 private:
  // A caller that waits for an answer; lives on its stack.
  struct Waiter {
    explicit Waiter(schemas::Message::Which answer_kind) : kind(answer_kind) {}
    const schemas::Message::Which kind;  // of the answer
    uint64_t id = 0;
    std::unique_ptr<Received> answer;
    bool asleep = false;
    std::condition_variable wake;  // the answer is there, or this one must read now
  };

  Connection(const ConnectionOptions& options, ChildProcess process,
             std::unique_ptr<OutputReader> output, std::unique_ptr<Channel> channel,
             Cancellation interrupt);

  // For sends. A worker that does not read may itself be waiting for somebody to read what it says,
  // so whoever sends reads meanwhile.
  class Reading : public Meanwhile {
   public:
    explicit Reading(Connection& connection) : connection_(connection) {}
    absl::Duration Arm() override { return connection_.ArmReading(); }
    int fd() override { return connection_.channel_->pipe().fd(); }
    void Run() override { connection_.ReadMeanwhile(); }

   private:
    Connection& connection_;
  };

  absl::Status ShakeHands(HelloInfo hello, RingPipe& pipe, Deadline deadline);
  absl::Status SendRequest(uint64_t id, absl::string_view target,
                           absl::Span<const ArgumentRef> arguments, Deadline deadline);
  static absl::Status EncodeArguments(ValueMessage& message, schemas::Request::Builder request,
                                      absl::Span<const ArgumentRef> arguments,
                                      absl::Span<const AnyRef> models);
  // What the worker answered: a result, or the function's error. Of `decoded` the result, if that
  // could not be decoded.
  struct Answer {
    absl::Status decoded;
    absl::StatusOr<Object> result;
  };
  Answer ReadAnswer(const Received& received, absl::string_view target);
  // The request of `waiter` was not sent: no answer will come.
  void SendFailed(const Waiter& waiter);

  // Enters `waiter` among those that wait, with the id of the next request or ping.
  // FAILED_PRECONDITION if the connection is over, or about to be.
  absl::Status Enter(Waiter& waiter);
  // Its answer. DEADLINE_EXCEEDED, or why the connection is over. In any case it waits no more.
  absl::StatusOr<std::unique_ptr<Received>> Await(Waiter& waiter, Deadline deadline);
  void AwaitTurnToRead(Waiter& waiter, Deadline deadline, std::unique_lock<std::mutex>& lock);
  // Guarded by mutex_, held by the caller:
  void Leave(const Waiter& waiter);
  // Nobody reads any more: wakes one that sleeps, to do so. Those that are awake come by
  // themselves.
  void StopReading();
  Wait SendWait(Deadline deadline) {
    return {.deadline = deadline, .cancellation = &interrupt_, .meanwhile = &reading_meanwhile_};
  }
  absl::Duration ArmReading();
  void ReadMeanwhile();
  // Reads and handles one message, without the lock, for `reader` (may be null). DEADLINE_EXCEEDED
  // if none comes; any other error is the connection's end.
  absl::Status ReadOne(Waiter* reader, Deadline deadline);
  absl::Status Handle(std::unique_ptr<Received> received, Waiter* reader);
  absl::Status Deliver(uint64_t id, schemas::Message::Which kind,
                       std::unique_ptr<Received> received);
  absl::Status PassOn(const Received& received);

  // The connection is over, for this reason; the first one stays.
  void SetOver(const absl::Status& why);
  // Another caller has asked the worker to go: waits for that, ends it by force at the deadline.
  absl::Status AwaitShutdown(Deadline deadline);
  // Waits for the process to end, or kills it.
  void EndProcess();
  WorkerEnd ObserveEnd(const absl::Status& why);
  // The status for a caller that was `doing` something when the connection ended: how, and what
  // stderr said last.
  absl::Status Lost(absl::string_view doing);

  const std::string program_;
  ChildProcess process_;  // guarded by end_mutex_, but for pid()
  std::unique_ptr<OutputReader> output_;
  std::unique_ptr<Channel> channel_;
  const LogSink log_sink_;
  const Cancellation interrupt_;  // ends every wait, when the connection is over
  Reading reading_meanwhile_;
  const PipeOptions pipe_options_;
  std::vector<TargetInfo> targets_;
  bool greeted_ = false;  // the handshake is over

  mutable std::mutex mutex_;  // guards the next
  std::condition_variable over_changed_;
  std::vector<Waiter*> waiting_;                                     // few: one a thread that calls
  std::unordered_map<uint64_t, schemas::Message::Which> abandoned_;  // nobody waits any more
  uint64_t next_id_ = 1;
  bool reading_ = false;               // somebody reads the pipe
  std::atomic<bool> closing_ = false;  // Shutdown has begun
  absl::Status over_;

  mutable std::mutex end_mutex_;  // guards the next
  std::optional<WorkerEnd> end_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CONNECTION_H_
