// A small disk: a file system that a test may fill up.
//
//   ChildProcess child([&] {
//     if (!MountSmallDisk("/dev/shm")) return kCanNot;
//     FillUp("/dev/shm");
//     ...
//
// To be called in a child of the test, without other threads: nobody else sees it, and it is gone
// with that child.

#ifndef SLABPIPE_TESTS_TESTING_SMALL_DISK_H_
#define SLABPIPE_TESTS_TESTING_SMALL_DISK_H_

#include <string>

namespace slabpipe::tests {

// Of 64 KiB, for this process and those that it starts, at `folder`, which is made if need be.
// False if this system lets no user mount one of its own; errno says why.
bool MountSmallDisk(const std::string& folder);

// Leaves no byte of the file system of `folder`: in a file that is called "full".
void FillUp(const std::string& folder);

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_SMALL_DISK_H_
