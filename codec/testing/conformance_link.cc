#include "slabpipe/codec/testing/conformance_link.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/testing/corruption.h"

namespace slabpipe::codec_testing::internal {
namespace {

void Append(const void* bytes, size_t size, std::string& to) {
  to.append(static_cast<const char*>(bytes), size);
}

}  // namespace

absl::Status Guarded(absl::FunctionRef<absl::Status()> step) {
  try {
    return step();
  } catch (const std::exception& exception) {
    return absl::UnknownError(absl::StrCat("threw an exception: ", exception.what()));
  } catch (...) {
    return absl::UnknownError("threw something that is no std::exception");
  }
}

absl::Status Failed(absl::string_view check, absl::string_view detail) {
  return absl::InternalError(absl::StrCat(check, ": ", detail));
}

absl::Status Failed(absl::string_view check, absl::string_view step, const absl::Status& status) {
  if (status.ok()) return status;
  return Failed(check, absl::StrCat(step, ": ", status.ToString()));
}

std::string Usage::Against(const Usage& expected) const {
  std::vector<std::string> differences;
  const auto compare = [&](absl::string_view what, uint64_t is, uint64_t should_be) {
    if (is == should_be) return;
    differences.push_back(absl::StrCat(what, " ", is, " instead of ", should_be));
  };
  compare("the receiver's leases on the sender's slabs are", receiver_leases,
          expected.receiver_leases);
  compare("the sender's leases on the receiver's slabs are", sender_leases, expected.sender_leases);
  compare("the sender's grants not given back are", sender_grants, expected.sender_grants);
  compare("the receiver's grants not given back are", receiver_grants, expected.receiver_grants);
  compare("the sender's bytes in use are", sender_bytes, expected.sender_bytes);
  compare("the receiver's bytes in use are", receiver_bytes, expected.receiver_bytes);
  return absl::StrJoin(differences, ", ");
}

// Nothing of this is committed: what Finish has granted is taken back at the end.
absl::StatusOr<std::string> Scratch::Encode(const Item& item) {
  peer_.pool().Clear();
  MessageEncoder encoder(peer_.registry(), peer_.pool(), nullptr, handles_.get());
  const OutgoingValue value = item.outgoing();
  if (absl::Status status = value.Prepare(encoder); !status.ok()) return status;
  if (absl::Status status = encoder.OpenSlab(); !status.ok()) return status;
  capnp::MallocMessageBuilder message;
  absl::Status status = value.Encode(encoder, message.initRoot<schemas::Payload>());
  if (!status.ok()) return status;
  Letter memory;
  std::vector<int> descriptors;
  encoder.Finish([&] { return memory.message.initRoot<schemas::Message>().initMemory(); },
                 descriptors);
  std::string encoding = absl::StrJoin(encoder.new_codec_names(), " ");
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  Append(words.begin(), words.asBytes().size(), encoding);
  for (const Block& block : OwnBlocks(memory, peer_.pool())) {
    Append(block.data(), block.content_size(), encoding);
  }
  return encoding;
}

absl::Status Checker::Same(const Item& sent, const Item& received, absl::string_view detail) {
  bool same = false;
  absl::Status status = Guarded([&] {
    if (spec_.same) {
      same = spec_.same(sent, received);
      return absl::OkStatus();
    }
    absl::StatusOr<std::string> a = scratch_.Encode(sent);
    if (!a.ok()) return a.status();
    absl::StatusOr<std::string> b = scratch_.Encode(received);
    if (!b.ok()) return b.status();
    same = *a == *b;
    return absl::OkStatus();
  });
  if (!status.ok()) {
    return absl::InternalError(absl::StrCat(detail, "; comparing it: ", status.ToString()));
  }
  return same ? absl::OkStatus() : absl::InternalError(detail);
}

absl::Status Checker::Read(const Item& item) {
  return Guarded([&] { return spec_.read ? spec_.read(item) : scratch_.Encode(item).status(); });
}

Link::Link(const ConformanceSpec& spec, Direction direction)
    : spec_(spec),
      sender_prefix_(direction == Direction::kFromMain ? "m." : "w."),
      receiver_prefix_(direction == Direction::kFromMain ? "w." : "m."),
      sender_(std::make_unique<Peer>(sender_prefix_, receiver_prefix_, spec.registry())),
      receiver_(std::make_unique<Peer>(receiver_prefix_, sender_prefix_, spec.registry())) {
  sender_->UseHandles(spec.handles);
  receiver_->UseHandles(spec.handles);
}

absl::StatusOr<std::unique_ptr<Link>> Link::Create(const ConformanceSpec& spec,
                                                   Direction direction) {
  std::unique_ptr<Link> link(new Link(spec, direction));
  absl::StatusOr<Items> items = spec.make_items(link->sender_->pool());
  if (!items.ok()) return items.status();
  link->items_ = *std::move(items);
  link->sender_->pool().Clear();
  return link;
}

absl::StatusOr<std::unique_ptr<Letter>> Link::WriteFrom(Peer& from, const Item& item) {
  absl::StatusOr<std::unique_ptr<Letter>> letter = absl::UnknownError("not written");
  absl::Status status = Guarded([&] {
    const OutgoingValue value = item.outgoing();
    letter = from.WriteValues({&value, 1});
    return letter.status();
  });
  if (!status.ok()) return status;
  return letter;
}

absl::StatusOr<std::unique_ptr<Item>> Link::ReadAt(Peer& to, Letter& letter) {
  absl::StatusOr<std::unique_ptr<Item>> item = absl::UnknownError("not read");
  absl::Status status = Guarded([&] {
    absl::StatusOr<Object> object = to.Read(letter);
    if (!object.ok()) return object.status();
    item = spec_.receive(*object);
    return item.status();
  });
  if (!status.ok()) return status;
  return item;
}

absl::StatusOr<std::unique_ptr<Item>> Link::Exchange(size_t item) {
  absl::StatusOr<std::unique_ptr<Letter>> letter = Write(item);
  if (!letter.ok()) return letter.status();
  return ReadAt(*receiver_, **letter);
}

absl::Status Link::GiveBack() {
  absl::StatusOr<std::unique_ptr<Letter>> letter = receiver_->Write();
  if (!letter.ok()) return letter.status();
  absl::Status read = sender_->ReadAll(**letter).status();
  receiver_->pool().Clear();
  return read;
}

absl::Status Link::Settle() {
  for (int round = 0; round < 2; ++round) {
    if (absl::Status status = GiveBack(); !status.ok()) return status;
    absl::StatusOr<std::unique_ptr<Letter>> letter = sender_->Write();
    if (!letter.ok()) return letter.status();
    absl::Status read = receiver_->ReadAll(**letter).status();
    if (!read.ok()) return read;
    sender_->pool().Clear();
  }
  return absl::OkStatus();
}

void Link::Reconnect() {
  sender_->pool().ResetPeer(receiver_prefix_);
  receiver_->pool().ResetPeer(sender_prefix_);
}

// A slab serves only requests that are not far smaller than itself: sizes are tried upwards.
void Link::OverwriteFreeMemory() {
  ShmPool& pool = sender_->pool();
  std::vector<Block> taken;
  size_t size = 1;
  while (size <= pool.stats().own.free_bytes) {
    const uint64_t reused = pool.stats().own.slabs_reused;
    absl::StatusOr<Block> block = pool.Alloc(size);
    if (!block.ok()) break;
    const Segment& segment = block->lease()->segment();
    for (size_t i = 0; i < segment.size_bytes(); ++i) segment.mutable_data()[i] ^= std::byte{0xa5};
    if (pool.stats().own.slabs_reused == reused) size *= 2;
    taken.push_back(*std::move(block));
  }
  taken.clear();
  pool.Clear();
}

Usage Link::usage() {
  const ShmPoolStats sender = sender_->pool().stats(), receiver = receiver_->pool().stats();
  return {.sender_grants = sender.own.grants_out,
          .receiver_grants = receiver.own.grants_out,
          .sender_bytes = sender.own.bytes - sender.own.free_bytes,
          .receiver_bytes = receiver.own.bytes - receiver.own.free_bytes,
          .sender_leases = sender.peer.leases,
          .receiver_leases = receiver.peer.leases};
}

}  // namespace slabpipe::codec_testing::internal
