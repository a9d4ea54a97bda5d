// Segment: one shared-memory object and this process's mapping of it. SegmentProvider: makes and
// opens them.
//
//   MemfdSegmentProvider memory;
//   auto mine = memory.Create("m.1", 1 << 20);            // the owner: writable
//   ... (*mine)->descriptor() travels to the other process ...
//   auto theirs = memory.Open("m.1", 1 << 20, fd);        // the reader: read-only
//
// Contract: a segment's size never changes, its memory is reserved when it has been created
// (touching it can't fail for want of memory), and what the reader maps is checked first to be such
// a segment.

#ifndef SLABPIPE_TRANSPORT_SEGMENT_H_
#define SLABPIPE_TRANSPORT_SEGMENT_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {

// A mapping of a whole shared-memory object; unmapped on destruction, and then, if this side
// created it under a name in the file system, unlinked. Immutable but for the bytes, thus
// thread-safe; the bytes need the caller's own order.
class Segment {
 public:
  // Takes over `mapping` (size_bytes long, from mmap) and `descriptor` (may be none). If
  // `unlink_path` is not empty, the destructor hands it to shm_unlink.
  Segment(std::string name, std::byte* mapping, size_t size_bytes, bool writable,
          UniqueFd descriptor, std::string unlink_path);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  const std::string& name() const { return name_; }
  size_t size_bytes() const { return size_bytes_; }
  const std::byte* data() const { return mapping_; }
  // nullptr for a reader's mapping.
  std::byte* mutable_data() const { return writable_ ? mapping_ : nullptr; }
  // For the owner of a segment that travels as a descriptor; -1 otherwise. Borrowed.
  int descriptor() const { return descriptor_.get(); }

  // To be called by the owner that is about to write all of [offset, offset + size_bytes), in
  // ascending order of offsets: gets the pages that have not been touched yet ready at once, which
  // takes half the time of one page fault each, and less where helper threads find an idle
  // processor (helper_threads.h). Costs next to nothing for pages that are ready, and nothing but
  // time if it does not work: the bytes are the same before and after. REQUIRES: the range lies
  // inside the segment, which is writable.
  void Populate(size_t offset, size_t size_bytes) const;

 private:
  const std::string name_;
  std::byte* const mapping_;
  const size_t size_bytes_;
  const bool writable_;
  const UniqueFd descriptor_;
  const std::string unlink_path_;
  // Up to here Populate has been. Relaxed: a hint, of which a stale value costs only time.
  mutable std::atomic<size_t> populated_bytes_{0};
};

// Creates and opens segments of one kind. Implementations are thread-safe.
class SegmentProvider {
 public:
  virtual ~SegmentProvider() = default;

  // A new segment, writable here, zero-filled, its memory reserved. REQUIRES:
  // IsValidSegmentName(name), size_bytes > 0. RESOURCE_EXHAUSTED with the limit's name when memory,
  // descriptors or address space have run out; ALREADY_EXISTS.
  virtual absl::StatusOr<std::unique_ptr<Segment>> Create(absl::string_view name,
                                                          size_t size_bytes) = 0;

  // A peer's segment, mapped read-only. `descriptor` is the one that came with it (none for kinds
  // that go by name). Checks that the object is as large as said and can't shrink. DATA_LOSS if it
  // is not what was said; RESOURCE_EXHAUSTED as above; NOT_FOUND.
  virtual absl::StatusOr<std::unique_ptr<Segment>> Open(absl::string_view name, size_t size_bytes,
                                                        UniqueFd descriptor) = 0;

  // Whether a segment travels as a descriptor (true) or by name (false).
  virtual bool passes_descriptors() const = 0;
};

// 1 to 63 bytes of [A-Za-z0-9._-], the first one no dot.
bool IsValidSegmentName(absl::string_view name);

// Maps `size_bytes` of `descriptor`, shared. RESOURCE_EXHAUSTED if there is no address space or
// mapping left; `name` is for the message. For providers.
absl::StatusOr<std::byte*> MapSegment(absl::string_view name, int descriptor, size_t size_bytes,
                                      bool writable);

// Reserves the memory of a new object, so that touching it later can't end in SIGBUS. For
// providers.
absl::Status ReserveMemory(absl::string_view name, int descriptor, size_t size_bytes);

// The status for a system call on a segment that failed with `error_number`: RESOURCE_EXHAUSTED
// with the limit's name for want of memory, space, descriptors or mappings, INTERNAL else. For
// providers.
absl::Status SegmentError(absl::string_view name, absl::string_view call, int error_number,
                          size_t size_bytes);

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_SEGMENT_H_
