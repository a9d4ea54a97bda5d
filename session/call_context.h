// CallContext, ResultWriter: what a worker's function may know of the call that it serves, and say
// before it returns.
//
//   absl::Status Sample(int draws, CallContext& context, ResultWriter<NdArray<double>>& out) {
//     for (int i = 0; i < draws; ++i) {
//       if (context.cancelled()) return context.status();
//       context.Report(i, draws, "sampling");
//       if (absl::Status s = out.Write(Draw()); !s.ok()) return s;      // main has stopped
//     }
//     return absl::OkStatus();
//   }
//
// A function asks for them by having them among its parameters, anywhere; callers don't see these.

#ifndef SLABPIPE_SESSION_CALL_CONTEXT_H_
#define SLABPIPE_SESSION_CALL_CONTEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Lives as long as the function runs. Thread-safe: a function may share it with threads of its own
// that end before it returns.
class CallContext {
 public:
  virtual ~CallContext() = default;

  // Whether nobody waits for the answer any more: main has cancelled the call, its deadline has
  // passed, or main is gone. A function that takes long asks now and then, and returns status():
  // cheap, about 50 ns. It is also what tells a function that works from one that hangs.
  virtual bool cancelled() = 0;
  // OK, CANCELLED, or DEADLINE_EXCEEDED.
  virtual absl::Status status() = 0;
  // When main loses patience; Never() if it has no end to it.
  virtual Deadline deadline() const = 0;
  // Sleeps. False as soon as cancelled().
  virtual bool SleepFor(absl::Duration duration) = 0;

  // Tells main how far it is, in any unit; total 0: not known. Cheap: what comes within 50 ms of
  // the last report is dropped, but for one that says it is done.
  virtual void Report(double done, double total = 0, absl::string_view text = "") = 0;

  // The number of the call, as main's log records have it.
  virtual uint64_t id() const = 0;
  virtual const std::string& target() const = 0;

  // One more result, for ResultWriter.
  virtual absl::Status SendItem(const ArgumentRef& item) = 0;

  // That of the function which runs on this thread, for code too deep down to be handed it; null
  // outside of one.
  static CallContext* Current();
};

// Where a function that yields many results puts them: main iterates over them while they come
// (Session::Stream). T is anything that a codec encodes. Thread-safe.
template <typename T>
class ResultWriter {
 public:
  // Borrows the context.
  explicit ResultWriter(CallContext& context) : context_(context) {}

  // Sends a result; waits while main has as many as it wants that it has not looked at. CANCELLED
  // or DEADLINE_EXCEEDED when main wants no more: return then. INVALID_ARGUMENT,
  // RESOURCE_EXHAUSTED: this one can't be sent.
  absl::Status Write(const T& item) { return context_.SendItem(ToArgumentRef(item)); }

 private:
  CallContext& context_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CALL_CONTEXT_H_
