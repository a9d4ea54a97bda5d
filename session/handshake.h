// The first two messages of a connection: who is there, which protocol, which features. See
// schemas/session.capnp.

#ifndef SLABPIPE_SESSION_HANDSHAKE_H_
#define SLABPIPE_SESSION_HANDSHAKE_H_

#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/target_info.h"
#include "slabpipe/transport/segment.h"

namespace slabpipe {

inline constexpr uint32_t kProtocolVersion = 1;
inline constexpr char kLibraryName[] = "slabpipe 0.1.0";
// The environment variable that tells a worker its descriptor's number.
inline constexpr char kDescriptorVariable[] = "SLABPIPE_FD";

// The features of this build: the kinds of segments that it can make and open. Main asks for one of
// them in its hello and makes sure that the worker's welcome lists it.
inline constexpr const char* kFeatures[] = {"memfd-segments", "posix-segments", "ring"};

// What kind of segments both sides create.
enum class SegmentKind {
  kMemfd,  // sealed, passed as descriptors, gone with the processes
  kPosix,  // named, in /dev/shm, for peers in other languages; only between processes that trust
           // each other
};
std::shared_ptr<SegmentProvider> MakeSegmentProvider(SegmentKind kind);

struct HelloInfo {
  uint32_t protocol_version = kProtocolVersion;
  std::string software = kLibraryName;
  std::vector<std::string> features = {std::begin(kFeatures), std::end(kFeatures)};
  std::string main_prefix;
  std::string worker_prefix;
  SegmentKind segments = SegmentKind::kMemfd;
  bool ring = false;  // the descriptors of a ring come along (RingPipe::Offer)
  absl::Duration spin = absl::ZeroDuration();
};
void WriteHello(const HelloInfo& hello, schemas::Hello::Builder out);
// INVALID_ARGUMENT if it makes no sense. May throw kj::Exception, like the next: call them inside
// CatchKj.
absl::StatusOr<HelloInfo> ReadHello(schemas::Message::Reader message);

struct WelcomeInfo {
  uint32_t protocol_version = kProtocolVersion;
  std::string software = kLibraryName;
  std::vector<std::string> features = {std::begin(kFeatures), std::end(kFeatures)};
  std::string refusal;
  absl::StatusCode refusal_code = absl::StatusCode::kFailedPrecondition;
  std::vector<TargetInfo> targets;
  bool ring = false;     // the worker has joined
  uint32_t threads = 1;  // that serve
};
void WriteWelcome(const WelcomeInfo& welcome, schemas::Welcome::Builder out);
// FAILED_PRECONDITION if the worker refuses, speaks another version, or lacks the feature that
// `segments` needs; RESOURCE_EXHAUSTED if it refuses for want of memory or descriptors; DATA_LOSS
// if it is no welcome, or breaks a rule: names that are none, more than the limits of
// target_info.h. Texts in it are safe to be printed.
absl::StatusOr<WelcomeInfo> ReadWelcome(schemas::Message::Reader message, SegmentKind segments);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_HANDSHAKE_H_
