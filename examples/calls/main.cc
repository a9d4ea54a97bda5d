// Arguments by position, by name and by default; what errors say; descriptions, modules, and calls
// that are put together at run time.

#include <iostream>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/argument_list.h"
#include "slabpipe/session/proxy.h"
#include "slabpipe/session/session.h"

using slabpipe::Named;
using slabpipe::Session;
using Sample = std::vector<double>;

absl::Status CallByName(Session& session) {
  // By position, by name, by default.
  absl::StatusOr<Sample> four = session.Call<Sample>("bayes.sample", 1.5);
  absl::StatusOr<Sample> ten = session.Call<Sample>("bayes.sample", 1.5, Named("draws", 10));
  if (!four.ok()) return four.status();
  if (!ten.ok()) return ten.status();
  std::cout << four->size() << " and " << ten->size() << " draws\n\n";
  return absl::OkStatus();
}

// Prints what mistakes come back as. The worker goes on after each.
void MakeMistakes(Session& session) {
  std::cout << session.Call("bayes.sample").message() << "\n"
            << session.Call("bayes.sample", 1.5, Named("drwas", 10)).message() << "\n"
            << session.Call("bayes.sample", 1.5, Named("draws", "ten")).message() << "\n"
            << session.Call("bayes.smaple", 1.5).message() << "\n\n";
}

absl::Status CallModule(Session& session) {
  absl::StatusOr<slabpipe::Proxy> stats = session.Module("stats");
  if (!stats.ok()) return stats.status();
  absl::StatusOr<double> mean = stats->Call<double>("mean", Sample{1, 2, 6});  // stats.mean
  if (!mean.ok()) return mean.status();
  std::cout << "mean: " << *mean << "\n";
  return absl::OkStatus();
}

absl::Status CallDynamically(Session& session) {
  slabpipe::ArgumentList arguments;
  arguments.Add(slabpipe::ToObject(1.5)).Add("draws", slabpipe::ToObject(2));
  absl::StatusOr<slabpipe::Object> sample =
      session.CallObject({}, "bayes.sample", arguments.refs());
  if (!sample.ok()) return sample.status();
  // What has come back may be the next argument, and any small result a Value.
  absl::StatusOr<slabpipe::Value> mean = session.Call<slabpipe::Value>("stats.mean", *sample);
  if (!mean.ok()) return mean.status();
  std::cout << "mean: " << mean->DebugString() << "\n";
  return absl::OkStatus();
}

absl::Status Run() {
  absl::StatusOr<Session> session = Session::Start({.program = "bayes_worker"});
  if (!session.ok()) return session.status();
  std::cout << session->Describe() << "\n";
  if (absl::Status status = CallByName(*session); !status.ok()) return status;
  MakeMistakes(*session);
  if (absl::Status status = CallModule(*session); !status.ok()) return status;
  return CallDynamically(*session);
}

int main() {
  absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
