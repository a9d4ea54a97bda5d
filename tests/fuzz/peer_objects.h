// PeerObjects: the objects that a peer sends as descriptors, good ones and bad ones.
//
//   PeerObjects objects;
//   std::vector<UniqueFd> descriptors = objects.Make(message.descriptors);
//   objects.Change();                          // the peer writes to what it has sent

#ifndef SLABPIPE_TESTS_FUZZ_PEER_OBJECTS_H_
#define SLABPIPE_TESTS_FUZZ_PEER_OBJECTS_H_

#include <memory>
#include <vector>

#include "slabpipe/tests/fuzz/message_input.h"
#include "slabpipe/transport/segment.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::fuzz {

// Thread-compatible. Keeps the good ones mapped, writable.
class PeerObjects {
 public:
  std::vector<UniqueFd> Make(const std::vector<MessageInput::Descriptor>& descriptors);
  // Other bytes in all of the good ones.
  void Change();

 private:
  UniqueFd MakeSealed(const MessageInput::Descriptor& descriptor);

  std::vector<std::unique_ptr<Segment>> segments_;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_PEER_OBJECTS_H_
