#include "slabpipe/session/proxy.h"

#include <vector>

#include "slabpipe/session/describe.h"

namespace slabpipe {

std::string Session::Describe() const { return DescribeTargets(targets()); }

absl::StatusOr<std::string> Session::Describe(absl::string_view name) const {
  return DescribeTargets(targets(), name);
}

absl::StatusOr<Proxy> Session::Module(absl::string_view scope) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  if (absl::Status status = FindModule(targets(), scope); !status.ok()) return status;
  return Proxy(*this, std::string(scope));
}

}  // namespace slabpipe
