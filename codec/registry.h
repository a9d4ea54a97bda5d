// CodecRegistry: the codecs that both sides know, in order.
//
//   CodecRegistry registry = BuiltInCodecs();      // built_in.h
//   absl::Status added = registry.Add(std::make_unique<CloudCodec>());
//
// The first codec that accepts a value encodes it; the fallback, which stands last, takes what no
// other does. A payload is decoded by the codec whose name it bears. Both processes must have the
// same codecs for what they exchange; their order may differ.

#ifndef SLABPIPE_CODEC_REGISTRY_H_
#define SLABPIPE_CODEC_REGISTRY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/object.h"

namespace slabpipe {

// Filled first, then used: while nobody adds, thread-safe. Movable.
class CodecRegistry {
 public:
  // No codec at all.
  CodecRegistry() = default;

  // Behind all that are there, but before the fallback; in front of all. ALREADY_EXISTS if the name
  // is taken; INVALID_ARGUMENT for a name that is empty or longer than 255 bytes, or no codec.
  absl::Status Add(std::unique_ptr<Codec> codec);
  absl::Status AddFirst(std::unique_ptr<Codec> codec);
  // Takes the place of the fallback.
  absl::Status SetFallback(std::unique_ptr<Codec> codec);

  // The first codec that accepts the value, or nullptr. One look-up by type, however many codecs
  // there are; only those of exactly that type are asked.
  const Codec* FindFor(AnyRef value) const;
  // The same; INVALID_ARGUMENT with the value's type and the codecs there are.
  absl::StatusOr<const Codec*> Select(AnyRef value) const;
  // The codec of that name. FAILED_PRECONDITION, listing those there are.
  absl::StatusOr<const Codec*> Find(absl::string_view name) const;
  // In order, the fallback last.
  std::vector<std::string> names() const;

 private:
  // The codecs for one type, in order.
  using Candidates = absl::InlinedVector<const Codec*, 1>;

  // `replaced` is the codec that makes room for this one, if there is such.
  absl::Status CheckName(const Codec* codec, const Codec* replaced) const;
  // Notes the name; returns the codecs for its type, to put it among them.
  Candidates& IndexName(const Codec* codec);

  std::vector<std::unique_ptr<Codec>> codecs_;
  std::unique_ptr<Codec> fallback_;
  absl::flat_hash_map<const void*, Candidates> by_type_;  // by TypeId::key()
  absl::flat_hash_map<std::string, const Codec*> by_name_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_REGISTRY_H_
