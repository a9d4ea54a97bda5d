// Two peers that exchange the values under test, and a third that has never met them: what the
// checks of conformance.h are made with.

#ifndef SLABPIPE_CODEC_TESTING_CONFORMANCE_LINK_H_
#define SLABPIPE_CODEC_TESTING_CONFORMANCE_LINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/testing/conformance_checks.h"
#include "slabpipe/codec/testing/loopback.h"

namespace slabpipe::codec_testing::internal {

// Runs `step`; an exception becomes UNKNOWN, which no step returns by right.
absl::Status Guarded(absl::FunctionRef<absl::Status()> step);

// What both sides have in use.
struct Usage {
  uint64_t sender_grants = 0, receiver_grants = 0;  // slabs that the other side has not given back
  uint64_t sender_bytes = 0, receiver_bytes = 0;    // of slabs in use
  size_t sender_leases = 0, receiver_leases = 0;    // on slabs of the other side's

  friend bool operator==(const Usage&, const Usage&) = default;
  // How it differs from what it should be.
  std::string Against(const Usage& expected) const;
};

// Encodes values for nobody: into memory that no value lies in, so that everything is copied.
class Scratch {
 public:
  explicit Scratch(const ConformanceSpec& spec)
      : peer_("x.", "y.", spec.registry()), handles_(spec.handles) {}

  // All that encoding it gives: the payload's words and the blocks' bytes.
  absl::StatusOr<std::string> Encode(const Item& item);

 private:
  Peer peer_;
  const std::shared_ptr<HandleOwner> handles_;
};

// Borrows the spec.
class Link {
 public:
  enum class Direction { kFromMain, kFromWorker };
  // Two new peers, and the values in the sender's hands.
  static absl::StatusOr<std::unique_ptr<Link>> Create(const ConformanceSpec& spec,
                                                      Direction direction = Direction::kFromMain);

  Peer& sender() { return *sender_; }
  Peer& receiver() { return *receiver_; }
  const Items& items() const { return items_; }
  // From here on the values are the caller's, and may outlive the link.
  Items TakeItems() { return std::move(items_); }

  absl::StatusOr<std::unique_ptr<Letter>> Write(size_t item) {
    return WriteFrom(*sender_, *items_[item]);
  }
  absl::StatusOr<std::unique_ptr<Letter>> WriteFrom(Peer& from, const Item& item);
  absl::StatusOr<std::unique_ptr<Item>> ReadAt(Peer& to, Letter& letter);
  // From the sender to the receiver.
  absl::StatusOr<std::unique_ptr<Item>> Exchange(size_t item);

  // Messages without values, back and forth: what is over comes home. The pools are cleared.
  absl::Status Settle();
  // Only one, back.
  absl::Status GiveBack();
  // As if the connection were lost and another begun: nobody holds anything of the other's.
  void Reconnect();
  // Takes all of the sender's free memory, overwrites it, and gives it back.
  void OverwriteFreeMemory();
  Usage usage();

 private:
  Link(const ConformanceSpec& spec, Direction direction);

  const ConformanceSpec& spec_;
  const std::string sender_prefix_, receiver_prefix_;
  std::unique_ptr<Peer> sender_, receiver_;
  Items items_;
};

// The checks' common ground. Borrows the spec.
class Checker {
 public:
  explicit Checker(const ConformanceSpec& spec) : spec_(spec), scratch_(spec) {}

  const ConformanceSpec& spec() const { return spec_; }
  void Trace(const std::string& step) const {
    if (spec_.trace) spec_.trace(step);
  }
  // OK if they are the same; INTERNAL with `detail` otherwise.
  absl::Status Same(const Item& sent, const Item& received, absl::string_view detail);
  // OK if all of it can be read.
  absl::Status Read(const Item& item);

 private:
  const ConformanceSpec& spec_;
  Scratch scratch_;
};

// The checks 'refs', 'metadata', 'message', 'bytes' and 'bytes later' for value `item`. INTERNAL
// with the check's name and what happened.
absl::Status CheckHostileMessages(Checker& checker, size_t item);

// INTERNAL, "check: detail".
absl::Status Failed(absl::string_view check, absl::string_view detail);
// The same for a step that should have been OK. OK if it was.
absl::Status Failed(absl::string_view check, absl::string_view step, const absl::Status& status);

}  // namespace slabpipe::codec_testing::internal

#endif  // SLABPIPE_CODEC_TESTING_CONFORMANCE_LINK_H_
