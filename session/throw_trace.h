// Where an exception was thrown: C++ forgets it, a traceback needs it.
//
//   try { f(); } catch (...) {
//     std::vector<std::string> frames = ThrowTraceOf(std::current_exception());
//   }
//
// Linking this library puts a hook in front of the C++ runtime's __cxa_throw (Itanium C++
// ABI, 2.4.3 'Throwing the Exception Object') which notes the stack of the throwing thread, at
// about a microsecond a throw, and goes on. Each thread remembers its last 32 throws, so those of
// nested exceptions (std::throw_with_nested) as well.

#ifndef SLABPIPE_SESSION_THROW_TRACE_H_
#define SLABPIPE_SESSION_THROW_TRACE_H_

#include <cstddef>
#include <exception>
#include <string>
#include <vector>

namespace slabpipe {

// The stack where this thread threw the exception, innermost frame first, as function names (or
// addresses where there is no name; see absl::InitializeSymbolizer), at most so many. Empty if it
// is not known: another thread threw it, or this one has done so 32 throws ago, or before
// ClearThrowTrace.
std::vector<std::string> ThrowTraceOf(const std::exception_ptr& exception, size_t max_frames = 48);
// That of this thread's last throw, whatever became of it.
std::vector<std::string> LastThrowTrace();
void ClearThrowTrace();

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_THROW_TRACE_H_
