// What conformance.h hands its values to, their type hidden. For that header alone.

#ifndef SLABPIPE_CODEC_TESTING_CONFORMANCE_CHECKS_H_
#define SLABPIPE_CODEC_TESTING_CONFORMANCE_CHECKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/handle_owner.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/codec/testing/loopback.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::codec_testing::internal {

// A value under test, or one that was decoded, its type hidden.
class Item {
 public:
  virtual ~Item() = default;
  virtual OutgoingValue outgoing() const = 0;
};
using Items = std::vector<std::unique_ptr<Item>>;

// A Conformance, its type hidden. Functions as there.
struct ConformanceSpec {
  std::function<CodecRegistry()> registry;
  std::function<absl::StatusOr<Items>(ShmPool& sender)> make_items;
  std::function<absl::StatusOr<std::unique_ptr<Item>>(const Object& object)> receive;
  std::function<bool(const Item& sent, const Item& received)> same;  // null: by encodings
  std::function<absl::Status(const Item& item)> read;                // null: encodes it
  std::optional<uint64_t> copies;
  std::optional<uint64_t> echo_copies;
  size_t max_corruptions;
  std::function<void(const std::string& step)> trace;
  std::shared_ptr<HandleOwner> handles;  // of both sides
};

// All checks; returns what Conformance::Run does.
absl::Status CheckConformance(const ConformanceSpec& spec);

}  // namespace slabpipe::codec_testing::internal

#endif  // SLABPIPE_CODEC_TESTING_CONFORMANCE_CHECKS_H_
