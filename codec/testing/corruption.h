// Changes to a message on its way from one Peer to the other, numbered, so that all of them or an
// even sample can be tried. For conformance.h.
//
//   for (size_t which = 0; which < WordChangeCount(positions); ++which) {
//     kj::Array<capnp::word> words = letter->Flatten();
//     std::string what = ChangeWord(words, positions, which);     // "word 3: bit 17 flipped, ..."
//
// Knows nothing of what a codec writes: words, bytes, and the fields of a ShmRef.

#ifndef SLABPIPE_CODEC_TESTING_CORRUPTION_H_
#define SLABPIPE_CODEC_TESTING_CORRUPTION_H_

#include <capnp/common.h>
#include <kj/array.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "slabpipe/codec/testing/loopback.h"
#include "slabpipe/transport/block.h"

namespace slabpipe::codec_testing::internal {

// Number `i` of `taken` that are spread evenly over `count`. They never fall into step with a
// pattern that repeats. REQUIRES: i < taken <= count.
size_t Sample(size_t i, size_t taken, size_t count);

// Each field of each ref: 0, all ones, one more, one less, each bit flipped; each content size cut
// short; each ref exchanged with the next.
size_t RefChangeCount(Letter& letter);
// Makes change `which` and says what it was. REQUIRES: which < RefChangeCount(letter).
std::string ChangeRef(Letter& letter, size_t which);

// The words at `positions`: each 0, all ones, one more, one less, exchanged with the word that
// follows, each bit flipped.
size_t WordChangeCount(absl::Span<const size_t> positions);
std::string ChangeWord(kj::ArrayPtr<capnp::word> words, absl::Span<const size_t> positions,
                       size_t which);

// The blocks that a letter of `pool` refers to, in its refs' order, if they are the pool's own and
// not empty.
std::vector<Block> OwnBlocks(Letter& letter, ShmPool& pool);

// Changes bytes of blocks, and puts them back when it dies: they may belong to a value that its
// sender still has. Not thread-safe. Keeps the blocks.
class ByteChanges {
 public:
  // Of each block the first and the last bytes, and some in between.
  explicit ByteChanges(std::vector<Block> blocks);
  ~ByteChanges() { Undo(); }
  ByteChanges(const ByteChanges&) = delete;
  ByteChanges& operator=(const ByteChanges&) = delete;

  size_t count() const { return kWays * places_.size(); }
  // Undoes the last change, makes change `which`, and says what it was.
  std::string Apply(size_t which);
  // Every byte of every block. As Apply.
  std::string ApplyToAll(std::byte pattern, bool temporary_only = false);
  bool has_temporary_blocks() const;
  void Undo();

 private:
  static constexpr size_t kWays = 5;
  struct Place {
    size_t block;
    size_t offset;
  };
  struct Saved {
    size_t block;
    size_t offset;
    std::vector<std::byte> bytes;
  };
  absl::Span<std::byte> Save(size_t block, size_t offset, size_t size);

  std::vector<Block> blocks_;
  std::vector<Place> places_;
  std::vector<Saved> saved_;
};

}  // namespace slabpipe::codec_testing::internal

#endif  // SLABPIPE_CODEC_TESTING_CORRUPTION_H_
