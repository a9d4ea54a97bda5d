// AdoptOrphans, ReapAll: that no descendant of this process outlives it unseen.
//
//   AdoptOrphans();
//   ...                          // main programs are started, killed, and leave workers behind
//   EXPECT_EQ(ReapAll(), 0u);    // which have all ended

#ifndef SLABPIPE_TESTS_TESTING_ORPHANS_H_
#define SLABPIPE_TESTS_TESTING_ORPHANS_H_

#include <sys/types.h>

#include <cstddef>

namespace slabpipe::tests {

// Has this process inherit what its descendants leave behind.
void AdoptOrphans();

// Waits until all children of this process have ended, at most ten seconds for each (forty under a
// sanitizer), and reaps them. Returns how many have not, which are killed.
size_t ReapAll();

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_ORPHANS_H_
