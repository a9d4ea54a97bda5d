#include "slabpipe/transport/kj_boundary.h"

#include <kj/exception.h>

#include <exception>
#include <new>
#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace slabpipe {

absl::Status CatchKj(absl::FunctionRef<absl::Status()> read) {
  try {
    return read();
  } catch (const kj::Exception& exception) {
    return absl::DataLossError(
        absl::StrCat("malformed message: ", exception.getDescription().cStr()));
  } catch (...) {
    return StatusOfException();
  }
}

absl::Status CatchKjBuilding(absl::FunctionRef<absl::Status()> build) {
  try {
    return build();
  } catch (const kj::Exception& exception) {
    return absl::InvalidArgumentError(
        absl::StrCat("too large for a message: ", exception.getDescription().cStr()));
  } catch (...) {
    return StatusOfException();
  }
}

absl::Status StatusOfException() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("there is not enough memory for the value");
  } catch (const std::length_error&) {
    return absl::ResourceExhaustedError("the value is larger than any container can be");
  } catch (const std::exception& exception) {
    return absl::InternalError(absl::StrCat("an exception was thrown: ", exception.what()));
  } catch (...) {
    return absl::InternalError("an exception was thrown that is no std::exception");
  }
}

}  // namespace slabpipe
