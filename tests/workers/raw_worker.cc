#include "slabpipe/tests/workers/raw_worker.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slabpipe/schemas/codecs.capnp.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/tests/testing/send_descriptors.h"

namespace slabpipe::tests {
namespace {

constexpr int kMainIsGone = 9;

struct Header {
  uint32_t magic = 0x31504c53;
  uint16_t descriptors = 0;
  uint16_t reserved = 0;
  uint64_t sequence = 0;
  uint64_t body_bytes = 0;
};
static_assert(sizeof(Header) == 24);

uint64_t next_sequence = 0;
bool greeted = false;
std::string worker_prefix;
std::vector<int> hello_descriptors;

void KeepDescriptors(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t before = hello_descriptors.size();
    hello_descriptors.resize(before + count);
    memcpy(&hello_descriptors[before], CMSG_DATA(part), count * sizeof(int));
  }
}

void ReadExactly(void* target, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    iovec part = {static_cast<char*>(target) + done, bytes - done};
    alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    // Those that come with later messages are lost: nobody here wants them.
    message.msg_control = greeted ? nullptr : control;
    message.msg_controllen = greeted ? 0 : sizeof(control);
    const ssize_t got = ::recvmsg(MainSocket(), &message, MSG_CMSG_CLOEXEC);
    if (got <= 0) ::_exit(kMainIsGone);
    KeepDescriptors(message);
    done += static_cast<size_t>(got);
  }
}

// A message of which half is there.
kj::Array<capnp::word> halved;

kj::Array<capnp::word> ReceiveHeader() {
  Header header;
  ReadExactly(&header, sizeof(header));
  return kj::heapArray<capnp::word>(header.body_bytes / sizeof(capnp::word));
}

kj::Array<capnp::word> ReceiveBody() {
  kj::Array<capnp::word> words = ReceiveHeader();
  ReadExactly(words.begin(), words.asBytes().size());
  return words;
}

std::string ToBody(capnp::MessageBuilder& message) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
}

void ReceiveHello() {
  const kj::Array<capnp::word> words = ReceiveBody();
  capnp::FlatArrayMessageReader reader(words);
  const auto hello = reader.getRoot<schemas::Message>().getHello();
  worker_prefix = hello.getWorkerPrefix().cStr();
  greeted = true;
}

int NewMemfd(const SharedAnswer& answer) {
  const int object = ::memfd_create("slabpipe:raw", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (::fallocate(object, 0, 0, static_cast<off_t>(answer.object_bytes)) != 0) ::_exit(1);
  if (answer.sealed) {
    ::fcntl(object, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | 0x10);
  }
  return object;
}

}  // namespace

int MainSocket() {
  static const int socket = ::atoi(::getenv("SLABPIPE_FD"));
  return socket;
}

void SendBytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(MainSocket(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) ::_exit(kMainIsGone);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void SendFrame(std::string_view body) {
  Header header;
  header.sequence = next_sequence++;
  header.body_bytes = body.size();
  SendBytes({reinterpret_cast<const char*>(&header), sizeof(header)});
  SendBytes(body);
}

std::string SendHalf(std::string_view body) {
  Header header;
  header.sequence = next_sequence++;
  header.body_bytes = body.size();
  SendBytes({reinterpret_cast<const char*>(&header), sizeof(header)});
  SendBytes(body.substr(0, body.size() / 2));
  return std::string(body.substr(body.size() / 2));
}

void SendFrames(std::string_view body, int count) {
  std::string frames;
  for (int i = 0; i < count; ++i) {
    Header header;
    header.sequence = next_sequence++;
    header.body_bytes = body.size();
    frames.append(reinterpret_cast<const char*>(&header), sizeof(header)).append(body);
  }
  SendBytes(frames);
}

void SendFrame(std::string_view body, const std::vector<int>& descriptors) {
  Header header;
  header.descriptors = static_cast<uint16_t>(descriptors.size());
  header.sequence = next_sequence++;
  header.body_bytes = body.size();
  std::string frame(reinterpret_cast<const char*>(&header), sizeof(header));
  frame.append(body);
  if (!SendWithDescriptors(MainSocket(), frame, descriptors)) ::_exit(kMainIsGone);
}

void SendWelcome(const WelcomeParts& parts) {
  if (!greeted) ReceiveHello();
  capnp::MallocMessageBuilder message;
  auto welcome = message.initRoot<schemas::Message>().initWelcome();
  welcome.setProtocolVersion(parts.version);
  welcome.setLibrary("raw worker 1.0");
  welcome.setRefusal(parts.refusal.c_str());
  welcome.setRefusalCode(parts.refusal_code);
  auto features = welcome.initFeatures(static_cast<unsigned>(parts.features.size()));
  for (unsigned i = 0; i < features.size(); ++i) features.set(i, parts.features[i].c_str());
  welcome.setRing(parts.joins_ring);
  auto targets = welcome.initTargets(static_cast<unsigned>(parts.target_names.size()));
  for (unsigned i = 0; i < targets.size(); ++i) targets[i].setName(parts.target_names[i].c_str());
  if (parts.descriptors.empty()) {
    SendFrame(ToBody(message));
  } else {
    SendFrame(ToBody(message), parts.descriptors);
  }
}

const std::vector<int>& HelloDescriptors() {
  if (!greeted) ReceiveHello();
  return hello_descriptors;
}

Arrived Look(const void* body, size_t bytes) {
  const kj::ArrayPtr<const capnp::word> words(static_cast<const capnp::word*>(body),
                                              bytes / sizeof(capnp::word));
  capnp::FlatArrayMessageReader reader(words);
  const auto message = reader.getRoot<schemas::Message>();
  if (message.isRequest()) return {Kind::kRequest, message.getRequest().getId()};
  if (message.isShutdown()) return {Kind::kShutdown, 0};
  if (message.isItem()) return {Kind::kItem, message.getItem().getId()};
  if (message.isResponse()) return {Kind::kAnswer, message.getResponse().getId()};
  return {};
}

Arrived ReceiveAny() {
  const kj::Array<capnp::word> words = ReceiveBody();
  return Look(words.begin(), words.asBytes().size());
}

uint64_t ReceiveRequest() {
  while (true) {
    if (const Arrived arrived = ReceiveAny(); arrived.kind == Kind::kRequest) return arrived.id;
  }
}

void ReceiveHalf() {
  halved = ReceiveHeader();
  ReadExactly(halved.begin(), halved.asBytes().size() / 2);
}

Arrived ReceiveRest() {
  kj::ArrayPtr<kj::byte> bytes = halved.asBytes();
  const size_t half = bytes.size() / 2;
  ReadExactly(bytes.begin() + half, bytes.size() - half);
  return Look(bytes.begin(), bytes.size());
}

std::string AnswerBody(uint64_t id, const Names& codecs) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  auto list = root.initCodecs(static_cast<unsigned>(codecs.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, codecs[i].c_str());
  auto response = root.initResponse();
  response.setId(id);
  response.initResult().getMetadata().initAs<schemas::Value>().setNothing();
  return ToBody(message);
}

std::string ItemBody(uint64_t id, bool is_first) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  if (is_first) root.initCodecs(1).set(0, "value");
  auto item = root.initItem();
  item.setId(id);
  item.initValue().getMetadata().initAs<schemas::Value>().setNothing();
  return ToBody(message);
}

void SendAnswer(uint64_t id, const Names& codecs) { SendFrame(AnswerBody(id, codecs)); }

void SendSharedAnswer(uint64_t id, const SharedAnswer& answer) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  root.initCodecs(1).set(0, answer.codec.c_str());
  auto grant = root.initMemory().initSegments(1)[0];
  grant.setSlot(answer.slot);
  grant.setEcho(answer.echo);
  if (answer.say_what_it_is) {
    auto segment = grant.initSegment();
    segment.setName(answer.name.empty() ? (worker_prefix + "1").c_str() : answer.name.c_str());
    segment.setSizeBytes(answer.said_bytes);
  }
  grant.setGeneration(answer.generation);
  if (answer.send_descriptor) grant.setDescriptor(0);
  auto ref = root.getMemory().initRefs(1)[0];
  ref.setSegment(answer.segment_index);
  ref.setOffsetUnits(answer.offset_units);
  ref.setSize(answer.size);
  ref.setContentSize(answer.content_size);
  auto response = root.initResponse();
  response.setId(id);
  auto payload = response.initResult();
  payload.setRefCount(1);
  auto array = payload.getMetadata().initAs<schemas::NdArray>();
  array.setElementType(schemas::ElementType::FLOAT64);
  array.initExtents(1).set(0, answer.elements);
  if (answer.send_descriptor) {
    SendFrame(ToBody(message), {NewMemfd(answer)});
  } else {
    SendFrame(ToBody(message));
  }
}

void SendRequest() {
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().initRequest().setTarget("main.function");
  SendFrame(ToBody(message));
}

void SendPong(uint64_t number) {
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().setPong(number);
  SendFrame(ToBody(message));
}

void SendGoodbye() {
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().setGoodbye();
  SendFrame(ToBody(message));
}

void SendProgress(uint64_t id) {
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().initEvent().initProgress().setId(id);
  SendFrame(ToBody(message));
}

void SendLeaseReturn(uint32_t slot) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  root.setLeases();
  auto returned = root.initMemory().initReturns(1)[0];
  returned.setSlot(slot);
  returned.setGeneration(1);
  returned.setCount(1);
  SendFrame(ToBody(message));
}

std::string LogBody(const std::string& text) {
  capnp::MallocMessageBuilder message;
  auto log = message.initRoot<schemas::Message>().initEvent().initLog();
  log.setText(text.c_str());
  return ToBody(message);
}

void Hang() {
  while (true) ::pause();
}

}  // namespace slabpipe::tests
