#include "slabpipe/codec/testing/corruption.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe::codec_testing::internal {
namespace {

using RefBuilder = schemas::ShmRef::Builder;

constexpr size_t kPlainWays = 4;

// 0, all ones, one more, one less, then each bit flipped.
constexpr size_t WaysToChange(int bits) { return kPlainWays + static_cast<size_t>(bits); }

uint64_t Changed(uint64_t number, int bits, size_t way) {
  const uint64_t ones = ~uint64_t{0} >> (64 - bits);
  switch (way) {
    case 0:
      return 0;
    case 1:
      return ones;
    case 2:
      return (number + 1) & ones;
    case 3:
      return (number - 1) & ones;
    default:
      return number ^ (uint64_t{1} << (way - kPlainWays));
  }
}

std::string WayName(size_t way) {
  constexpr std::array<const char*, kPlainWays> kNames = {"set to 0", "set to all ones", "one more",
                                                          "one less"};
  return way < kPlainWays ? kNames[way] : absl::StrCat("bit ", way - kPlainWays, " flipped");
}

// A number in a ref.
struct RefField {
  const char* name;
  int bits;
  uint64_t (*get)(RefBuilder);
  void (*set)(RefBuilder, uint64_t);
};

constexpr std::array<RefField, 4> kFields = {{
    {"segment", 16, [](RefBuilder ref) -> uint64_t { return ref.getSegment(); },
     [](RefBuilder ref, uint64_t value) { ref.setSegment(static_cast<uint16_t>(value)); }},
    {"offsetUnits", 32, [](RefBuilder ref) -> uint64_t { return ref.getOffsetUnits(); },
     [](RefBuilder ref, uint64_t value) { ref.setOffsetUnits(static_cast<uint32_t>(value)); }},
    {"size", 64, [](RefBuilder ref) -> uint64_t { return ref.getSize(); },
     [](RefBuilder ref, uint64_t value) { ref.setSize(value); }},
    {"contentSize", 64, [](RefBuilder ref) -> uint64_t { return ref.getContentSize(); },
     [](RefBuilder ref, uint64_t value) { ref.setContentSize(value); }},
}};

// How many bytes of its content a block is left with, in eighths and in bytes: k eighths for
// k < 8, then 1 to 8 bytes, then 1 to 8 less than all.
constexpr size_t kCuts = 24;

uint64_t Cut(uint64_t size, size_t way) {
  if (way < 8) return size / 8 * way;
  const uint64_t bytes = way % 8 + 1;
  return way < 16 ? std::min(size, bytes) : size - std::min(size, bytes);
}

// The temporary flag and an exchange with the next ref.
constexpr size_t kOtherRefWays = 2;

constexpr size_t RefWays() {
  size_t ways = kCuts + kOtherRefWays;
  for (const RefField& field : kFields) ways += WaysToChange(field.bits);
  return ways;
}

std::string ChangeField(RefBuilder ref, const RefField& field, uint64_t to) {
  const uint64_t was = field.get(ref);
  field.set(ref, to);
  return absl::StrCat(field.name, " ", to, " instead of ", was);
}

void Exchange(RefBuilder a, RefBuilder b) {
  for (const RefField& field : kFields) {
    const uint64_t of_a = field.get(a);
    field.set(a, field.get(b));
    field.set(b, of_a);
  }
  const bool temporary = a.getTemporary();
  a.setTemporary(b.getTemporary());
  b.setTemporary(temporary);
}

std::string ChangeRefIn(capnp::List<schemas::ShmRef>::Builder refs, unsigned index, size_t way) {
  RefBuilder ref = refs[index];
  for (const RefField& field : kFields) {
    if (way < WaysToChange(field.bits)) {
      return ChangeField(ref, field, Changed(field.get(ref), field.bits, way));
    }
    way -= WaysToChange(field.bits);
  }
  if (way < kCuts) return ChangeField(ref, kFields.back(), Cut(ref.getContentSize(), way));
  if (way == kCuts) {
    ref.setTemporary(!ref.getTemporary());
    return absl::StrCat("temporary ", ref.getTemporary(), " instead of ", !ref.getTemporary());
  }
  const unsigned next = (index + 1) % refs.size();
  Exchange(ref, refs[next]);
  return absl::StrCat("exchanged with ref ", next);
}

// One more way for a word: exchanged with the next.
constexpr size_t kWordWays = WaysToChange(64) + 1;

uint64_t LoadWord(const capnp::word& word) {
  uint64_t number = 0;
  std::memcpy(&number, &word, sizeof(number));
  return number;
}

void StoreWord(uint64_t number, capnp::word& word) {
  std::memcpy(static_cast<void*>(&word), &number, sizeof(number));
}

// Of a block: so many places at each end, and between them.
constexpr size_t kPlaces = 64;

// All of a small block.
std::vector<size_t> OffsetsIn(size_t size) {
  const size_t count = std::min(size, 3 * kPlaces);
  std::vector<size_t> offsets(count);
  for (size_t i = 0; i < count; ++i) {
    const bool between = count < size && i >= kPlaces && i < 2 * kPlaces;
    const bool last = count < size && i >= 2 * kPlaces;
    offsets[i] = between ? kPlaces + Sample(i - kPlaces, kPlaces, size - 2 * kPlaces)
                 : last  ? size - (count - i)
                         : i;
  }
  return offsets;
}

}  // namespace

size_t Sample(size_t i, size_t taken, size_t count) {
  if (taken == count) return i;
  constexpr double kGoldenRatio = 0.6180339887498949;
  const double within = std::fmod(static_cast<double>(i) * kGoldenRatio, 1.0);
  const double stride = static_cast<double>(count) / static_cast<double>(taken);
  return std::min(static_cast<size_t>((static_cast<double>(i) + within) * stride), count - 1);
}

size_t RefChangeCount(Letter& letter) { return letter.table().getRefs().size() * RefWays(); }

std::string ChangeRef(Letter& letter, size_t which) {
  const size_t index = which / RefWays();
  return absl::StrCat(
      "ref ", index, ": ",
      ChangeRefIn(letter.table().getRefs(), static_cast<unsigned>(index), which % RefWays()));
}

size_t WordChangeCount(absl::Span<const size_t> positions) { return positions.size() * kWordWays; }

std::string ChangeWord(kj::ArrayPtr<capnp::word> words, absl::Span<const size_t> positions,
                       size_t which) {
  const size_t position = positions[which / kWordWays];
  const size_t way = which % kWordWays;
  const uint64_t was = LoadWord(words[position]);
  if (way == WaysToChange(64)) {
    const size_t next = (position + 1) % words.size();
    StoreWord(LoadWord(words[next]), words[position]);
    StoreWord(was, words[next]);
    return absl::StrCat("word ", position, ": exchanged with word ", next);
  }
  const uint64_t is = Changed(was, 64, way);
  StoreWord(is, words[position]);
  return absl::StrCat("word ", position, ": ", WayName(way), ", 0x", absl::Hex(is),
                      " instead of 0x", absl::Hex(was));
}

std::vector<Block> OwnBlocks(Letter& letter, ShmPool& pool) {
  std::vector<Block> blocks;
  const auto segments = letter.table().asReader().getSegments();
  for (const auto ref : letter.table().asReader().getRefs()) {
    if (ref.getSize() == 0) continue;  // names no segment
    const auto segment = segments[ref.getSegment()];
    if (segment.getEcho()) continue;
    const auto lease = pool.heap()->FindGranted(segment.getSlot(), segment.getGeneration());
    if (!lease.ok()) continue;
    blocks.emplace_back(*lease, kBlockAlignmentBytes * ref.getOffsetUnits(), ref.getSize(),
                        ref.getContentSize(), ref.getTemporary());
  }
  return blocks;
}

ByteChanges::ByteChanges(std::vector<Block> blocks) : blocks_(std::move(blocks)) {
  for (size_t block = 0; block < blocks_.size(); ++block) {
    for (const size_t offset : OffsetsIn(blocks_[block].content_size())) {
      places_.push_back({block, offset});
    }
  }
}

absl::Span<std::byte> ByteChanges::Save(size_t block, size_t offset, size_t size) {
  const absl::Span<std::byte> bytes = blocks_[block].mutable_bytes().subspan(offset, size);
  saved_.push_back({block, offset, {bytes.begin(), bytes.end()}});
  return bytes;
}

void ByteChanges::Undo() {
  for (auto saved = saved_.rbegin(); saved != saved_.rend(); ++saved) {
    const absl::Span<std::byte> bytes =
        blocks_[saved->block].mutable_bytes().subspan(saved->offset, saved->bytes.size());
    std::copy(saved->bytes.begin(), saved->bytes.end(), bytes.begin());
  }
  saved_.clear();
}

std::string ByteChanges::Apply(size_t which) {
  Undo();
  const Place place = places_[which / kWays];
  const size_t way = which % kWays;
  // The last two ways change up to 8 bytes: a whole number, if one begins there.
  const size_t size = blocks_[place.block].content_size();
  const size_t width = way < 3 ? 1 : std::min<size_t>(8, size - place.offset);
  constexpr std::array<std::byte, kWays> kFlips = {std::byte{0xff}, std::byte{1}, std::byte{0x80}};
  const absl::Span<std::byte> bytes = Save(place.block, place.offset, width);
  for (std::byte& byte : bytes) {
    byte = way < 3 ? byte ^ kFlips[way] : way == 3 ? std::byte{0} : std::byte{0xff};
  }
  return absl::StrCat("block ", place.block, ": ", width, " bytes from byte ", place.offset,
                      way < 3 ? " flipped with 0x" : " set to 0x",
                      absl::Hex(static_cast<int>(way < 3 ? kFlips[way] : bytes[0])));
}

std::string ByteChanges::ApplyToAll(std::byte pattern, bool temporary_only) {
  Undo();
  for (size_t block = 0; block < blocks_.size(); ++block) {
    if (temporary_only && !blocks_[block].temporary()) continue;
    for (std::byte& byte : Save(block, 0, blocks_[block].content_size())) byte ^= pattern;
  }
  return absl::StrCat("all bytes of all blocks flipped with 0x",
                      absl::Hex(static_cast<int>(pattern)));
}

bool ByteChanges::has_temporary_blocks() const {
  return std::any_of(blocks_.begin(), blocks_.end(),
                     [](const Block& block) { return block.temporary(); });
}

}  // namespace slabpipe::codec_testing::internal
