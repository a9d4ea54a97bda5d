// RoundTrip: two peers in one process, joined by a message. What every codec's test stands on.
//
//   class CloudCodecTest : public slabpipe::tests::RoundTrip {};
//
//   TEST_F(CloudCodecTest, KeepsThePoints) {
//     absl::StatusOr<Leased<Cloud>> got = Fetch(Cloud{"roof", {1, 2, 3}});     // main to worker
//     ASSERT_THAT(got, IsOk());
//     EXPECT_EQ((*got)->points.size(), 3u);
//   }
//   TEST_F(CloudCodecTest, RefusesAWrongSize) {
//     std::unique_ptr<Letter> letter = Write(Cloud{"roof", {1, 2, 3}});
//     letter->table().getRefs()[0].setContentSize(7);                          // a bad peer
//     EXPECT_THAT(worker_->Read(*letter), StatusIs(absl::StatusCode::kInvalidArgument));
//   }
//
// A letter goes the way of a real message: MessageEncoder, Cap'n Proto framing, the limits of
// IncomingMessage, IncomingMemory, MessageDecoder; only the socket is missing.

#ifndef SLABPIPE_TESTS_CODEC_ROUND_TRIP_H_
#define SLABPIPE_TESTS_CODEC_ROUND_TRIP_H_

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::tests {

// A message that has been written and not yet read: a request, its arguments being the values. Can
// be changed until it is read, and must be read once: the sender counts on its grants' return.
struct Letter {
  schemas::Message::Builder root() { return message.getRoot<schemas::Message>(); }
  schemas::MemoryTable::Builder table() { return root().getMemory(); }
  schemas::Payload::Builder payload(unsigned index = 0) {
    return root().getRequest().getArguments()[index].getPayload();
  }
  // What a codec has written.
  template <typename Struct>
  typename Struct::Builder metadata(unsigned index = 0) {
    return payload(index).getMetadata().getAs<Struct>();
  }
  // The bytes that its refs take of the slab: up to the end of the last one.
  size_t used_slab_bytes() {
    size_t used = 0;
    for (const auto ref : table().asReader().getRefs()) {
      used = std::max<size_t>(used, kBlockAlignmentBytes * ref.getOffsetUnits() + ref.getSize());
    }
    return used;
  }

  capnp::MallocMessageBuilder message;
  std::vector<UniqueFd> descriptors;
  size_t slab_bytes = 0;  // what Prepare found
};

// One side: a pool and a registry.
class Peer {
 public:
  Peer(const std::string& prefix, const std::string& peer_prefix, CodecRegistry registry)
      : registry_(std::move(registry)),
        pool_({.prefix = prefix, .peer_prefix = peer_prefix},
              std::make_shared<MemfdSegmentProvider>()) {}

  ShmPool& pool() { return pool_; }
  CodecRegistry& registry() { return registry_; }
  // From now on codecs are named as on a connection: each by the first message that uses it. All
  // letters must then be read, in order. Otherwise each letter names its own.
  void NameCodecsOnce() { names_codecs_once_ = true; }

  // A message with these values, as the session writes it: the pool is cleared first.
  template <typename... T>
  absl::StatusOr<std::unique_ptr<Letter>> Write(const T&... values) {
    pool_.Clear();
    auto letter = std::make_unique<Letter>();
    MessageEncoder encoder(registry_, pool_, names_codecs_once_ ? &sent_codecs_ : nullptr);
    absl::Status status;
    ((status.ok() ? status.Update(encoder.Prepare(values)) : void()), ...);
    letter->slab_bytes = encoder.slab_bytes();
    if (status.ok()) status = encoder.OpenSlab();
    auto root = letter->message.initRoot<schemas::Message>();
    [[maybe_unused]] auto arguments = root.initRequest().initArguments(sizeof...(values));
    [[maybe_unused]] unsigned i = 0;
    ((status.ok() ? status.Update(encoder.Encode(values, arguments[i++].initPayload())) : void()),
     ...);
    if (!status.ok()) return status;
    const std::vector<std::string> names = encoder.new_codec_names();
    auto codecs = root.initCodecs(static_cast<unsigned>(names.size()));
    for (unsigned k = 0; k < codecs.size(); ++k) codecs.set(k, names[k].c_str());
    std::vector<int> descriptors;
    encoder.Finish([&] { return root.initMemory(); }, descriptors);
    for (const int descriptor : descriptors) letter->descriptors.emplace_back(::dup(descriptor));
    encoder.Commit();
    return letter;
  }

  // All values of a message. They alone keep what they need: the message is gone and the pool
  // cleared when this returns.
  absl::StatusOr<std::vector<Object>> ReadAll(Letter& letter) {
    return ReadWords(capnp::messageToFlatArray(letter.message), std::move(letter.descriptors));
  }
  // The same from what came through the pipe.
  absl::StatusOr<std::vector<Object>> ReadWords(kj::ArrayPtr<const capnp::word> words,
                                                std::vector<UniqueFd> descriptors) {
    std::vector<Object> objects;
    IncomingMessage message(words.size());
    std::copy(words.begin(), words.end(), message.words());
    message.descriptors() = std::move(descriptors);
    absl::Status status = message.Open();
    if (status.ok()) status = CatchKj([&] { return Decode(message, objects); });
    pool_.Clear();
    if (!status.ok()) return status;
    return objects;
  }
  // Of a message with one value.
  absl::StatusOr<Object> Read(Letter& letter) {
    absl::StatusOr<std::vector<Object>> objects = ReadAll(letter);
    if (!objects.ok()) return objects.status();
    return std::move(objects->front());
  }

 private:
  absl::Status Decode(IncomingMessage& message, std::vector<Object>& objects) {
    const auto root = message.root<schemas::Message>();
    absl::StatusOr<IncomingMemory> memory =
        IncomingMemory::Accept(root.getMemory(), message.descriptors(), pool_);
    if (!memory.ok()) return memory.status();
    auto codecs = std::make_shared<PeerCodecs>(peer_codecs_);
    for (const auto name : root.getCodecs()) {
      absl::Status added = codecs->Add(registry_, std::string(name.cStr(), name.size()));
      if (!added.ok()) return added;
    }
    if (names_codecs_once_) peer_codecs_ = *codecs;
    MessageDecoder decoder(registry_, std::move(codecs), *memory,
                           message.size_bytes() / sizeof(capnp::word));
    for (const auto argument : root.getRequest().getArguments()) {
      absl::StatusOr<Object> object = decoder.Decode(argument.getPayload());
      if (!object.ok()) return object.status();
      objects.push_back(*std::move(object));
    }
    return absl::OkStatus();
  }

  CodecRegistry registry_;
  ShmPool pool_;
  bool names_codecs_once_ = false;
  std::vector<const Codec*> sent_codecs_;
  PeerCodecs peer_codecs_;
};

// What one Write cost its sender.
struct Cost {
  uint64_t copies = 0;
  uint64_t bytes_copied = 0;
  uint64_t slabs_opened = 0;

  friend bool operator==(const Cost&, const Cost&) = default;
};
inline std::ostream& operator<<(std::ostream& out, const Cost& cost) {
  return out << "{" << cost.copies << " copies, " << cost.bytes_copied << " bytes, "
             << cost.slabs_opened << " slabs}";
}

// The fixture. Values go from main to the worker unless the name says otherwise.
class RoundTrip : public ::testing::Test {
 protected:
  // A message that must be good.
  template <typename... T>
  std::unique_ptr<Letter> Write(const T&... values) {
    return WriteFrom(*main_, values...);
  }
  template <typename... T>
  std::unique_ptr<Letter> WriteFrom(Peer& from, const T&... values) {
    const ShmPoolStats before = from.pool().stats();
    absl::StatusOr<std::unique_ptr<Letter>> letter = from.Write(values...);
    const ShmPoolStats after = from.pool().stats();
    cost_ = {.copies = after.copies - before.copies,
             .bytes_copied = after.bytes_copied - before.bytes_copied,
             .slabs_opened = after.slabs_opened - before.slabs_opened};
    EXPECT_THAT(letter, IsOk());
    return letter.ok() ? *std::move(letter) : EmptyLetter();
  }
  // Through a message and back into an object.
  template <typename T>
  absl::StatusOr<Object> Send(const T& value) {
    return SendFrom(*main_, *worker_, value);
  }
  template <typename T>
  absl::StatusOr<Object> SendFrom(Peer& from, Peer& to, const T& value) {
    return to.Read(*WriteFrom(from, value));
  }
  // And from there into a T again.
  template <typename T>
  absl::StatusOr<Decoded<T>> Fetch(const T& value) {
    return FetchAs<T>(value);
  }
  template <typename As, typename T>
  absl::StatusOr<Decoded<As>> FetchAs(const T& value) {
    absl::StatusOr<Object> object = Send(value);
    if (!object.ok()) return object.status();
    return FromObject<As>(*object);
  }
  // What the worker says of `value`'s message when `corrupt(letter)` has been at it.
  template <typename T, typename Corrupt>
  absl::Status ReadCorrupted(const T& value, Corrupt corrupt) {
    std::unique_ptr<Letter> letter = Write(value);
    corrupt(*letter);
    return worker_->Read(*letter).status();
  }
  // What Prepare or Encode says of a value that can't be sent.
  template <typename T>
  absl::Status WriteFails(const T& value) {
    return main_->Write(value).status();
  }
  // A message back without values: the worker's leases that are over come home.
  void GiveBack() { EXPECT_THAT(main_->ReadAll(*WriteFrom(*worker_)), IsOk()); }
  // Two new peers, which have never met.
  void Restart() {
    main_ = std::make_unique<Peer>("m.", "w.", BuiltInCodecs());
    worker_ = std::make_unique<Peer>("w.", "m.", BuiltInCodecs());
  }
  // The codec goes to both.
  template <typename SomeCodec>
  void Register() {
    for (Peer* peer : {main_.get(), worker_.get()}) {
      ASSERT_THAT(peer->registry().Add(std::make_unique<SomeCodec>()), IsOk());
    }
  }

  std::unique_ptr<Peer> main_ = std::make_unique<Peer>("m.", "w.", BuiltInCodecs());
  std::unique_ptr<Peer> worker_ = std::make_unique<Peer>("w.", "m.", BuiltInCodecs());
  Cost cost_;  // of the last message written

 private:
  static std::unique_ptr<Letter> EmptyLetter() {
    auto letter = std::make_unique<Letter>();
    letter->message.initRoot<schemas::Message>().initRequest().initArguments(1);
    return letter;
  }
  Watchdog watchdog_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_CODEC_ROUND_TRIP_H_
