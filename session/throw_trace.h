// Where an exception was thrown: C++ forgets it, a traceback needs it.
//
//   try { f(); } catch (...) { std::vector<std::string> frames = LastThrowTrace(); }
//
// Linking this library puts a hook in front of the C++ runtime's __cxa_throw (Itanium C++
// ABI, 2.4.3 'Throwing the Exception Object') which notes the stack of the throwing thread, at
// about a microsecond a throw, and goes on.

#ifndef SLABPIPE_SESSION_THROW_TRACE_H_
#define SLABPIPE_SESSION_THROW_TRACE_H_

#include <string>
#include <vector>

namespace slabpipe {

// The stack at this thread's last throw, innermost frame first, as function names (or addresses
// where there is no name; see absl::InitializeSymbolizer). Empty if it has thrown nothing since
// ClearThrowTrace.
std::vector<std::string> LastThrowTrace();
void ClearThrowTrace();

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_THROW_TRACE_H_
