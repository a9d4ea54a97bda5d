// What a worker says about its own crash, on stderr, where main finds it (crash_report.h).
//
//   InstallCrashHandler();   // once, in main(), after absl::InitializeSymbolizer
//
// Abseil's failure signal handler tells the signal and the place. Behind that comes the stack,
// frame by frame: code of libraries without frame pointers is no end to it.

#ifndef SLABPIPE_SESSION_CRASH_HANDLER_H_
#define SLABPIPE_SESSION_CRASH_HANDLER_H_

namespace slabpipe {

// The lines before and after the stack.
inline constexpr char kCrashStackBegin[] = "*** stack of the thread that failed ***";
inline constexpr char kCrashStackEnd[] = "*** end of stack ***";

// For SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTERM, SIGBUS and SIGTRAP, which still end the process.
// On the thread that calls this, a stack that has run over is reported, too. Does nothing under a
// sanitizer, which brings its own. At most 64 frames, within three seconds.
void InstallCrashHandler();

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CRASH_HANDLER_H_
