// The checks of conformance.h that corrupt messages.

#include <algorithm>
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

constexpr size_t kChecks = 5;  // among which the corruptions are divided

// A message may end in an error of these kinds.
bool IsSensible(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnimplemented:
      return !status.message().empty();
    default:
      return status.ok();
  }
}

// One value, sent again and again over one link, each time with another corruption.
class Attack {
 public:
  Attack(Checker& checker, Link& link, size_t item, absl::string_view check)
      : checker_(checker), link_(link), item_(item), check_(check) {}

  // The first good message, and how many corruptions there are: as `count` says of a letter.
  absl::StatusOr<size_t> Begin(absl::FunctionRef<size_t(Letter&)> count) {
    absl::StatusOr<std::unique_ptr<Letter>> letter = link_.Write(item_);
    if (!letter.ok()) return Failed(check_, "writing it", letter.status());
    const size_t changes = count(**letter);
    absl::Status read = link_.ReadAt(link_.receiver(), **letter).status();
    if (read.ok()) read = link_.Settle();
    if (!read.ok()) return Failed(check_, "reading it", read);
    idle_ = link_.usage();
    return changes;
  }

  // Delivers a letter that `corrupt` has changed: `corrupt` returns what it did.
  using Corrupt = absl::FunctionRef<std::string(Letter&, kj::Array<capnp::word>& words)>;
  absl::Status Deliver(Corrupt corrupt) {
    absl::StatusOr<std::unique_ptr<Letter>> letter = link_.Write(item_);
    if (!letter.ok()) return Failed(check_, "writing it", letter.status());
    kj::Array<capnp::word> words;
    const std::string what = corrupt(**letter, words);
    checker_.Trace(absl::StrCat("value ", item_, ", ", check_, ", ", what));
    if (words.size() == 0) words = (*letter)->Flatten();
    absl::Status status = Guarded([&] { return Read(words, std::move((*letter)->descriptors)); });
    if (!IsSensible(status)) return Failed(check_, what, status);
    if (unreadable_.ok()) return absl::OkStatus();
    return Failed(check_, what + ": it was decoded, but reading the value", unreadable_);
  }

  // The sender and the receiver go on as before; or, after what has broken the connection, anew.
  absl::Status GoOn(absl::string_view what, bool reconnect) {
    const std::string check = absl::StrCat(check_, ", afterwards");
    if (reconnect) {
      const size_t leases = link_.usage().receiver_leases;
      link_.Reconnect();
      if (leases != idle_.receiver_leases) {
        return Failed(check, absl::StrCat(what, ": the receiver still has ", leases, " leases"));
      }
    }
    auto good = link_.Exchange(item_);
    if (!good.ok()) return Failed(check, absl::StrCat(what, ": a good message"), good.status());
    absl::Status same = checker_.Same(*link_.items()[item_], **good,
                                      absl::StrCat(what, ": a good message brought another value"));
    if (!same.ok()) return Failed(check, same.message());
    good->reset();
    absl::Status back = link_.GiveBack();
    if (!back.ok()) return Failed(check, absl::StrCat(what, ": a message back"), back);
    link_.sender().pool().Clear();
    const Usage now = link_.usage();
    return now == idle_ ? absl::OkStatus()
                        : Failed(check, absl::StrCat(what, ": ", now.Against(idle_)));
  }

 private:
  // What reading the message gives; unreadable_: what reading the values in it gives.
  absl::Status Read(kj::ArrayPtr<const capnp::word> words, std::vector<UniqueFd> descriptors) {
    unreadable_ = absl::OkStatus();
    auto objects = link_.receiver().ReadWords(words, std::move(descriptors));
    if (!objects.ok()) return objects.status();
    for (const Object& object : *objects) {
      absl::StatusOr<std::unique_ptr<Item>> item = checker_.spec().receive(object);
      if (!item.ok()) return item.status();
      unreadable_.Update(checker_.Read(**item));
    }
    return absl::OkStatus();
  }

  Checker& checker_;
  Link& link_;
  const size_t item_;
  const absl::string_view check_;
  Usage idle_;
  absl::Status unreadable_;
};

// Tries an even sample of `count` corruptions.
absl::Status TryEach(const ConformanceSpec& spec, size_t count,
                     absl::FunctionRef<absl::Status(size_t which)> attempt) {
  const size_t taken = std::min(count, std::max<size_t>(spec.max_corruptions / kChecks, 1));
  for (size_t i = 0; i < taken; ++i) {
    if (absl::Status status = attempt(Sample(i, taken, count)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckRefs(Checker& checker, Link& link, size_t item) {
  Attack attack(checker, link, item, "refs");
  absl::StatusOr<size_t> count = attack.Begin(&RefChangeCount);
  if (!count.ok()) return count.status();
  return TryEach(checker.spec(), *count, [&](size_t which) {
    std::string what;
    absl::Status status = attack.Deliver(
        [&](Letter& letter, kj::Array<capnp::word>&) { return what = ChangeRef(letter, which); });
    return status.ok() ? attack.GoOn(what, /*reconnect=*/false) : status;
  });
}

// The words of the metadata, or all others.
std::vector<size_t> Words(Letter& letter, bool of_metadata) {
  std::vector<size_t> metadata = letter.MetadataWords();
  if (of_metadata) return metadata;
  std::vector<size_t> others;
  for (size_t word = 0; word < letter.Flatten().size(); ++word) {
    if (!std::binary_search(metadata.begin(), metadata.end(), word)) others.push_back(word);
  }
  return others;
}

absl::Status CheckWords(Checker& checker, Link& link, size_t item, bool of_metadata) {
  Attack attack(checker, link, item, of_metadata ? "metadata" : "message");
  const auto count_changes = [&](Letter& letter) {
    return WordChangeCount(Words(letter, of_metadata));
  };
  absl::StatusOr<size_t> count = attack.Begin(count_changes);
  if (!count.ok()) return count.status();
  return TryEach(checker.spec(), *count, [&](size_t which) {
    std::string what;
    // The first message on a connection says more: the segment's name and size, a descriptor.
    if (!of_metadata) link.Reconnect();
    absl::Status status = attack.Deliver([&](Letter& letter, kj::Array<capnp::word>& words) {
      const std::vector<size_t> positions = Words(letter, of_metadata);
      words = letter.Flatten();
      return what = ChangeWord(words, positions, which);
    });
    return status.ok() ? attack.GoOn(what, /*reconnect=*/!of_metadata) : status;
  });
}

absl::Status CheckMetadata(Checker& checker, Link& link, size_t item) {
  return CheckWords(checker, link, item, true);
}

absl::Status CheckMessage(Checker& checker, Link& link, size_t item) {
  return CheckWords(checker, link, item, false);
}

size_t ByteChangeCount(Letter& letter, Link& link) {
  return ByteChanges(OwnBlocks(letter, link.sender().pool())).count();
}

absl::Status CheckBytes(Checker& checker, Link& link, size_t item) {
  Attack attack(checker, link, item, "bytes");
  absl::StatusOr<size_t> count =
      attack.Begin([&](Letter& letter) { return ByteChangeCount(letter, link); });
  if (!count.ok()) return count.status();
  return TryEach(checker.spec(), *count, [&](size_t which) {
    std::string what;
    std::optional<ByteChanges> changes;
    absl::Status status = attack.Deliver([&](Letter& letter, kj::Array<capnp::word>&) {
      changes.emplace(OwnBlocks(letter, link.sender().pool()));
      return what = changes->Apply(which);
    });
    changes.reset();
    return status.ok() ? attack.GoOn(what, /*reconnect=*/false) : status;
  });
}

// One value is decoded, and then every change is made to its blocks.
absl::Status CheckBytesLater(Checker& checker, Link& link, size_t item) {
  constexpr absl::string_view kCheck = "bytes later";
  absl::StatusOr<std::unique_ptr<Letter>> letter = link.Write(item);
  if (!letter.ok()) return Failed(kCheck, "writing it", letter.status());
  ByteChanges changes(OwnBlocks(**letter, link.sender().pool()));
  absl::StatusOr<std::unique_ptr<Item>> received = link.ReadAt(link.receiver(), **letter);
  if (!received.ok()) return Failed(kCheck, "reading it", received.status());
  const auto read = [&](const std::string& what) {
    checker.Trace(absl::StrCat("value ", item, ", ", kCheck, ", ", what));
    absl::Status status = checker.Read(**received);
    return IsSensible(status) ? absl::OkStatus() : Failed(kCheck, what, status);
  };
  for (const int pattern : {0xff, 0x01, 0x80, 0x5a}) {
    absl::Status status = read(changes.ApplyToAll(static_cast<std::byte>(pattern)));
    if (!status.ok()) return status;
  }
  return TryEach(checker.spec(), changes.count(),
                 [&](size_t which) { return read(changes.Apply(which)); });
}

}  // namespace

absl::Status CheckHostileMessages(Checker& checker, size_t item) {
  using Check = absl::Status (*)(Checker&, Link&, size_t);
  const Check checks[kChecks] = {&CheckRefs, &CheckMetadata, &CheckMessage, &CheckBytes,
                                 &CheckBytesLater};
  for (const Check check : checks) {
    auto link = Link::Create(checker.spec());
    if (!link.ok()) return link.status();
    if (absl::Status status = check(checker, **link, item); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace slabpipe::codec_testing::internal
