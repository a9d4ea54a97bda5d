#include "slabpipe/transport/helper_threads.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <system_error>

#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {
namespace {

// Memory's bandwidth is used up by a few threads; more would only take processors from others.
constexpr size_t kMaxSharedThreads = 3;

// How long the caller, out of work, looks for helpers to finish before it sleeps. Waking up takes
// about as long as this, a chunk less. Sleeping, it frees its processor, and a helper that has lost
// its own to somebody else gets that one.
constexpr std::chrono::microseconds kSpin(50);

// After so many chunks it is asked again whether processors are idle.
constexpr size_t kChunksBetweenLooks = 4;

size_t Processors() {
  static const auto processors = static_cast<size_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  return processors;
}

// Processors that this thread may run on.
size_t UsableProcessors() {
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof(usable), &usable) == 0) {
    return static_cast<size_t>(CPU_COUNT(&usable));
  }
  return Processors();  // more of them than a cpu_set_t has
}

// Threads on this machine that run or wait for a processor, this one included; more than there are
// processors if the kernel does not say. Takes 3 us. Source: /proc/loadavg, the first half of the
// fourth field, proc(5).
size_t RunnableThreads() {
  const UniqueFd file(::open("/proc/loadavg", O_RDONLY | O_CLOEXEC));
  char text[128];
  const ssize_t length = file.valid() ? ::read(file.get(), text, sizeof(text) - 1) : -1;
  text[std::max<ssize_t>(length, 0)] = '\0';
  size_t runnable = 0;
  return std::sscanf(text, "%*f %*f %*f %zu", &runnable) == 1 ? runnable : Processors() + 1;
}

// New threads inherit the mask: signals are for the program's own threads, but for those that an
// instruction of the thread's own raises.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    ::sigfillset(&all);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) {
      ::sigdelset(&all, own);
    }
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

// Lives on the stack of its caller, from Post to the end of Withdraw.
struct HelperThreads::Job {
  // Does what is left to do, `most` chunks at most. Returns how many chunks.
  size_t Work(size_t most) {
    for (size_t done = 0; done < most; ++done) {
      // relaxed: the counter only deals out chunks. What a helper needs to see of its caller it has
      // seen through mutex_, when it found the job.
      const size_t chunk = next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= count) return done;
      work(chunk);
    }
    return most;
  }
  bool finished() const { return next.load(std::memory_order_relaxed) >= count; }

  const absl::FunctionRef<void(size_t)> work;
  const size_t count;
  size_t seats;  // for helpers that have yet to come; guarded by mutex_
  std::atomic<size_t> next{0};
  // Helpers at work. Changed under mutex_; read by the caller without it. Going down is a release,
  // paired with the acquire in Withdraw: what helpers have done is visible to the caller that reads
  // 0, and they don't touch the job any more.
  std::atomic<size_t> helpers{0};
};

HelperThreads::HelperThreads(size_t max_threads, HelpWhen when)
    : max_threads_(max_threads), when_(when), process_id_(::getpid()) {}

HelperThreads::~HelperThreads() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  job_posted_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

HelperThreads& HelperThreads::Shared() {
  static auto* const shared = new HelperThreads(kMaxSharedThreads);
  return *shared;
}

void HelperThreads::ForEach(size_t count, absl::FunctionRef<void(size_t)> work) {
  Job job = {.work = work, .count = count, .seats = 0};
  const size_t most_helpers = MostHelpers(count);
  bool posted = false;
  while (most_helpers > 0 && !posted && !job.finished()) {
    posted = Post(job, most_helpers);
    if (!posted) job.Work(kChunksBetweenLooks);
  }
  job.Work(count);
  if (posted) Withdraw(job);
}

size_t HelperThreads::threads() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return threads_.size();
}

uint64_t HelperThreads::chunks_helped() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return chunks_helped_;
}

// As far as the caller's processors allow. Does not touch the mutex in a forked process: it may
// have been locked when the fork happened.
size_t HelperThreads::MostHelpers(size_t count) const {
  if (count <= 1 || max_threads_ == 0 || ::getpid() != process_id_) return 0;
  return std::min({max_threads_, UsableProcessors() - 1, count - 1});
}

// False if nobody can help now.
bool HelperThreads::Post(Job& job, size_t most_helpers) {
  if (when_ == HelpWhen::kProcessorsAreIdle) {
    const size_t runnable = RunnableThreads();
    if (runnable >= Processors()) return false;
    most_helpers = std::min(most_helpers, Processors() - runnable);
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    StartThreads(most_helpers);
    job.seats = std::min(most_helpers, threads_.size());
    if (job.seats == 0) return false;
    most_helpers = job.seats;
    jobs_.push_back(&job);
  }
  for (; most_helpers > 0; --most_helpers) job_posted_.notify_one();
  return true;
}

// On return no helper knows the job.
void HelperThreads::Withdraw(Job& job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  }
  const auto sleep_at = std::chrono::steady_clock::now() + kSpin;
  do {
    // Pairs with the release in Help.
    if (job.helpers.load(std::memory_order_acquire) == 0) return;
    Pause();
  } while (std::chrono::steady_clock::now() < sleep_at);
  std::unique_lock<std::mutex> lock(mutex_);
  helper_left_.wait(lock, [&] { return job.helpers.load(std::memory_order_acquire) == 0; });
}

// REQUIRES: mutex_ is held. Makes threads until there are `count`, if it can.
void HelperThreads::StartThreads(size_t count) {
  if (threads_.size() >= count) return;
  const BlockedSignals blocked;
  try {
    while (threads_.size() < count) threads_.emplace_back([this] { Help(); });
  } catch (const std::exception&) {
    // No thread or memory left: the ones that there are must do.
  }
}

// REQUIRES: mutex_ is held.
HelperThreads::Job* HelperThreads::FindOpenJob() {
  for (Job* job : jobs_) {
    if (job->seats > 0 && !job->finished()) return job;
  }
  return nullptr;
}

// A helper's life.
void HelperThreads::Help() {
  ::pthread_setname_np(::pthread_self(), "slabpipe-helper");
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    Job* job = nullptr;
    job_posted_.wait(lock, [&] { return stopping_ || (job = FindOpenJob()) != nullptr; });
    if (job == nullptr) return;
    --job->seats;
    job->helpers.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();
    size_t done = 0, latest;
    do {
      latest = job->Work(kChunksBetweenLooks);
      done += latest;
    } while (latest == kChunksBetweenLooks &&
             (when_ == HelpWhen::kAlways || RunnableThreads() <= Processors()));
    lock.lock();
    chunks_helped_ += done;
    // Pairs with the acquire in Withdraw. The last that is done with the job, which is gone then.
    job->helpers.fetch_sub(1, std::memory_order_release);
    helper_left_.notify_all();
  }
}

}  // namespace slabpipe
