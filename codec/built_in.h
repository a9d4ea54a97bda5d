// The codecs that come with slabpipe, and those together with one's own.
//
//   SessionOptions options = {.program = "lidar_worker",
//                             .codecs = *CodecsWith<CloudCodec, SurveyCodec>()};

#ifndef SLABPIPE_CODEC_BUILT_IN_H_
#define SLABPIPE_CODEC_BUILT_IN_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/registry.h"

namespace slabpipe {

// ndarray, record, sequence, map, variant, dataset, table, column, handle; the fallback is value.
CodecRegistry BuiltInCodecs();

// Behind these, before the fallback, a codec of each of the given classes, in their order.
// ALREADY_EXISTS or INVALID_ARGUMENT as CodecRegistry::Add.
template <typename... C>
absl::StatusOr<CodecRegistry> RegistryWith() {
  CodecRegistry registry = BuiltInCodecs();
  absl::Status status;
  (status.Update(registry.Add(std::make_unique<C>())), ...);
  if (!status.ok()) return status;
  return registry;
}
// The same, to be shared: for SessionOptions::codecs.
template <typename... C>
absl::StatusOr<std::shared_ptr<const CodecRegistry>> CodecsWith() {
  absl::StatusOr<CodecRegistry> registry = RegistryWith<C...>();
  if (!registry.ok()) return registry.status();
  return std::make_shared<const CodecRegistry>(*std::move(registry));
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_BUILT_IN_H_
