#include "slabpipe/tests/fuzz/message_input.h"

namespace slabpipe::fuzz {
namespace {

constexpr size_t kMostMessages = 4;
constexpr size_t kMostDescriptors = 4;
constexpr size_t kMostPages = 16;
constexpr size_t kWordBytes = 8;

enum Flag : uint8_t { kDrop = 1, kChange = 2, kSendBack = 4 };

}  // namespace

MessageInput::Message ParseMessage(ByteReader& in) {
  MessageInput::Message message;
  const size_t descriptors = in.U8() % (kMostDescriptors + 1);
  const uint8_t flags = in.U8();
  message.drop = (flags & kDrop) != 0;
  message.change = (flags & kChange) != 0;
  message.send_back = (flags & kSendBack) != 0;
  const size_t words = in.U16();
  std::vector<size_t> sizes;
  for (size_t i = 0; i < descriptors; ++i) {
    MessageInput::Descriptor descriptor;
    descriptor.kind = static_cast<DescriptorKind>(in.U8() % kDescriptorKinds);
    descriptor.size_bytes = (in.U8() % kMostPages + 1) * kPageBytes;
    message.descriptors.push_back(descriptor);
    sizes.push_back(in.U16());
  }
  for (size_t i = 0; i < descriptors; ++i) {
    MessageInput::Descriptor& descriptor = message.descriptors[i];
    descriptor.bytes = in.Take(sizes[i]).subspan(0, descriptor.size_bytes);
  }
  message.words = in.Take(words * kWordBytes);
  message.words.remove_suffix(message.words.size() % kWordBytes);
  return message;
}

MessageInput ParseMessageInput(absl::Span<const uint8_t> bytes) {
  ByteReader in(bytes);
  MessageInput input;
  while (!in.empty() && input.messages.size() < kMostMessages) {
    input.messages.push_back(ParseMessage(in));
  }
  return input;
}

void FormatMessage(const MessageInput::Message& message, ByteWriter& out) {
  out.U8(message.descriptors.size());
  out.U8((message.drop ? kDrop : 0) | (message.change ? kChange : 0) |
         (message.send_back ? kSendBack : 0));
  out.U16(message.words.size() / kWordBytes);
  for (const MessageInput::Descriptor& descriptor : message.descriptors) {
    out.U8(static_cast<uint8_t>(descriptor.kind));
    out.U8(descriptor.size_bytes / kPageBytes - 1);
    out.U16(descriptor.bytes.size());
  }
  for (const MessageInput::Descriptor& descriptor : message.descriptors) {
    out.Put(descriptor.bytes);
  }
  out.Put(message.words);
}

std::string FormatMessageInput(const MessageInput& input) {
  ByteWriter out;
  for (const MessageInput::Message& message : input.messages) FormatMessage(message, out);
  return out.bytes();
}

}  // namespace slabpipe::fuzz
