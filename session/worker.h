// Worker: a program that main calls functions of.
//
//   double Mean(const slabpipe::NdArray<const double>& x);
//
//   int main(int argc, char** argv) {
//     slabpipe::Worker worker(argc, argv);
//     worker.Register("stats.mean", Mean, "Arithmetic mean of x, any shape.");
//     return worker.Serve();
//   }
//
// Functions run one after the other, on the thread that called Serve, unless ServeOptions asks for
// more threads. One that takes long has a CallContext& among its parameters (call_context.h),
// through which it learns that nobody waits any more, and tells how far it is. What a function
// throws, or returns as a status, goes to its caller, and the worker goes on. A worker ends when
// main asks it to, or when main is gone, however it went.
//
// What it prints reaches main's log; it can't disturb the protocol. Its stdin is empty. It leads a
// process group of its own: Ctrl-C at main's terminal is not for it, and what it has started ends
// with it. Of main it has neither signal handlers, nor a signal mask, nor open descriptors.

#ifndef SLABPIPE_SESSION_WORKER_H_
#define SLABPIPE_SESSION_WORKER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/session/call_context.h"
#include "slabpipe/session/function.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/target.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {

struct ServeOptions {
  // How many functions may run at a time. Above 1 they must be thread-safe, and answers come in any
  // order.
  int threads = 1;
};

// Make one, early in main(), before threads. Register and AddCodec come before Serve. NewArray and
// Log may be called by the worker's functions, from any thread.
class Worker {
 public:
  // Takes the connection to main out of the environment, so that programs which this one starts
  // don't see it.
  Worker(int argc, char** argv);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Offers `function` (a function pointer, a lambda, any copyable callable, a pointer to a member
  // function; see function.h for its parameters and result) under `target`: module.function or
  // module::Class.method. `params` names its parameters, all or none (the object of a method, too);
  // a Param with a default may be left out by callers. Mistakes (a name that is taken or none) are
  // told by Serve, and to main.
  template <typename F>
  void Register(std::string target, F function, std::string documentation = "",
                std::vector<Param> params = {}) {
    AddTarget(std::move(target), MakeFunction(std::move(function)), std::move(documentation),
              std::move(params));
  }
  // A codec of your own; main needs the same. Mistakes as above.
  void AddCodec(std::unique_ptr<Codec> codec);
  // All of them, to put one in front, or to replace the fallback, before Serve.
  CodecRegistry& codecs() { return codecs_; }

  // Serves main until the end. Returns the exit code for main(): 0 if main asked for the end; 2,
  // with a message on stderr, if this program was not started by a main, or was put together
  // wrongly, or lacks threads or descriptors; 3 if main broke the protocol.
  int Serve(const ServeOptions& options = {});

  // An array in shared memory, writable, its elements undefined: as (or in) a function's result it
  // is not copied. FAILED_PRECONDITION before Serve; otherwise as NewSharedArray.
  template <ArrayElement T>
  absl::StatusOr<NdArray<T>> NewArray(absl::Span<const int64_t> shape,
                                      Order order = Order::kRowMajor) {
    absl::StatusOr<AnyNdArray> array = NewAnyArray(kElementTypeOf<T>, shape, order);
    if (!array.ok()) return array.status();
    return NdArray<T>::FromAny(*array);
  }
  absl::StatusOr<AnyNdArray> NewAnyArray(ElementType type, absl::Span<const int64_t> shape,
                                         Order order = Order::kRowMajor);

  // As Session::memory. FAILED_PRECONDITION before Serve.
  SharedMemory memory();

  // Objects that main has handles of; how many there may be at most (1,000,000 unless set): a
  // function that returns one more fails with RESOURCE_EXHAUSTED. From any thread.
  size_t handle_count() const;
  void set_max_handles(size_t max_handles);

  // Of this side's shared memory. All zero before Serve.
  ShmPoolStats pool_stats() const;

  // A line for main's log. Goes to stderr while there is no main. Between calls main looks for it
  // four times a second: who says more then than the pipe holds (PipeOptions) waits here for that.
  void Log(LogSeverity severity, absl::string_view text);

 private:
  class Server;
  void AddTarget(std::string name, Function function, std::string documentation,
                 std::vector<Param> params);

  TargetTable targets_;
  CodecRegistry codecs_;
  absl::Status mistakes_;  // made while registering
  std::unique_ptr<Server> server_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_WORKER_H_
