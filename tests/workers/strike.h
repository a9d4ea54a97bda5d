// What strikes a process, at the very point where Strike is called. For programs that are struck.
//
//   PrepareToBeStruck();             // at the start
//   Strike("SIGSTOP", [] { ... });   // what sends garbage

#ifndef SLABPIPE_TESTS_WORKERS_STRIKE_H_
#define SLABPIPE_TESTS_WORKERS_STRIKE_H_

#include <functional>
#include <string>

namespace slabpipe::tests {

inline constexpr int kStruckExit = 5;

// Faults end the process as in any program, without core files.
void PrepareToBeStruck();

// SIGKILL, SIGSEGV, exit: does not return. SIGSTOP: returns when continued. garbage: after
// `send_garbage`. "closed descriptors": when all of them are closed. hang: at once; hanging is left
// to the caller.
void Strike(const std::string& fault, const std::function<void()>& send_garbage);

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_WORKERS_STRIKE_H_
