// DecoderHarness: what the fuzzers of decoders do with an input (decoder_input.h).
//
//   static auto* const harness = new DecoderHarness("ndarray");
//   harness->Run(input);
//
// Decodes the payload, in the same steps as a session does. What was decoded is used in all ways,
// sent on by reference and by copy, decoded again and compared; then the peer changes the slab
// under it, and it is used again. Aborts if
// - decoding reads a byte outside the payload's blocks, or a decoded value one that it does not
//   hold a lease on (under AddressSanitizer);
// - an error has a code that blames nobody, or no message (check.h);
// - what was decoded can't be sent on, or comes out differently;
// - a lease, a pin, or memory is not back at the end.

#ifndef SLABPIPE_TESTS_FUZZ_DECODER_HARNESS_H_
#define SLABPIPE_TESTS_FUZZ_DECODER_HARNESS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/tests/fuzz/decoder_input.h"
#include "slabpipe/tests/fuzz/fuzzed_handles.h"
#include "slabpipe/tests/fuzz/hostile_slab.h"
#include "slabpipe/tests/fuzz/resender.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::fuzz {

// Thread-compatible. Keeps a pool with one mapping from input to input, nothing else.
class DecoderHarness {
 public:
  // Inputs whose payload names another codec are not looked at. Inside it there may be any.
  explicit DecoderHarness(absl::string_view codec);

  // Returns what decoding said.
  absl::Status Run(absl::Span<const uint8_t> bytes);

 private:
  absl::StatusOr<IncomingMemory> AcceptRefs(const DecoderInput& input);
  void CollectBlocks(const IncomingMemory& memory);
  absl::StatusOr<Object> Decode(IncomingMessage& message, const IncomingMemory& memory);
  void Use(const Object& object, const DecoderInput& input);
  void SendBack(const Object& object);
  void CheckAllHome();

  const CodecRegistry registry_;
  std::shared_ptr<const PeerCodecs> peer_codecs_;
  uint16_t codec_number_ = 0;
  ShmPool pool_;
  FuzzedHandles handles_;
  HostileSlab slab_;
  Resender resender_;
  std::vector<Block> blocks_;  // of the input's refs, those with bytes, while it is decoded
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_DECODER_HARNESS_H_
