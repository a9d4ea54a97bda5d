// Calls that take long: futures, deadlines, cancellation, progress, streams, and workers that are
// lost.

#include <pthread.h>
#include <signal.h>

#include <cstdint>
#include <iostream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slabpipe/session/progress_bar.h"
#include "slabpipe/session/session.h"

using slabpipe::CallOptions;
using slabpipe::Future;
using slabpipe::OnDeadline;
using slabpipe::ResultStream;
using slabpipe::Session;

// A stop is requested by Ctrl-C. To be called first in main(), before threads. A thread waits for
// the signal, for no signal handler may request a stop.
std::stop_source StopOnInterrupt() {
  sigset_t interrupt;
  ::sigemptyset(&interrupt);
  ::sigaddset(&interrupt, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);
  std::stop_source stop;
  std::thread([interrupt, stop]() mutable {
    int signal = 0;
    while (::sigwait(&interrupt, &signal) == 0) stop.request_stop();
  }).detach();
  return stop;
}

absl::Status CallMeanwhile(Session& session, std::stop_token) {
  std::vector<Future<int64_t>> counts;
  for (int64_t below : {100, 1000, 10000}) {
    counts.push_back(session.Submit<int64_t>("primes.count", below));
  }
  for (const Future<int64_t>& count : counts) {
    absl::StatusOr<int64_t> primes = count.Get();
    if (!primes.ok()) return primes.status();
    std::cout << *primes << " primes\n";
  }
  return absl::OkStatus();
}

absl::Status LosePatience(Session& session, std::stop_token) {
  const int64_t too_many = int64_t{1} << 40;
  absl::Status late = session.Call({.timeout = absl::Milliseconds(50)}, "primes.count", too_many);
  std::cout << absl::StatusCodeToString(late.code()) << "\n";

  std::stop_source stop;
  std::jthread user([&] { stop.request_stop(); });  // presses a button
  absl::Status cancelled =
      session.Call({.cancellation = stop.get_token()}, "primes.count", too_many);
  std::cout << absl::StatusCodeToString(cancelled.code()) << "\n";

  // One that does not ask is killed, if need be, and a new worker runs.
  absl::Status killed = session.Call({.timeout = absl::Milliseconds(50),
                                      .on_deadline = OnDeadline::kKill,
                                      .grace = absl::Milliseconds(100)},
                                     "mistake.hang");
  std::cout << absl::StatusCodeToString(killed.code()) << ", and the worker "
            << slabpipe::DescribeEnd(*session.last_end()) << "\n";
  return session.Ping(absl::Seconds(10));
}

absl::Status WatchProgress(Session& session, std::stop_token interrupt) {
  absl::StatusOr<int64_t> primes = session.Call<int64_t>(
      {.cancellation = interrupt, .progress = slabpipe::ProgressBar("counting")}, "primes.count",
      1'000'000);
  if (!primes.ok()) return primes.status();
  std::cout << *primes << " primes\n";
  return absl::OkStatus();
}

absl::Status TakeSome(Session& session, std::stop_token) {
  ResultStream<int64_t> primes = session.Stream<int64_t>("primes.all");
  int64_t sum = 0;
  while (sum < 100 && primes.Next()) sum += primes.value();
  std::cout << "the first primes whose sum is 100 or more: " << sum << "\n";
  return primes.status();
}  // the worker stops

absl::Status Recover(Session& session, std::stop_token) {
  absl::Status lost = session.Call("mistake.crash");
  std::cout << absl::StatusCodeToString(lost.code()) << ": the worker "
            << slabpipe::DescribeEnd(*session.last_end()) << "\n";
  // May run twice: is repeated, if the worker is lost with it.
  absl::StatusOr<int64_t> primes = session.Call<int64_t>({.idempotent = true}, "primes.count", 100);
  return primes.status();
}

absl::Status Run(std::stop_token interrupt) {
  absl::StatusOr<Session> session = Session::Start({.program = "search_worker"});
  if (!session.ok()) return session.status();
  for (const auto step : {CallMeanwhile, LosePatience, WatchProgress, TakeSome, Recover}) {
    if (absl::Status status = step(*session, interrupt); !status.ok()) return status;
  }
  return session->Shutdown(absl::Seconds(5));
}

int main() {
  const std::stop_source stop = StopOnInterrupt();
  absl::Status status = Run(stop.get_token());
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
