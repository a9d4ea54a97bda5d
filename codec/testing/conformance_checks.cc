#include "slabpipe/codec/testing/conformance_checks.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/testing/conformance_link.h"
#include "slabpipe/codec/testing/corruption.h"

namespace slabpipe::codec_testing::internal {
namespace {

using Direction = Link::Direction;

absl::string_view DirectionName(Direction direction) {
  return direction == Direction::kFromMain ? "main to worker" : "worker to main";
}

absl::Status CheckRoundTrip(Checker& checker, size_t item, Direction direction) {
  const std::string check = absl::StrCat("round trip, ", DirectionName(direction));
  auto link = Link::Create(checker.spec(), direction);
  if (!link.ok()) return link.status();
  absl::StatusOr<std::unique_ptr<Letter>> letter = (*link)->Write(item);
  if (!letter.ok()) return Failed(check, "writing it", letter.status());
  auto received = (*link)->ReadAt((*link)->receiver(), **letter);
  if (!received.ok()) return Failed(check, "reading it", received.status());
  absl::Status same = checker.Same(*(*link)->items()[item], **received,
                                   "the decoded value is not the same as the one sent");
  if (!same.ok()) return Failed(check, same.message());
  return Failed(check, "reading all of the decoded value", checker.Read(**received));
}

// A use of one of the sender's slabs.
using SlabUse = std::pair<uint32_t, uint64_t>;

// What the letter's refs take of each.
std::map<SlabUse, size_t> BytesInSlabs(Letter& letter) {
  std::map<SlabUse, size_t> bytes;
  const auto table = letter.table().asReader();
  for (const auto ref : table.getRefs()) {
    if (ref.getSize() == 0) continue;  // names no segment
    const auto segment = table.getSegments()[ref.getSegment()];
    if (segment.getEcho()) continue;
    bytes[{segment.getSlot(), segment.getGeneration()}] += AlignBlockSize(ref.getSize());
  }
  return bytes;
}

// The same value is written twice: the slabs that both letters refer to were there before.
absl::Status CheckSize(Checker& checker, size_t item) {
  auto link = Link::Create(checker.spec());
  if (!link.ok()) return link.status();
  absl::StatusOr<std::unique_ptr<Letter>> first = (*link)->Write(item);
  if (!first.ok()) return Failed("size", "writing it", first.status());
  absl::StatusOr<std::unique_ptr<Letter>> second = (*link)->Write(item);
  if (!second.ok()) return Failed("size", "writing it again", second.status());
  const std::map<SlabUse, size_t> before = BytesInSlabs(**first);
  size_t used = 0;
  for (const auto& [slab, bytes] : BytesInSlabs(**second)) used += before.count(slab) ? 0 : bytes;
  if (used == (*second)->slab_bytes) return absl::OkStatus();
  return Failed("size",
                absl::StrCat("Prepare announced ", (*second)->slab_bytes,
                             " bytes of blocks (each rounded up to 64), Encode used ", used));
}

absl::Status CheckSeveralIn(Checker& checker, bool reverse) {
  const std::string check = reverse ? "several values, in reverse" : "several values";
  auto link = Link::Create(checker.spec());
  if (!link.ok()) return link.status();
  std::vector<const Item*> sent;
  for (const std::unique_ptr<Item>& item : (*link)->items()) sent.push_back(item.get());
  if (reverse) std::reverse(sent.begin(), sent.end());
  std::vector<OutgoingValue> values;
  for (const Item* item : sent) values.push_back(item->outgoing());
  absl::StatusOr<std::vector<Object>> objects = absl::UnknownError("not read");
  absl::Status status = Guarded([&] {
    absl::StatusOr<std::unique_ptr<Letter>> letter = (*link)->sender().WriteValues(values);
    if (!letter.ok()) return letter.status();
    objects = (*link)->receiver().ReadAll(**letter);
    return objects.status();
  });
  if (!status.ok()) return Failed(check, "all in one message", status);
  for (size_t i = 0; i < sent.size(); ++i) {
    absl::StatusOr<std::unique_ptr<Item>> received = checker.spec().receive((*objects)[i]);
    const std::string place = absl::StrCat("number ", i, " of the message");
    if (!received.ok()) return Failed(check, place, received.status());
    absl::Status same = checker.Same(*sent[i], **received, place + " is not the same as sent");
    if (!same.ok()) return Failed(check, same.message());
  }
  return absl::OkStatus();
}

// Writes the item and says how that differs from `copies`.
absl::StatusOr<std::unique_ptr<Letter>> WriteCounted(Link& link, Peer& from, const Item& item,
                                                     std::optional<uint64_t> copies) {
  const ShmPoolStats before = from.pool().stats();
  absl::StatusOr<std::unique_ptr<Letter>> letter = link.WriteFrom(from, item);
  if (!letter.ok()) return letter.status();
  const ShmPoolStats after = from.pool().stats();
  const uint64_t made = after.copies - before.copies;
  if (copies.has_value() && made != *copies) {
    return absl::InternalError(absl::StrCat(made, " copies of ",
                                            after.bytes_copied - before.bytes_copied,
                                            " bytes were counted, not ", *copies));
  }
  if (copies == 0u && (after.blocks != before.blocks || (*letter)->slab_bytes > 0)) {
    return absl::InternalError(absl::StrCat("no copies were counted, but ",
                                            after.blocks - before.blocks,
                                            " blocks of new memory were used"));
  }
  return letter;
}

absl::Status CheckCopies(Checker& checker, size_t item) {
  if (!checker.spec().copies.has_value()) return absl::OkStatus();
  auto link = Link::Create(checker.spec());
  if (!link.ok()) return link.status();
  return Failed(
      "copies", "writing it",
      WriteCounted(**link, (*link)->sender(), *(*link)->items()[item], checker.spec().copies)
          .status());
}

// There, back, and there again; each is kept until the next has arrived.
absl::Status CheckEcho(Checker& checker, size_t item) {
  auto link = Link::Create(checker.spec());
  if (!link.ok()) return link.status();
  const Usage idle = (*link)->usage();
  {
    auto received = (*link)->Exchange(item);
    if (!received.ok()) return Failed("echo", "before it", received.status());
    Items kept;
    kept.push_back(*std::move(received));
    Peer* from = &(*link)->receiver();
    Peer* to = &(*link)->sender();
    for (const absl::string_view way : {"back", "forth again"}) {
      auto letter = WriteCounted(**link, *from, *kept.back(), checker.spec().echo_copies);
      if (!letter.ok()) return Failed("echo", absl::StrCat("sending it ", way), letter.status());
      auto echo = (*link)->ReadAt(*to, **letter);
      if (!echo.ok()) return Failed("echo", absl::StrCat("reading it ", way), echo.status());
      absl::Status same = checker.Same(*(*link)->items()[item], **echo,
                                       absl::StrCat("sent ", way, ", it is another"));
      if (!same.ok()) return Failed("echo", same.message());
      kept.push_back(*std::move(echo));
      std::swap(from, to);
    }
  }
  if (absl::Status settled = (*link)->Settle(); !settled.ok()) {
    return Failed("echo", "a message without values, afterwards", settled);
  }
  const Usage now = (*link)->usage();
  return now == idle ? absl::OkStatus()
                     : Failed("echo", "when all of it is gone, " + now.Against(idle));
}

// One whose temporary blocks have been given back.
absl::StatusOr<std::unique_ptr<Item>> ReceiveAndSpoilTemporaries(Checker& checker, Link& link,
                                                                 size_t item) {
  absl::StatusOr<std::unique_ptr<Letter>> letter = link.Write(item);
  if (!letter.ok()) return letter.status();
  ByteChanges changes(OwnBlocks(**letter, link.sender().pool()));
  absl::StatusOr<std::unique_ptr<Item>> received = link.ReadAt(link.receiver(), **letter);
  if (!received.ok() || !changes.has_temporary_blocks()) return received;
  changes.ApplyToAll(std::byte{0x5a}, /*temporary_only=*/true);
  absl::Status same = checker.Same(*link.items()[item], **received,
                                   "it changed when a temporary block was overwritten: it points "
                                   "into that");
  if (!same.ok()) return same;
  return received;
}

// All memory of the sender's that is free is used again, by others and for other bytes.
absl::Status UseMemoryAgain(Link& link) {
  if (absl::Status settled = link.Settle(); !settled.ok()) return settled;
  link.OverwriteFreeMemory();
  for (size_t other = 0; other < link.items().size(); ++other) {
    if (absl::Status status = link.Exchange(other).status(); !status.ok()) return status;
  }
  if (absl::Status settled = link.Settle(); !settled.ok()) return settled;
  link.OverwriteFreeMemory();
  return absl::OkStatus();
}

absl::Status CheckLifetime(Checker& checker, size_t item) {
  auto link = Link::Create(checker.spec());
  if (!link.ok()) return link.status();
  auto received = ReceiveAndSpoilTemporaries(checker, **link, item);
  if (!received.ok()) return Failed("lifetime", received.status().message());
  if (absl::Status used = UseMemoryAgain(**link); !used.ok()) {
    return Failed("lifetime", "other messages while it lives", used);
  }
  absl::Status same = checker.Same(*(*link)->items()[item], **received,
                                   "it changed when other messages were sent and free memory was "
                                   "used again: it does not keep what it points to");
  if (!same.ok()) return Failed("lifetime", same.message());
  const Items items = (*link)->TakeItems();
  link->reset();
  same = checker.Same(*items[item], **received, "it changed when the pools were gone");
  if (!same.ok()) return Failed("lifetime", same.message());
  return Failed("lifetime", "reading it when the pools were gone", checker.Read(**received));
}

absl::Status CheckRelease(Checker& checker, size_t item) {
  auto link = Link::Create(checker.spec());
  if (!link.ok()) return link.status();
  const Usage idle = (*link)->usage();
  ShmPoolStats sender, receiver;
  for (int round = 0; round < 3; ++round) {
    if (absl::Status status = (*link)->Exchange(item).status(); !status.ok()) {
      return Failed("release", "sending it", status);
    }
    if (absl::Status settled = (*link)->Settle(); !settled.ok()) {
      return Failed("release", "a message without values, afterwards", settled);
    }
    const Usage now = (*link)->usage();
    if (now != idle) return Failed("release", "when it is gone, " + now.Against(idle));
    const ShmPoolStats last_sender = std::exchange(sender, (*link)->sender().pool().stats());
    const ShmPoolStats last_receiver = std::exchange(receiver, (*link)->receiver().pool().stats());
    const uint64_t created = sender.own.segments_created - last_sender.own.segments_created;
    const uint64_t mapped = receiver.peer.segments_mapped - last_receiver.peer.segments_mapped;
    if (round == 0 || created + mapped == 0) continue;
    return Failed("steady state", absl::StrCat("the same message again made ", created,
                                               " segments and mapped ", mapped));
  }
  return absl::OkStatus();
}

absl::Status CheckItem(Checker& checker, size_t item) {
  using Check = absl::Status (*)(Checker&, size_t);
  for (const Direction direction : {Direction::kFromMain, Direction::kFromWorker}) {
    checker.Trace(absl::StrCat("value ", item, ", round trip, ", DirectionName(direction)));
    if (absl::Status s = CheckRoundTrip(checker, item, direction); !s.ok()) return s;
  }
  const std::pair<absl::string_view, Check> checks[] = {
      {"size", &CheckSize}, {"copies", &CheckCopies},     {"release", &CheckRelease},
      {"echo", &CheckEcho}, {"lifetime", &CheckLifetime},
  };
  for (const auto& [name, check] : checks) {
    checker.Trace(absl::StrCat("value ", item, ", ", name));
    if (absl::Status status = check(checker, item); !status.ok()) return status;
  }
  return CheckHostileMessages(checker, item);
}

}  // namespace

absl::Status CheckConformance(const ConformanceSpec& spec) {
  auto link = Link::Create(spec);
  if (!link.ok()) return link.status();
  const size_t count = (*link)->items().size();
  link->reset();
  if (count == 0) return absl::InvalidArgumentError("Conformance: there is no value to send");
  Checker checker(spec);
  for (size_t item = 0; item < count; ++item) {
    absl::Status status = CheckItem(checker, item);
    if (status.ok()) continue;
    return absl::Status(status.code(),
                        absl::StrCat("value ", item, " of ", count, ": ", status.message()));
  }
  for (const bool reverse : {false, true}) {
    checker.Trace(reverse ? "several values, in reverse" : "several values");
    if (absl::Status status = CheckSeveralIn(checker, reverse); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace slabpipe::codec_testing::internal
