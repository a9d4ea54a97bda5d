// Resender: sends a decoded value on, by copy, and reads it again.
//
//   Resender resender(FuzzedCodecs());
//   absl::StatusOr<Resent> once = resender.Send(object);
//   absl::StatusOr<Resent> twice = resender.Send(once->object);
//   FUZZ_CHECK(*once == *twice, "...");                  // I9: what goes in comes out

#ifndef SLABPIPE_TESTS_FUZZ_RESENDER_H_
#define SLABPIPE_TESTS_FUZZ_RESENDER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::fuzz {

struct Resent {
  std::string payload;              // Cap'n Proto words
  std::vector<std::string> blocks;  // the content of each
  Object object;                    // what they are decoded to

  friend bool operator==(const Resent& a, const Resent& b) {
    return a.payload == b.payload && a.blocks == b.blocks;
  }
};

// Two pools of its own, so that every byte of a value from elsewhere is copied. Thread-compatible;
// reuses its memory from call to call.
class Resender {
 public:
  explicit Resender(CodecRegistry registry);

  // The errors of MessageEncoder and MessageDecoder.
  absl::StatusOr<Resent> Send(const Object& object);
  // REQUIRES: all that was sent is gone. Aborts if memory has not come back.
  void CheckAllHome();

 private:
  const CodecRegistry registry_;
  ShmPool sender_;
  ShmPool receiver_;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_RESENDER_H_
