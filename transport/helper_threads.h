// HelperThreads: a few threads that stand by to share one piece of work with whoever has it.
//
//   HelperThreads::Shared().ForEach(chunks, [&](size_t chunk) { Copy(chunk); });
//
// The caller works, too: it and the helpers take chunks from one counter. A helper that gets no
// processor takes none, so it costs the caller no more than the system call that wakes it. But one
// that loses its processor in the middle of a chunk is waited for, as long as the scheduler
// pleases, which is milliseconds where others compute. So helpers are woken only if a processor is
// idle, which is looked at now and then while the work goes on, and stop when none is any more; and
// a chunk should be short: some ten to some hundred microseconds.
//
// Threads are made when they are first wanted, sleep between calls, take no signals, and are no
// more than the processors that the caller may run on, less one. Where none can be made, or in a
// process that was forked without exec (where they don't exist), the caller does all the work.
//
// The shared ones are the only state that is process-wide: they hold nothing but themselves, and
// exist because processors are the process's, too. They are never destroyed, so that they may be
// used until the very end of the process; asleep, they keep it from nothing.

#ifndef SLABPIPE_TRANSPORT_HELPER_THREADS_H_
#define SLABPIPE_TRANSPORT_HELPER_THREADS_H_

#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace slabpipe {

// When to wake them.
enum class HelpWhen { kAlways, kProcessorsAreIdle };

// Thread-safe.
class HelperThreads {
 public:
  // `max_threads` is a bound, no wish. kAlways is for tests.
  explicit HelperThreads(size_t max_threads, HelpWhen when = HelpWhen::kProcessorsAreIdle);
  // REQUIRES: no ForEach is going on.
  ~HelperThreads();
  HelperThreads(const HelperThreads&) = delete;
  HelperThreads& operator=(const HelperThreads&) = delete;

  static HelperThreads& Shared();

  // Calls work(0), work(1) ... work(count - 1), each once, in any order, by this thread and others
  // at the same time, and returns when all have returned. What they did is visible then to the
  // caller. REQUIRES: `work` throws nothing and does not call ForEach.
  void ForEach(size_t count, absl::FunctionRef<void(size_t)> work);

  // Threads there are now; pieces of work that they, and not their callers, have done.
  size_t threads() const;
  uint64_t chunks_helped() const;

 private:
  struct Job;

  size_t MostHelpers(size_t count) const;
  bool Post(Job& job, size_t most_helpers);
  void Withdraw(Job& job);
  void StartThreads(size_t count);
  Job* FindOpenJob();
  void Help();

  const size_t max_threads_;
  const HelpWhen when_;
  const pid_t process_id_;  // whose threads they are

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable job_posted_;
  std::condition_variable helper_left_;
  std::vector<Job*> jobs_;
  std::vector<std::thread> threads_;
  uint64_t chunks_helped_ = 0;
  bool stopping_ = false;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_HELPER_THREADS_H_
