#include "slabpipe/session/throw_trace.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace slabpipe {
namespace {

constexpr int kMaxFrames = 48;

constexpr size_t kMaxThrows = 32;

struct Throw {
  const void* exception;  // the object; another one may lie there later, and is found first
  void* frames[kMaxFrames];
  size_t depth;
};
// All zero at first.
struct Throws {
  Throw last[kMaxThrows];  // a ring
  size_t count;

  Throw& Next() { return last[count++ % kMaxThrows]; }
  // Null if not known.
  const Throw* Find(const void* exception) const {
    for (size_t i = count; i > 0 && i + kMaxThrows > count; --i) {
      const Throw& candidate = last[(i - 1) % kMaxThrows];
      if (candidate.exception == exception) return &candidate;
    }
    return nullptr;
  }
};
thread_local Throws throws;

// How many of its own frames GetStackTrace sees depends on how Abseil was built; the one that threw
// is known.
void NoteStack(const void* exception, void* thrower) {
  void* frames[kMaxFrames];
  const int depth = absl::GetStackTrace(frames, kMaxFrames, /*skip_count=*/0);
  void** const found = std::find(frames, frames + depth, thrower);
  void** const callers = found == frames + depth ? frames : found + 1;
  const auto rest = std::min<std::ptrdiff_t>(frames + depth - callers, kMaxFrames - 1);
  Throw& noted = throws.Next();
  noted.exception = exception;
  noted.frames[0] = thrower;
  std::copy(callers, callers + rest, noted.frames + 1);
  noted.depth = static_cast<size_t>(rest) + 1;
}

std::vector<std::string> ToLines(const Throw& noted, size_t max_frames) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < std::min(noted.depth, max_frames); ++i) {
    // A return address may lie behind its function's end: one byte before is inside the call.
    const void* call = static_cast<const char*>(noted.frames[i]) - 1;
    char name[512];
    lines.push_back(absl::Symbolize(call, name, sizeof(name)) ? std::string(name)
                                                              : absl::StrFormat("%p", call));
  }
  return lines;
}

// The object's address: what an exception_ptr consists of, with libstdc++ and with libc++.
const void* ObjectOf(const std::exception_ptr& exception) {
  static_assert(sizeof(exception) == sizeof(void*));
  const void* object;
  std::memcpy(&object, static_cast<const void*>(&exception), sizeof(object));
  return object;
}

}  // namespace

std::vector<std::string> ThrowTraceOf(const std::exception_ptr& exception, size_t max_frames) {
  const Throw* const noted = exception == nullptr ? nullptr : throws.Find(ObjectOf(exception));
  return noted == nullptr ? std::vector<std::string>() : ToLines(*noted, max_frames);
}

std::vector<std::string> LastThrowTrace() {
  if (throws.count == 0) return {};
  return ToLines(throws.last[(throws.count - 1) % kMaxThrows], kMaxFrames);
}

void ClearThrowTrace() { throws.count = 0; }

}  // namespace slabpipe

extern "C" {

using ThrowFunction = void (*)(void*, void*, void (*)(void*));

// SUBTLE: takes the place of the runtime's function of this name for the whole program; the
// runtime's is the next one.
__attribute__((noreturn, visibility("default"))) void __cxa_throw(void* exception, void* type,
                                                                  void (*destructor)(void*)) {
  static const auto next = reinterpret_cast<ThrowFunction>(::dlsym(RTLD_NEXT, "__cxa_throw"));
  slabpipe::NoteStack(exception, __builtin_return_address(0));
  if (next != nullptr) next(exception, type, destructor);
  std::abort();  // not reached: the runtime's function does not return
}
}
