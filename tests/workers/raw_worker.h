// What misbehaving workers have in common: the protocol, spoken by hand (schemas/session.capnp,
// docs/wire-format.md), so that each can break it in one place. None of slabpipe's own transport or
// session is in it.
//
//   int main() {
//     SendWelcome();
//     const uint64_t id = ReceiveRequest();
//     SendAnswer(id);
//     SendAnswer(id);  // once too often
//     Hang();
//   }
//
// A program that can't go on (main is gone) exits.

#ifndef SLABPIPE_TESTS_WORKERS_RAW_WORKER_H_
#define SLABPIPE_TESTS_WORKERS_RAW_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slabpipe::tests {

// The connection: the descriptor that SLABPIPE_FD names.
int MainSocket();

// Bytes as they stand.
void SendBytes(std::string_view bytes);
// `body` is a message in Cap'n Proto's stream framing; it gets the header that is due.
void SendFrame(std::string_view body);
// The same without its last bytes, which are returned: so much that half the body is missing.
std::string SendHalf(std::string_view body);
// So many, with as few system calls as can be.
void SendFrames(std::string_view body, int count);
// At most 16 of them, at least one.
void SendFrame(std::string_view body, const std::vector<int>& descriptors);

// Reads main's hello, unless that has been done, and answers.
struct WelcomeParts {
  uint32_t version = 1;
  std::string refusal = {};
  uint16_t refusal_code = 0;
  std::vector<std::string> features = {"memfd-segments", "posix-segments"};
  bool joins_ring = false;  // raw_ring.h
  std::vector<int> descriptors = {};
  std::vector<std::string> target_names = {};
};
void SendWelcome(const WelcomeParts& parts = {});
// Those that came with main's hello, which is read first unless that has been done.
const std::vector<int>& HelloDescriptors();

// What has arrived, and of a request its id.
enum class Kind { kRequest, kShutdown, kAnswer, kItem, kOther };
struct Arrived {
  Kind kind = Kind::kOther;
  uint64_t id = 0;
};
// Waits for the next message of any kind.
Arrived ReceiveAny();
// Waits for the next request, passing over all other messages: its id.
uint64_t ReceiveRequest();
// Waits for the header and half the body of the next message; and for the other half.
void ReceiveHalf();
Arrived ReceiveRest();
// What a message is, by its body.
Arrived Look(const void* body, size_t bytes);

// A response whose result is a value of nothing, as a body; and sent. It names these codecs.
using Names = std::vector<std::string>;
std::string AnswerBody(uint64_t id, const Names& codecs = {"value"});
void SendAnswer(uint64_t id, const Names& codecs = {"value"});

// One of the results of a stream, a value of nothing, as a body. It names the codec if it is the
// first message with a value.
std::string ItemBody(uint64_t id, bool is_first);

// A response whose result is a float64 array of one axis, in a segment of its own; each field may
// be a lie.
struct SharedAnswer {
  bool sealed = true;
  bool send_descriptor = true;
  uint64_t object_bytes = 4096;  // of the memfd
  uint64_t said_bytes = 4096;    // in the grant
  uint64_t generation = 1;
  uint32_t slot = 0;
  bool say_what_it_is = true;  // name and size
  bool echo = false;
  std::string name = {};  // a good one if empty
  uint16_t segment_index = 0;
  uint32_t offset_units = 0;  // of 64 bytes
  uint64_t size = 64;
  uint64_t content_size = 64;
  int64_t elements = 8;
  std::string codec = "ndarray";
};
void SendSharedAnswer(uint64_t id, const SharedAnswer& answer);

// Messages that are not a worker's to send, or don't fit.
void SendRequest();
void SendPong(uint64_t number);
void SendGoodbye();
void SendProgress(uint64_t id);
void SendLeaseReturn(uint32_t slot);
// As a body, to be sent many times over.
std::string LogBody(const std::string& text);

[[noreturn]] void Hang();

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_WORKERS_RAW_WORKER_H_
