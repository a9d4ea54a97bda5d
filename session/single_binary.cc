#include "slabpipe/session/single_binary.h"

#include <stdlib.h>
#include <sys/prctl.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "slabpipe/session/handshake.h"

namespace slabpipe {
namespace {

int Serve(int argc, char** argv, absl::FunctionRef<void(Worker& worker)> set_up) {
  Worker worker(argc, argv);
  set_up(worker);
  return worker.Serve();
}

}  // namespace

void ServeIfWorker(int argc, char** argv, absl::FunctionRef<void(Worker& worker)> set_up) {
  if (::getenv(kDescriptorVariable) == nullptr) return;
  if (argc > 0) {  // the kernel calls it "exe", after kThisProgram
    const std::string name = std::filesystem::path(argv[0]).filename().string();
    ::prctl(PR_SET_NAME, name.c_str());
  }
  std::exit(Serve(argc, argv, set_up));
}

}  // namespace slabpipe
