// The eight schools: sends the data to a worker, which draws from the posterior, and prints what
// comes back beside what is known of it. Exit code 0 if every mean is as near to the published one
// as Monte Carlo allows.
//
//   eight_schools --draws=1000000        4 million draws of 10 parameters: 350 MB, and nothing of
//   it is copied

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "examples/eight_schools/report.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/examples/eight_schools/data.h"
#include "slabpipe/examples/eight_schools/protocol.h"
#include "slabpipe/session/progress_bar.h"
#include "slabpipe/session/session.h"

ABSL_FLAG(int64_t, chains, 4, "Markov chains");
ABSL_FLAG(int64_t, draws, 25000, "draws kept, for each chain; from 6 on there are diagnostics");
ABSL_FLAG(uint64_t, seed, 1, "of the random numbers");
ABSL_FLAG(int, calls, 200, "small calls, to time one");

namespace eight_schools {
namespace {

using Clock = std::chrono::steady_clock;
using slabpipe::Dataset;
using slabpipe::NdArray;
using slabpipe::Session;

absl::StatusOr<Dataset> ObservedData() {
  Dataset data;
  slabpipe::DatasetGroup& observed = data.AddGroup("observed_data");
  absl::Status status =
      observed.AddCoordinate("school", slabpipe::Labels(kSchoolNames.begin(), kSchoolNames.end()));
  status.Update(observed.AddVariable("y", {"school"}, NdArray<const double>::Borrow(kY)));
  status.Update(observed.AddVariable("sigma", {"school"}, NdArray<const double>::Borrow(kSigma)));
  if (!status.ok()) return status;
  return data;
}

// The median time of a ping, which goes to the worker and back.
absl::StatusOr<absl::Duration> TimeSmallCalls(Session& session, int count) {
  std::vector<Clock::duration> times;
  for (int i = 0; i < count; ++i) {
    const Clock::time_point begin = Clock::now();
    if (absl::Status status = session.Ping(absl::Seconds(10)); !status.ok()) return status;
    times.push_back(Clock::now() - begin);
  }
  std::nth_element(times.begin(), times.begin() + count / 2, times.end());
  return absl::FromChrono(times[static_cast<size_t>(count / 2)]);
}

absl::StatusOr<bool> Run() {
  absl::StatusOr<Session> session = Session::Start({.program = "eight_schools_worker"});
  if (!session.ok()) return session.status();
  absl::StatusOr<Dataset> data = ObservedData();
  if (!data.ok()) return data.status();

  const slabpipe::SessionStats before = session->stats();
  const Clock::time_point begin = Clock::now();
  absl::StatusOr<Dataset> fit =
      session->Call<Dataset>({.progress = slabpipe::ProgressBar("sampling")}, kFitTarget, *data,
                             slabpipe::Named("chains", absl::GetFlag(FLAGS_chains)),
                             slabpipe::Named("draws", absl::GetFlag(FLAGS_draws)),
                             slabpipe::Named("seed", absl::GetFlag(FLAGS_seed)));
  const absl::Duration call_time = absl::FromChrono(Clock::now() - begin);
  if (!fit.ok()) return fit.status();
  const slabpipe::SessionStats after = session->stats();
  absl::StatusOr<uint64_t> worker_copies = session->Call<uint64_t>(kCopiesTarget);
  if (!worker_copies.ok()) return worker_copies.status();
  absl::StatusOr<absl::Duration> small_call =
      TimeSmallCalls(*session, std::max(absl::GetFlag(FLAGS_calls), 1));
  if (!small_call.ok()) return small_call.status();
  // The draws stay where they are when the worker is gone.
  if (absl::Status gone = session->Shutdown(absl::Seconds(5)); !gone.ok()) return gone;

  std::cout << "The worker's fit:\n" << *fit << "\n";
  absl::StatusOr<std::vector<ParameterRow>> rows = Summarise(*fit);
  if (!rows.ok()) return rows.status();
  std::cout << PosteriorTable(*rows) << "\nWhat crossed:\n"
            << TrafficReport(*fit, before, after, *worker_copies, call_time) << "a small call     "
            << *small_call << " there and back (median of " << absl::GetFlag(FLAGS_calls)
            << ")\n\n";
  return AllWithin(*rows);
}

}  // namespace
}  // namespace eight_schools

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Fits the eight schools in a worker process.");
  absl::ParseCommandLine(argc, argv);
  absl::StatusOr<bool> within = eight_schools::Run();
  if (!within.ok()) {
    std::cerr << within.status() << "\n";
    return 1;
  }
  std::cout << (*within ? "All means are within 4 Monte Carlo standard errors of the reference.\n"
                        : "NOT all means are within 4 Monte Carlo standard errors of the "
                          "reference, or they could not be told.\n");
  return *within ? 0 : 1;
}
