// ReplyRouter: main's end of a connection: whoever waits for an answer reads, and hands the others
// theirs.
//
//   Waiter waiter;
//   PendingReply reply(schemas::Message::RESPONSE, waiter);
//   absl::Status entered = router.Enter(reply);                 // gives it an id
//   ... send the request with reply.id ...
//   Happening now = router.Await(reply, deadline);            // an answer, an item, progress, ...
//
// A thread that waits either reads the pipe, or sleeps while another one does. When the one that
// reads has what it wants, it wakes another to take over.

#ifndef SLABPIPE_SESSION_REPLY_ROUTER_H_
#define SLABPIPE_SESSION_REPLY_ROUTER_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/session/call_history.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

class PendingReply;

// One thread's, for one reply or for many. Its members are the router's.
class Waiter {
 private:
  friend class ReplyRouter;
  bool asleep_ = false;
  bool nudged_ = false;
  absl::InlinedVector<PendingReply*, 1> happened_;
  std::condition_variable wake_;
};

// Something that was asked of the worker and is not answered yet.
class PendingReply {
 public:
  // `answer_kind`: the kind of message that answers it. Borrows the waiter, and the name of what
  // was called.
  PendingReply(schemas::Message::Which answer_kind, Waiter& waiter, absl::string_view name = "")
      : kind_(answer_kind), waiter_(waiter), name_(name) {}
  PendingReply(const PendingReply&) = delete;
  PendingReply& operator=(const PendingReply&) = delete;

  // Since Enter.
  uint64_t id() const { return id_; }
  // So many items may come, and wait here. Before the request is sent.
  void AllowItems(uint32_t credit) { credit_ = credit; }

 private:
  friend class ReplyRouter;
  const schemas::Message::Which kind_;
  Waiter& waiter_;
  const absl::string_view name_;
  uint64_t id_ = 0;
  // Guarded by the router's mutex. The first, and `answer_` while its own thread reads, that thread
  // alone writes.
  bool pending_ = false;
  bool cancelled_ = false;
  bool told_cancelled_ = false;
  bool ended_ = false;  // its answer has come, and is counted
  bool noted_ = false;  // among what has happened to the waiter's replies
  uint32_t credit_ = 0;
  std::unique_ptr<Received> answer_;
  std::deque<std::unique_ptr<Received>> items_;
  std::unique_ptr<Progress> progress_;
};

// What has happened to a reply: the first that there is, in this order.
struct Happening {
  std::unique_ptr<Progress> progress;  // the latest
  std::unique_ptr<Received> item;
  std::unique_ptr<Received> answer;  // it is pending no more
  bool over = false;                 // nothing will come: over() says why. It is pending no more
  bool cancelled = false;            // once

  bool nothing() const {
    return progress == nullptr && item == nullptr && answer == nullptr && !over && !cancelled;
  }
};

// Thread-safe. Borrows the channel.
class ReplyRouter {
 public:
  // `events` takes what is no reply (on whichever thread reads); its error ends the connection.
  // `interrupt` is cancelled when the connection is over; `poke`, when the thread that reads has to
  // look up. Nobody else uses them.
  using EventSink = std::function<absl::Status(const Received& event)>;
  ReplyRouter(Channel& channel, EventSink events, Cancellation interrupt, Cancellation poke);

  // Gives it an id, and waits for its answer from here on. FAILED_PRECONDITION if the connection is
  // over, or closing.
  absl::Status Enter(PendingReply& reply);
  // Its request was not sent: nothing will come.
  void Withdraw(PendingReply& reply);
  // Nobody waits for it any more; what comes is dropped.
  void Abandon(PendingReply& reply);
  // Says to its waiter that it is cancelled.
  void Cancel(PendingReply& reply);
  // So many more items may come.
  void AllowMore(PendingReply& reply, uint32_t items);

  // Waits until something has happened to `reply`; nothing if the deadline passes. One thread for a
  // waiter.
  Happening Await(PendingReply& reply, Deadline deadline);
  // The same for all replies of a waiter: waits until something has happened to one of them,
  // somebody nudges it, the deadline passes, or the connection is over. Then Look at those that it
  // names.
  std::vector<PendingReply*> AwaitAny(Waiter& waiter, Deadline deadline);
  Happening Look(PendingReply& reply);
  void Nudge(Waiter& waiter);

  // What was called, of a call that has no answer yet, or was the last to get one; empty for
  // others.
  std::string TargetOf(uint64_t id) const;

  // No more requests: says so once, to the first that asks (false: somebody else has).
  bool Close();
  bool closing() const { return closing_; }
  // The goodbye. REQUIRES: Close() said true.
  void EnterGoodbye(PendingReply& reply);

  // The connection is over, for this reason; the first one stays.
  void SetOver(const absl::Status& why);
  absl::Status over() const;
  // DEADLINE_EXCEEDED if it is not over by then.
  absl::Status AwaitOver(Deadline deadline);

  // Which call ran when, for what the worker prints meanwhile. Until more is said, one at a time.
  const CallHistory& history() const { return history_; }
  void SetConcurrency(uint32_t calls);
  // Reads what is there already, if nobody else reads: what the worker says while nobody waits for
  // it is heard so, and does not fill the pipe. For whoever looks in now and then, once the
  // handshake is over. True if nothing is left to be read, and nobody is reading.
  bool ReadWhatIsThere();
  // Passes on the events that have come and that nobody has read, once: another thread that asks
  // waits until that is done. REQUIRES: it is over, and nothing more comes.
  void DrainEvents();

  // For sends. A worker that does not read may itself be waiting for somebody to read what it says,
  // so whoever sends reads meanwhile.
  Wait SendWait(Deadline deadline) {
    return {.deadline = deadline, .cancellation = &interrupt_, .meanwhile = &reading_meanwhile_};
  }
  // Whether anything that was asked has been answered.
  bool has_answered() const { return has_answered_; }
  const Cancellation& poke() const { return poke_; }

 private:
  class Reading : public Meanwhile {
   public:
    explicit Reading(ReplyRouter& router) : router_(router) {}
    absl::Duration Arm() override { return router_.ArmReading(); }
    int fd() override { return router_.channel_.pipe().fd(); }
    void Run() override { router_.ReadMeanwhile(); }

   private:
    ReplyRouter& router_;
  };
  class History : public CallHistory {
   public:
    explicit History(const ReplyRouter& router) : router_(router) {}
    uint64_t ended() const override;
    CallName RanAlone(uint64_t since_ended, absl::Duration at_most) const override;

   private:
    const ReplyRouter& router_;
  };
  // What may still come for a reply that was abandoned.
  struct Abandoned {
    schemas::Message::Which kind;
    uint32_t credit;
    std::string name;
  };

  absl::Duration ArmReading();
  void ReadMeanwhile();
  // Reads and handles one message, without the lock. DEADLINE_EXCEEDED if none comes, CANCELLED if
  // poked; any other error is the connection's end. `own` is the reader's reply, or null.
  absl::Status ReadOne(PendingReply* own, Deadline deadline);
  void PassOnLastEvents();
  absl::Status Handle(std::unique_ptr<Received> received, PendingReply* own);
  // All with the lock held:
  absl::Status Deliver(uint64_t id, schemas::Message::Which kind,
                       std::unique_ptr<Received> received);
  absl::Status DeliverItem(uint64_t id, std::unique_ptr<Received> received);
  void DeliverProgress(schemas::Progress::Reader progress);
  PendingReply* Find(uint64_t id) const;
  void Notify(PendingReply& reply);
  void Forget(PendingReply& reply);
  void NoteAnswer(PendingReply& reply);
  void NoteEnd(uint64_t id, absl::string_view name);
  // That run in the worker, or wait there for their turn.
  std::vector<CallName> CallsInFlight() const;
  Happening Take(PendingReply& reply);
  // Reads one message, or sleeps until somebody wakes the waiter.
  void Step(std::unique_lock<std::mutex>& lock, Waiter& waiter, PendingReply* own,
            Deadline deadline);
  // The caller reads no more: if nobody else does, wakes one that sleeps to do so.
  void PassOnReading();
  void Wake(Waiter& waiter);
  void EndLocked(const absl::Status& why);

  Channel& channel_;
  const EventSink events_;
  const History history_;
  const Cancellation interrupt_;  // ends every send when the connection is over
  const Cancellation poke_;       // makes the thread that reads look up
  Reading reading_meanwhile_;
  std::atomic<bool> closing_ = false;
  std::atomic<bool> has_answered_ = false;

  mutable std::mutex mutex_;  // guards the next
  std::condition_variable over_changed_;
  std::vector<PendingReply*> pending_;  // by id
  std::vector<Waiter*> asleep_;
  std::unordered_map<uint64_t, Abandoned> abandoned_;
  uint64_t next_id_ = 1;
  uint32_t concurrency_ = 1;    // calls that the worker runs at a time
  uint64_t ended_ = 0;          // calls
  CallName last_ended_;         // of them
  int64_t last_end_ = 0;        // when it ended; CoarseNanoseconds
  int64_t one_before_end_ = 0;  // and the one before it
  bool reading_ = false;        // somebody reads the pipe
  bool drained_ = false;        // the last events are passed on; nobody reads any more
  Waiter* reader_ = nullptr;    // who, if it waits for something itself
  absl::Status over_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_REPLY_ROUTER_H_
