// DescribeException: what a function threw, as an error for main.
//
//   try { f(); } catch (const std::exception& e) { error = DescribeException(&e); }
//   catch (...) { error = DescribeException(nullptr); }

#ifndef SLABPIPE_SESSION_EXCEPTION_ERROR_H_
#define SLABPIPE_SESSION_EXCEPTION_ERROR_H_

#include <cstddef>
#include <exception>

#include "slabpipe/session/remote_error.h"

namespace slabpipe {

inline constexpr size_t kMostFrames = 48;
inline constexpr size_t kMostCauses = 32;
inline constexpr size_t kMostCauseFrames = 8;
inline constexpr size_t kMostWhatBytes = size_t{64} << 10;

// Its type, what it says, what it was thrown on account of (std::throw_with_nested, or any
// std::nested_exception), and where each of these was thrown, if this thread did so
// (throw_trace.h). Longer texts and lists are cut. `exception` is null for one that is no
// std::exception. To be called inside the catch block.
//
// The code: RESOURCE_EXHAUSTED for std::bad_alloc and std::length_error, INVALID_ARGUMENT for
// std::invalid_argument and std::domain_error, OUT_OF_RANGE for std::out_of_range, that of its
// errno for a std::system_error which has one (absl::ErrnoToStatusCode); UNKNOWN for all else. It
// is that of the exception itself, whatever caused it.
RemoteError DescribeException(const std::exception* exception);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_EXCEPTION_ERROR_H_
