// What messages of seeds are made of.

#ifndef SLABPIPE_TESTS_FUZZ_MESSAGE_FILLS_H_
#define SLABPIPE_TESTS_FUZZ_MESSAGE_FILLS_H_

#include <cstdint>

#include "slabpipe/schemas/session.capnp.h"

namespace slabpipe::fuzz {

// The answer is one handle, of this number.
void AnswerWithHandle(schemas::Message::Builder root, uint64_t number);
void GrantHandle(schemas::Message::Builder root, uint64_t number);

// A segment of one page comes along, the first descriptor of the message.
void Announce(schemas::Message::Builder root, uint32_t slot);
// An array of `bytes` from the start of the first segment of the message.
void PutArray(schemas::Message::Builder root, schemas::Payload::Builder payload, uint64_t bytes);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_MESSAGE_FILLS_H_
