// ThreadSleeps: whether a thread of this process waits for something.

#ifndef SLABPIPE_TESTS_TESTING_THREAD_STATE_H_
#define SLABPIPE_TESTS_TESTING_THREAD_STATE_H_

#include <sys/types.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace slabpipe::tests {

// What the kernel says: for a lock, a condition, a descriptor. `thread` is gettid()'s.
inline bool ThreadSleeps(pid_t thread) {
  std::ifstream file(absl::StrCat("/proc/self/task/", thread, "/stat"));
  std::string line;
  std::getline(file, line);
  // proc(5), /proc/PID/stat: the state stands behind the name, which is in brackets.
  const size_t name_end = line.rfind(") ");
  return name_end != std::string::npos && line.compare(name_end + 2, 1, "S") == 0;
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_THREAD_STATE_H_
