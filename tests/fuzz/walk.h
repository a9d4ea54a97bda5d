// Walk: uses a decoded value in all the ways that a program might.

#ifndef SLABPIPE_TESTS_FUZZ_WALK_H_
#define SLABPIPE_TESTS_FUZZ_WALK_H_

#include "slabpipe/codec/object.h"

namespace slabpipe::fuzz {

// Reads every byte of `object` and of what is in it, through the classes of codec/; and makes C++
// types of it, of which most don't fit.
void Walk(const Object& object);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_WALK_H_
