// Where the programs are that a contestant starts: in its own folder.

#ifndef SLABPIPE_BENCH_HARNESS_BESIDE_H_
#define SLABPIPE_BENCH_HARNESS_BESIDE_H_

#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slabpipe::bench {

// The path of program `name`. NOT_FOUND if there is none to be executed.
inline absl::StatusOr<std::string> BesideThisProgram(const std::string& name) {
  char self[4096];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof(self));
  if (length <= 0) return absl::InternalError("/proc/self/exe can't be read");
  std::string path(self, static_cast<size_t>(length));
  path = path.substr(0, path.rfind('/') + 1) + name;
  if (::access(path.c_str(), X_OK) != 0) return absl::NotFoundError("there is no " + path);
  return path;
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_BESIDE_H_
