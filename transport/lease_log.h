// LeaseLogWriter, LeaseLogReader: leases given back through shared memory, without a message.
//
//   reader of segments                             their owner
//   LeaseLogWriter log(own, peer);                 LeaseLogReader log(own, peer);
// log.Append(slot, count, messages_sent);        log.Drain(messages_accepted, [](slot, count) ...);
//
// Nobody is woken: the owner looks when it needs memory. A full log takes nothing more, and what it
// does not take goes with a message.
//
// SUBTLE: a message that is still on its way may speak of the segment whose lease is given back (an
// echo: what came from the owner goes back to it by reference). So an entry says how many messages
// its writer had sent by then, and the owner lets it wait until it has taken in as many.

#ifndef SLABPIPE_TRANSPORT_LEASE_LOG_H_
#define SLABPIPE_TRANSPORT_LEASE_LOG_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "slabpipe/transport/control_block.h"

namespace slabpipe {

// Thread-compatible. Keeps what its control blocks lie in.
class LeaseLogWriter {
 public:
  LeaseLogWriter(const OwnControl& own, const PeerControl& peer, std::shared_ptr<const void> keeper)
      : own_(own), peer_(peer), keeper_(std::move(keeper)) {}

  // Whether there was room. What the caller did before is visible to whoever drains the entry.
  bool Append(uint32_t slot, uint32_t count, uint64_t after_messages);

 private:
  const OwnControl own_;
  const PeerControl peer_;
  const std::shared_ptr<const void> keeper_;
  uint64_t written_ = 0;
  uint64_t taken_ = 0;  // as last read from the peer
};

// Thread-compatible, as above.
class LeaseLogReader {
 public:
  LeaseLogReader(const OwnControl& own, const PeerControl& peer, std::shared_ptr<const void> keeper)
      : own_(own), peer_(peer), keeper_(std::move(keeper)) {}

  // Cheap, and true now and then although nothing may be drained yet.
  bool MayHaveEntries() const;
  // Hands on every entry whose time has come, in order. Stops at an error of `take`'s, and returns
  // it; DATA_LOSS if the log makes no sense.
  absl::Status Drain(uint64_t messages_accepted,
                     absl::FunctionRef<absl::Status(uint32_t slot, uint32_t count)> take);

 private:
  const OwnControl own_;
  const PeerControl peer_;
  const std::shared_ptr<const void> keeper_;
  uint64_t taken_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_LEASE_LOG_H_
