// MemfdSegmentProvider: segments without a name in the file system, sealed, passed as descriptors.
// The default.
//
// The owner creates a memfd, reserves its memory, maps it writable and then seals it: SHRINK and
// GROW (a reader can never be hit by SIGBUS), FUTURE_WRITE (nobody else can ever map it writable,
// write to it or punch holes in it; the owner's own mapping goes on writing) and SEAL (so it
// stays). When the last descriptor and mapping is gone, however the processes went, the kernel
// frees it. Source: memfd_create(2), fcntl(2) 'File Sealing'.

#ifndef SLABPIPE_TRANSPORT_MEMFD_SEGMENT_H_
#define SLABPIPE_TRANSPORT_MEMFD_SEGMENT_H_

#include <memory>

#include "slabpipe/transport/segment.h"

namespace slabpipe {

// Thread-safe; holds no state.
class MemfdSegmentProvider : public SegmentProvider {
 public:
  absl::StatusOr<std::unique_ptr<Segment>> Create(absl::string_view name,
                                                  size_t size_bytes) override;
  // Also refuses an object whose memory is not all there: reading it would make this process pay
  // for the pages.
  absl::StatusOr<std::unique_ptr<Segment>> Open(absl::string_view name, size_t size_bytes,
                                                UniqueFd descriptor) override;
  bool passes_descriptors() const override { return true; }
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_MEMFD_SEGMENT_H_
