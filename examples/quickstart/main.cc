// The main program of the quickstart: starts the worker, hands it an array, prints what comes back.

#include <algorithm>
#include <iostream>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"

absl::Status Run() {
  absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start({.program = "stats_worker"});
  if (!session.ok()) return session.status();

  // The array lies in shared memory: sending it copies nothing, whatever its size.
  auto x = session->NewArray<double>({1000, 1000});
  if (!x.ok()) return x.status();
  std::generate(x->span().begin(), x->span().end(), [i = 0]() mutable { return i++ % 7; });

  absl::StatusOr<double> mean = session->Call<double>("stats.mean", *x);
  if (!mean.ok()) return mean.status();
  std::cout << "mean of " << x->Describe() << ": " << *mean << "\n";

  // An error comes back as a status; the worker goes on.
  absl::StatusOr<double> none = session->Call<double>("stats.mean", slabpipe::NdArray<double>());
  std::cout << "mean of nothing: " << none.status() << "\n";
  return absl::OkStatus();
}

int main() {
  absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
