// Environments: one program that is main and worker, run by turns as it is and in a jail that is
// kept in a file.
//
// usage: environments [FOLDER]       where the environments are kept; by default the user's own

#include <stdlib.h>

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "slabpipe/session/environment_store.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/single_binary.h"

// What the worker offers.

std::string Greet(const std::string& name) {
  const char* greeting = ::getenv("GREETING");
  return (greeting == nullptr ? "Hello, " : std::string(greeting) + ", ") + name;
}

// How often `start` has to be halved, or tripled and increased by one, till it is 1; for 0: never.
int64_t CollatzSteps(int64_t start) {
  int64_t steps = 0;
  for (uint64_t n = static_cast<uint64_t>(start); n != 1; ++steps) {
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  }
  return steps;
}

void SetUp(slabpipe::Worker& worker) {
  worker.Register("people.greet", Greet, "Greets somebody.", {"name"});
  worker.Register("numbers.collatz", CollatzSteps, "May take long.", {"start"});
  worker.Register(
      "numbers.warm_up", [] { CollatzSteps(27); }, "Before the first call.");
}

// What main does with it.

absl::StatusOr<slabpipe::EnvironmentStore> OpenStore(int argc, char** argv) {
  if (argc > 1) {
    const std::string folder = argv[1];
    return slabpipe::EnvironmentStore({.environments = folder, .state = folder + "/state"});
  }
  absl::StatusOr<slabpipe::EnvironmentFolders> folders = slabpipe::EnvironmentFolders::OfUser();
  if (!folders.ok()) return folders.status();
  return slabpipe::EnvironmentStore(*folders);
}

absl::Status Show(slabpipe::Session& session, int64_t start) {
  absl::StatusOr<std::string> greeting = session.Call<std::string>("people.greet", "world");
  if (!greeting.ok()) return greeting.status();
  std::cout << session.environment().value_or("without environment") << ": " << *greeting << "; ";
  absl::StatusOr<int64_t> steps = session.Call<int64_t>("numbers.collatz", start);
  const std::vector<absl::string_view> lines = absl::StrSplit(steps.status().message(), '\n');
  if (steps.ok()) {
    std::cout << *steps << " steps\n";
  } else {
    std::cout << lines.front() << "; " << absl::StripLeadingAsciiWhitespace(lines.back()) << "\n";
  }
  return absl::OkStatus();
}

absl::Status Run(const slabpipe::EnvironmentStore& store) {
  absl::Status saved = store.Save({.name = "jail",
                                   .variables = {{"GREETING", "Good evening"}},
                                   .start_up_targets = std::vector<std::string>{"numbers.warm_up"},
                                   .limits = {.cpu_time = absl::Seconds(1), .core_bytes = 0},
                                   .niceness = 2});
  if (!saved.ok()) return saved;
  absl::StatusOr<std::vector<std::string>> names = store.List();
  if (!names.ok()) return names.status();
  std::cout << "environments: " << absl::StrJoin(*names, ", ") << "\n";

  absl::StatusOr<slabpipe::Session> session =
      slabpipe::Session::Start({.program = slabpipe::kThisProgram});
  if (!session.ok()) return session.status();
  if (absl::Status shown = Show(*session, 871); !shown.ok()) return shown;

  absl::StatusOr<slabpipe::Environment> jail = store.Load("jail");
  if (!jail.ok()) return jail.status();
  absl::StatusOr<slabpipe::EnvironmentScope> scope = session->Within(*jail);
  if (!scope.ok()) return scope.status();
  if (absl::Status shown = Show(*session, 0); !shown.ok()) return shown;    // never ends
  if (absl::Status shown = Show(*session, 871); !shown.ok()) return shown;  // by a new worker
  if (absl::Status left = scope->Leave(); !left.ok()) return left;
  return Show(*session, 871);
}

int main(int argc, char** argv) {
  slabpipe::ServeIfWorker(argc, argv, SetUp);
  absl::StatusOr<slabpipe::EnvironmentStore> store = OpenStore(argc, argv);
  const absl::Status status = store.ok() ? Run(*store) : store.status();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
