#include "slabpipe/session/exception_error.h"

#include <cxxabi.h>
#include <stdlib.h>
#include <string.h>

#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
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

// Where it was thrown; std::throw_with_nested's own frames say nothing.
std::vector<std::string> TraceOf(const std::exception_ptr& exception, size_t max_frames) {
  std::vector<std::string> trace = ThrowTraceOf(exception, max_frames + 2);
  while (!trace.empty() && absl::StrContains(trace[0], "throw_with_nested")) {
    trace.erase(trace.begin());
  }
  if (trace.size() > max_frames) trace.resize(max_frames);
  return trace;
}

template <typename E>
bool Is(const std::exception* exception) {
  return dynamic_cast<const E*>(exception) != nullptr;
}

// Of a std::system_error's code that is an errno; UNKNOWN for those of other libraries.
absl::StatusCode CodeOf(const std::error_code& error) {
  const std::error_condition condition = error.default_error_condition();
  if (condition.category() != std::generic_category() || !error) return absl::StatusCode::kUnknown;
  return absl::ErrnoToStatusCode(condition.value());
}

absl::StatusCode CodeOf(const std::exception* exception) {
  if (Is<std::bad_alloc>(exception)) return absl::StatusCode::kResourceExhausted;
  if (Is<std::length_error>(exception)) return absl::StatusCode::kResourceExhausted;
  if (Is<std::invalid_argument>(exception)) return absl::StatusCode::kInvalidArgument;
  if (Is<std::domain_error>(exception)) return absl::StatusCode::kInvalidArgument;
  if (Is<std::out_of_range>(exception)) return absl::StatusCode::kOutOfRange;
  if (const auto* error = dynamic_cast<const std::system_error*>(exception)) {
    return CodeOf(error->code());
  }
  return absl::StatusCode::kUnknown;
}

// Type and message of the exception that is being handled.
RemoteError::Cause DescribeHandled(const std::exception* exception) {
  const std::type_info* type =
      exception != nullptr ? &typeid(*exception) : abi::__cxa_current_exception_type();
  const char* what = exception != nullptr ? exception->what() : "it is no std::exception";
  if (what == nullptr) what = "";
  return {.type = type == nullptr ? "" : TypeName(*type),
          .message = std::string(what, ::strnlen(what, kMostWhatBytes))};
}

RemoteError::Cause Describe(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& handled) {
    return DescribeHandled(&handled);
  } catch (...) {
    return DescribeHandled(nullptr);
  }
}

// What it was thrown on account of; null if nothing.
std::exception_ptr CauseOf(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::nested_exception& nested) {
    return nested.nested_ptr();
  } catch (...) {
    return nullptr;
  }
}

std::vector<RemoteError::Cause> DescribeCauses(const std::exception_ptr& exception) {
  std::vector<RemoteError::Cause> causes;
  std::exception_ptr cause = CauseOf(exception);
  for (; cause != nullptr && causes.size() < kMostCauses; cause = CauseOf(cause)) {
    causes.push_back(Describe(cause));
    causes.back().traceback = TraceOf(cause, kMostCauseFrames);
  }
  if (cause != nullptr)
    causes.push_back({.type = "", .message = "more causes, which are left out"});
  return causes;
}

}  // namespace

RemoteError DescribeException(const std::exception* exception) {
  const std::exception_ptr handled = std::current_exception();
  RemoteError::Cause described = DescribeHandled(exception);
  return {.code = CodeOf(exception),
          .message = std::move(described.message),
          .type = std::move(described.type),
          .traceback = TraceOf(handled, kMostFrames),
          .causes = DescribeCauses(handled)};
}

}  // namespace slabpipe
