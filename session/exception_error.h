// DescribeException: what a function threw, as an error for main.
//
//   try { f(); } catch (const std::exception& e) { error = DescribeException(&e); }
//   catch (...) { error = DescribeException(nullptr); }

#ifndef SLABPIPE_SESSION_EXCEPTION_ERROR_H_
#define SLABPIPE_SESSION_EXCEPTION_ERROR_H_

#include <exception>

#include "slabpipe/session/remote_error.h"

namespace slabpipe {

// Its type, what it says, what it was thrown on account of (std::throw_with_nested), and where this
// thread threw last (throw_trace.h). `exception` is null for one that is no std::exception. To be
// called inside the catch block.
RemoteError DescribeException(const std::exception* exception);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_EXCEPTION_ERROR_H_
