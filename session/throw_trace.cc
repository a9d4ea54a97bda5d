#include "slabpipe/session/throw_trace.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace slabpipe {
namespace {

constexpr int kMaxFrames = 48;

struct Trace {
  void* frames[kMaxFrames];
  int depth = 0;
};
thread_local Trace last_throw;

// How many of its own frames GetStackTrace sees depends on how Abseil was built; the one that threw
// is known.
void NoteStack(void* thrower) {
  void* frames[kMaxFrames];
  const int depth = absl::GetStackTrace(frames, kMaxFrames, /*skip_count=*/0);
  void** const found = std::find(frames, frames + depth, thrower);
  void** const callers = found == frames + depth ? frames : found + 1;
  last_throw.frames[0] = thrower;
  const auto rest = std::min<std::ptrdiff_t>(frames + depth - callers, kMaxFrames - 1);
  std::copy(callers, callers + rest, last_throw.frames + 1);
  last_throw.depth = static_cast<int>(rest) + 1;
}

}  // namespace

std::vector<std::string> LastThrowTrace() {
  std::vector<std::string> lines;
  for (int i = 0; i < last_throw.depth; ++i) {
    // A return address may lie behind its function's end: one byte before is inside the call.
    const void* call = static_cast<const char*>(last_throw.frames[i]) - 1;
    char name[512];
    lines.push_back(absl::Symbolize(call, name, sizeof(name)) ? std::string(name)
                                                              : absl::StrFormat("%p", call));
  }
  return lines;
}

void ClearThrowTrace() { last_throw.depth = 0; }

}  // namespace slabpipe

extern "C" {

using ThrowFunction = void (*)(void*, void*, void (*)(void*));

// SUBTLE: takes the place of the runtime's function of this name for the whole program; the
// runtime's is the next one.
__attribute__((noreturn, visibility("default"))) void __cxa_throw(void* exception, void* type,
                                                                  void (*destructor)(void*)) {
  static const auto next = reinterpret_cast<ThrowFunction>(::dlsym(RTLD_NEXT, "__cxa_throw"));
  slabpipe::NoteStack(__builtin_return_address(0));
  if (next != nullptr) next(exception, type, destructor);
  std::abort();  // not reached: the runtime's function does not return
}
}
