// Works on an object that stays in the worker: has it made once, and calls its methods.

#include <iostream>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"

absl::Status UseLine(slabpipe::Session& session, const slabpipe::Handle<>& line) {
  for (const double x : {0.0, 10.0, 100.0}) {
    absl::StatusOr<double> y = session.Call<double>("lines::Line.at", line, x);
    if (!y.ok()) return y.status();
    std::cout << "  y(" << x << ") = " << *y << "\n";
  }
  return absl::OkStatus();
}

absl::Status Run() {
  absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start({.program = "line_worker"});
  if (!session.ok()) return session.status();

  // The line stays there; what comes is a handle.
  const std::vector<double> x = {0, 1, 2, 3}, y = {1, 3, 5, 7};
  auto line = session->Call<slabpipe::Handle<>>("lines.fit", x, y);
  if (!line.ok()) return line.status();
  std::cout << line->ToString() << "\n";
  if (absl::Status used = UseLine(*session, *line); !used.ok()) return used;

  // The same object: what a call has changed, later ones see.
  const std::vector<double> more_x = {4, 5}, more_y = {10, 12};
  absl::Status added = session->Call("lines::Line.add", *line, more_x, more_y);
  if (!added.ok()) return added;
  std::cout << "two points more\n";
  if (absl::Status used = UseLine(*session, *line); !used.ok()) return used;

  // An object is gone with its worker; its handle says so.
  if (absl::Status restarted = session->Restart(); !restarted.ok()) return restarted;
  absl::StatusOr<double> slope = session->Call<double>("lines::Line.slope", *line);
  std::cout << "after a restart: " << slope.status() << "\n";
  if (!line->stale()) return absl::InternalError("the handle should be stale");

  // When its last handle goes, the worker frees a line.
  line = session->Call<slabpipe::Handle<>>("lines.fit", more_x, more_y);
  if (!line.ok()) return line.status();
  std::cout << session->stats().handles << " object in use, then ";
  *line = slabpipe::Handle<>();
  std::cout << session->stats().handles << "\n";
  return absl::OkStatus();
}

int main() {
  absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
