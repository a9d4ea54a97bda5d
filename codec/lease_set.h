// LeaseSet: the leases that one decoded value needs, each once.

#ifndef SLABPIPE_CODEC_LEASE_SET_H_
#define SLABPIPE_CODEC_LEASE_SET_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/transport/block.h"

namespace slabpipe {

// Thread-compatible. Takes the same time for each lease, however many there are: a peer chooses
// how many segments a message names, and how deep its values are nested.
class LeaseSet {
 public:
  // Nothing changes if it is there already.
  void Add(const std::shared_ptr<const Lease>& lease) {
    if (!Contains(lease.get())) leases_.push_back(lease);
  }
  void AddAll(const Leases& leases) {
    for (const std::shared_ptr<const Lease>& lease : leases) Add(lease);
  }
  Leases Take() { return std::move(leases_); }

 private:
  // Most values lie in one slab, or a few.
  static constexpr size_t kFew = 8;

  bool Contains(const Lease* lease) {
    if (leases_.size() < kFew) {
      for (const std::shared_ptr<const Lease>& known : leases_) {
        if (known.get() == lease) return true;
      }
      return false;
    }
    if (known_.empty()) {
      for (const std::shared_ptr<const Lease>& known : leases_) known_.insert(known.get());
    }
    return !known_.insert(lease).second;
  }

  Leases leases_;
  absl::flat_hash_set<const Lease*> known_;  // if they are many
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_LEASE_SET_H_
