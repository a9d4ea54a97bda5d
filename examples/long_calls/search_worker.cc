// A worker whose functions take long.

#include <unistd.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/session/worker.h"

using slabpipe::CallContext;
using slabpipe::ResultWriter;

bool IsPrime(int64_t n) {
  if (n < 2) return false;
  for (int64_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return true;
}

// Asks now and then whether anybody still waits, and says how far it is.
absl::StatusOr<int64_t> CountPrimes(int64_t below, CallContext& context) {
  int64_t count = 0;
  for (int64_t n = 0; n < below; ++n) {
    if (n % 1024 == 0) {
      if (context.cancelled()) return context.status();
      context.Report(static_cast<double>(n), static_cast<double>(below), "numbers");
    }
    count += IsPrime(n) ? 1 : 0;
  }
  return count;
}

// Yields them one by one, for as long as main wants more.
absl::Status Primes(ResultWriter<int64_t>& out) {
  for (int64_t n = 2;; ++n) {
    if (!IsPrime(n)) continue;
    if (absl::Status sent = out.Write(n); !sent.ok()) return sent;
  }
}

// Never returns, and never asks.
void Hang() {
  while (true) ::pause();
}

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.Register("primes.count", CountPrimes, "How many primes there are below a number.",
                  {"below"});
  worker.Register("primes.all", Primes, "2, 3, 5, ...");
  worker.Register("mistake.hang", Hang);
  worker.Register("mistake.crash", [] { __builtin_trap(); });
  return worker.Serve();
}
