#include "slabpipe/transport/lease_log.h"

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

// The fields one by one: the log's memory is shared, and an entry is written while the reader may
// look at the one before it.
void Store(const LeaseLogEntry& entry, LeaseLogEntry* place) {
  __atomic_store_n(&place->slot, entry.slot, __ATOMIC_RELAXED);
  __atomic_store_n(&place->count, entry.count, __ATOMIC_RELAXED);
  __atomic_store_n(&place->after_messages, entry.after_messages, __ATOMIC_RELAXED);
}

LeaseLogEntry Load(const LeaseLogEntry* place) {
  return {.slot = __atomic_load_n(&place->slot, __ATOMIC_RELAXED),
          .count = __atomic_load_n(&place->count, __ATOMIC_RELAXED),
          .after_messages = __atomic_load_n(&place->after_messages, __ATOMIC_RELAXED)};
}

}  // namespace

bool LeaseLogWriter::Append(uint32_t slot, uint32_t count, uint64_t after_messages) {
  // What the peer has taken is looked at only when the log seems full: that line is often not in
  // this processor's cache.
  if (written_ - taken_ >= own_.sizes.log_entries) {
    // Acquire: pairs with the release in Drain. A peer that lies about what it has taken loses
    // entries of its own, or is sent messages instead.
    const uint64_t taken = peer_.header->log_taken.load(std::memory_order_acquire);
    if (taken > written_ || written_ - taken >= own_.sizes.log_entries) return false;
    taken_ = taken;
  }
  Store({.slot = slot, .count = count, .after_messages = after_messages},
        &own_.log[written_ & (own_.sizes.log_entries - 1)]);
  ++written_;
  // Release: pairs with the acquire in Drain.
  own_.header->log_written.store(written_, std::memory_order_release);
  return true;
}

bool LeaseLogReader::MayHaveEntries() const {
  return peer_.header->log_written.load(std::memory_order_relaxed) != taken_;
}

absl::Status LeaseLogReader::Drain(
    uint64_t messages_accepted,
    absl::FunctionRef<absl::Status(uint32_t slot, uint32_t count)> take) {
  // Acquire: pairs with the release in Append.
  const uint64_t written = peer_.header->log_written.load(std::memory_order_acquire);
  if (written < taken_ || written - taken_ > peer_.sizes.log_entries) {
    return absl::DataLossError(
        absl::StrCat("the peer's lease log claims ", written, " entries, of which ", taken_,
                     " are taken and at most ", peer_.sizes.log_entries, " more have room"));
  }
  absl::Status status;
  while (taken_ != written && status.ok()) {
    const LeaseLogEntry entry = Load(&peer_.log[taken_ & (peer_.sizes.log_entries - 1)]);
    if (entry.after_messages > messages_accepted) break;
    ++taken_;
    status = take(entry.slot, entry.count);
  }
  own_.header->log_taken.store(taken_, std::memory_order_release);  // pairs with Append
  return status;
}

}  // namespace slabpipe
