#include "slabpipe/transport/kj_boundary.h"

#include <kj/exception.h>

#include "absl/strings/str_cat.h"

namespace slabpipe {

absl::Status CatchKj(absl::FunctionRef<absl::Status()> read) {
  try {
    return read();
  } catch (const kj::Exception& exception) {
    return absl::DataLossError(
        absl::StrCat("malformed message: ", exception.getDescription().cStr()));
  }
}

absl::Status CatchKjBuilding(absl::FunctionRef<absl::Status()> build) {
  try {
    return build();
  } catch (const kj::Exception& exception) {
    return absl::InvalidArgumentError(
        absl::StrCat("too large for a message: ", exception.getDescription().cStr()));
  }
}

}  // namespace slabpipe
