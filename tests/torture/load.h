// Load: threads that call a session's worker all the time, in every way: one call at a time,
// several in flight, streams, with small values and with arrays; and check what comes back.
//
//   Load load(session, {.threads = 4, .seed = 1, .first_token = 1000});
//   ...                        // workers are killed meanwhile
//   load.Stop();
//   LoadReport report = load.report();
//
// A call may give the right answer, or an error that tells of a lost worker. Anything else is
// wrong, and so is one that does not come back in time.

#ifndef SLABPIPE_TESTS_TORTURE_LOAD_H_
#define SLABPIPE_TESTS_TORTURE_LOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "slabpipe/session/session.h"

namespace slabpipe::tests {

struct LoadOptions {
  int threads = 4;
  uint64_t seed = 1;
  // Those of this load are this one and above.
  uint64_t first_token = 0;
};

struct LoadReport {
  uint64_t calls = 0;    // begun
  uint64_t answers = 0;  // right ones
  uint64_t errors = 0;
  uint64_t wrong = 0;
  uint64_t unanswered = 0;
};

// Thread-safe. Borrows the session.
class Load {
 public:
  Load(Session& session, const LoadOptions& options);
  ~Load() { Stop(); }

  // Begins no more calls, and waits for those that run.
  void Stop();
  LoadReport report() const;
  // How many answers have been right.
  uint64_t answers() const { return answers_; }
  // Since when the call of some thread has been running, longest first; 0 if none runs. As NowUs.
  int64_t oldest_call() const;
  // How many calls have been running since then or longer.
  uint64_t calls_since(int64_t time) const;
  // Gives the session a worker if it has none.
  void Revive();

 private:
  using Random = std::mt19937_64;

  void Run(int thread);
  absl::Status CallOnce(uint64_t token, Random& random);
  absl::Status Echo(uint64_t token, Random& random);
  absl::Status Sum(uint64_t token, Random& random);
  absl::Status Fill(uint64_t token, Random& random);
  absl::Status Submit(uint64_t token, Random& random);
  absl::Status Stream(uint64_t token, Random& random);
  uint64_t NewToken() { return options_.first_token + calls_.fetch_add(1); }
  void Judge(const absl::Status& status);

  Session& session_;
  const LoadOptions options_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> calls_ = 0, answers_ = 0, errors_ = 0, wrong_ = 0;
  std::vector<std::atomic<int64_t>> begun_;  // by thread
  std::mutex revive_mutex_;
  std::vector<std::thread> threads_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TORTURE_LOAD_H_
