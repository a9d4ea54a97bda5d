// SignalsBlocked: for making threads that no signal of the application's is delivered to.
//
//   const SignalsBlocked blocked;
//   thread_ = std::thread(...);   // inherits the mask

#ifndef SLABPIPE_SESSION_SIGNALS_BLOCKED_H_
#define SLABPIPE_SESSION_SIGNALS_BLOCKED_H_

#include <signal.h>

namespace slabpipe {

// Blocks all signals for the calling thread, until it goes. Those of a fault are delivered all the
// same.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SIGNALS_BLOCKED_H_
