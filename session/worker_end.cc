#include "slabpipe/session/worker_end.h"

#include <string.h>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

struct Describer {
  std::string operator()(const Exited& end) const {
    return absl::StrCat("exited with code ", end.code);
  }
  std::string operator()(const Signalled& end) const {
    const char* name = ::sigabbrev_np(end.signal);
    return absl::StrCat("was killed by signal ", end.signal, " (",
                        name == nullptr ? "?" : absl::StrCat("SIG", name), ")",
                        end.core_dumped ? ", core dumped" : "");
  }
  std::string operator()(const TimedOut& end) const {
    return absl::StrCat("did not answer in time (", end.phase, ") and was killed");
  }
  std::string operator()(const Misbehaved& end) const {
    return absl::StrCat("broke the protocol and was killed: ", end.what);
  }
  std::string operator()(const FailedToStart& end) const {
    return absl::StrCat("could not be started: ", end.why);
  }
  std::string operator()(const EndedUnobserved&) const {
    return "ended; how is not known, its status was taken by another part of this program";
  }
};

}  // namespace

std::string DescribeEnd(const WorkerEnd& end) { return std::visit(Describer(), end); }

}  // namespace slabpipe
