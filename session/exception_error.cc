#include "slabpipe/session/exception_error.h"

#include <cxxabi.h>
#include <stdlib.h>

#include <string>
#include <typeinfo>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "slabpipe/session/throw_trace.h"

namespace slabpipe {
namespace {

std::string TypeName(const std::type_info& type) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = demangled == nullptr ? type.name() : demangled;
  ::free(demangled);
  // What std::throw_with_nested makes of a type X is the library's own affair: people know X.
  absl::string_view plain = name;
  if (absl::ConsumePrefix(&plain, "std::_Nested_exception<") && absl::ConsumeSuffix(&plain, ">")) {
    return std::string(plain);
  }
  return name;
}

void AppendCauses(const std::exception& exception, std::vector<RemoteError::Cause>& causes) {
  try {
    std::rethrow_if_nested(exception);
  } catch (const std::exception& cause) {
    causes.push_back({.type = TypeName(typeid(cause)), .message = cause.what()});
    AppendCauses(cause, causes);
  } catch (...) {
    causes.push_back({.type = "", .message = "an exception that is no std::exception"});
  }
}

}  // namespace

RemoteError DescribeException(const std::exception* exception) {
  RemoteError error;
  error.traceback = LastThrowTrace();  // before anything is thrown again
  const std::type_info* type =
      exception != nullptr ? &typeid(*exception) : abi::__cxa_current_exception_type();
  if (type != nullptr) error.type = TypeName(*type);
  error.message = exception != nullptr ? exception->what() : "it is no std::exception";
  if (exception != nullptr) AppendCauses(*exception, error.causes);
  return error;
}

}  // namespace slabpipe
