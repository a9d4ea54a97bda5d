// What a process holds of the system's resources, for tests of steady cost and of what is left.
//
//   const size_t before = OpenDescriptors();
//   ...
//   EXPECT_EQ(OpenDescriptors(), before);

#ifndef SLABPIPE_TESTS_TESTING_PROCESS_STATE_H_
#define SLABPIPE_TESTS_TESTING_PROCESS_STATE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace slabpipe::tests {

// This process's open descriptors.
size_t OpenDescriptors();

// This process's mappings of segments whose names contain `name_part`, from /proc/self/maps. Named
// segments count if their names begin with "slabpipe.".
size_t SegmentMappings(absl::string_view name_part = "");

// The access rights of this process's mapping at `address`, as /proc/self/maps states them
// ("r--s"); empty if nothing is mapped there.
std::string MappingRights(const void* address);

// This process's resident memory, shared memory included.
size_t ResidentBytes();

// The same of another process, 0 if it is gone.
size_t OpenDescriptorsOf(pid_t process);
size_t SegmentMappingsOf(pid_t process, absl::string_view name_part = "");
size_t ResidentBytesOf(pid_t process);

// Waits until `process`, which need not be a child of this one, has ended. A zombie has ended.
void AwaitEnd(pid_t process);
// Whether there is such a process. A zombie is one: nobody has waited for it yet.
bool ProcessExists(pid_t process);
bool IsZombie(pid_t process);
// The children of this process that have ended, or not, and that nobody has waited for.
std::vector<pid_t> Children();

// Minor page faults of this process since its start.
int64_t PageFaults();

// Names in /dev/shm that begin with `prefix`, sorted.
std::vector<std::string> SharedMemoryEntries(absl::string_view prefix);

// How many descriptors and mappings of segments with `name_part` in their names there are in all
// processes that this one may look into: 0 when the kernel has freed such memory.
size_t HoldersOnThisMachine(absl::string_view name_part);

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_PROCESS_STATE_H_
