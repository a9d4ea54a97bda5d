#include "slabpipe/session/crash_handler.h"

#include <unistd.h>
#include <unwind.h>

#include <cstddef>
#include <cstdint>

#include "absl/debugging/failure_signal_handler.h"
#include "absl/debugging/symbolize.h"

namespace slabpipe {
namespace {

constexpr int kMaxFrames = 64;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Everything below runs in a signal handler: no allocation, no locks of ours.

// A line, put together piece by piece and written at once.
class Line {
 public:
  void Add(const char* text) {
    while (*text != '\0' && size_ < sizeof(bytes_) - 1) bytes_[size_++] = *text++;
  }
  void AddHex(uintptr_t number) {
    char digits[2 * sizeof(number) + 1] = {};
    for (size_t i = 2 * sizeof(number); i-- > 0; number >>= 4) {
      digits[i] = "0123456789abcdef"[number & 15];
    }
    Add("0x");
    Add(digits);
  }
  void Write() {
    bytes_[size_++] = '\n';
    for (size_t done = 0; done < size_;) {
      const ssize_t written = ::write(STDERR_FILENO, bytes_ + done, size_ - done);
      if (written <= 0) return;
      done += static_cast<size_t>(written);
    }
  }

 private:
  char bytes_[640];
  size_t size_ = 0;
};

void WriteLine(const char* text) {
  Line line;
  line.Add(text);
  line.Write();
}

struct Walk {
  bool in_handler = true;  // the frames of the handler itself come first
  int frames = 0;
};

_Unwind_Reason_Code VisitFrame(_Unwind_Context* context, void* data) {
  Walk& walk = *static_cast<Walk*>(data);
  int interrupted = 0;
  const uintptr_t address = _Unwind_GetIPInfo(context, &interrupted);
  // Set for the frame that the signal has interrupted: that is where it begins.
  if (interrupted != 0) walk.in_handler = false;
  if (walk.in_handler) return _URC_NO_REASON;
  if (address == 0 || walk.frames++ == kMaxFrames) return _URC_END_OF_STACK;
  // A return address may lie behind its function's end: one byte before is inside the call.
  const uintptr_t place = interrupted != 0 ? address : address - 1;
  Line line;
  line.Add("    @ ");
  line.AddHex(address);
  line.Add("  ");
  char name[512];
  const bool known = absl::Symbolize(reinterpret_cast<const void*>(place), name, sizeof(name));
  line.Add(known ? name : "(unknown)");
  line.Write();
  return _URC_NO_REASON;
}

// Abseil calls it with pieces of its report, which stderr has already, and with null at the end.
void WriteStack(const char* piece) {
  if (piece != nullptr) return;
  WriteLine(kCrashStackBegin);
  Walk walk;
  _Unwind_Backtrace(VisitFrame, &walk);
  WriteLine(kCrashStackEnd);
}

_Unwind_Reason_Code Ignore(_Unwind_Context*, void*) { return _URC_NO_REASON; }

}  // namespace

void InstallCrashHandler() {
  if (kSanitized) return;
  // The first walk may load a library and allocate: not in the handler.
  _Unwind_Backtrace(Ignore, nullptr);
  absl::FailureSignalHandlerOptions options;
  options.writerfn = WriteStack;
  absl::InstallFailureSignalHandler(options);
}

}  // namespace slabpipe
