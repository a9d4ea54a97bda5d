// Where the arrays and columns of a dataset go in its payload: schemas/codecs.capnp, Dataset.

#ifndef SLABPIPE_CODEC_DATASET_WIRE_H_
#define SLABPIPE_CODEC_DATASET_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/transport/block.h"

namespace slabpipe {

// Shows all variables of a group, or of all groups, in the order of the wire: coordinates first.
template <typename F>
void ForEachVariable(const DatasetGroup& group, F function) {
  for (const DatasetVariable& variable : group.coordinates()) function(variable);
  for (const DatasetVariable& variable : group.variables()) function(variable);
}
template <typename F>
void ForEachVariable(const Dataset& dataset, F function) {
  for (const DatasetGroup& group : dataset.groups()) ForEachVariable(group, function);
}

// The columns of a dataset, each once, named after a variable that has it.
class DatasetColumns {
 public:
  explicit DatasetColumns(const Dataset& dataset);

  const std::vector<TableColumn>& columns() const { return columns_; }
  // Which of them each variable has; one entry for each that has any, in order.
  const std::vector<size_t>& numbers() const { return numbers_; }

 private:
  std::vector<TableColumn> columns_;
  std::vector<size_t> numbers_;
};

// Which arrays of a dataset are referred to where they lie in shared memory, and where the others
// are copied to, in one block for all. What is the same view of the same memory is copied once.
// Made twice, when the dataset is prepared and when it is encoded. Borrows the dataset.
class DatasetArrays {
 public:
  // Whether a buffer need not be copied. The same answer for the same buffer.
  using CanRefer = absl::FunctionRef<bool(const Buffer& buffer)>;

  // At most `max_referred` blocks are referred to: what is in others is copied.
  DatasetArrays(const Dataset& dataset, CanRefer can_refer, size_t max_referred);

  struct Place {
    uint64_t byte_offset = 0;  // in the block
    uint16_t referred = 0;     // which of referred()
    bool copied = false;       // in the block of copies instead
    bool again = false;        // ... where another array has been copied to already
  };
  // One for each array, in order.
  const std::vector<Place>& places() const { return places_; }
  // Of the block of copies; 0: there is none.
  size_t copied_bytes() const { return copied_bytes_; }
  const std::vector<const Buffer*>& referred() const { return referred_; }

 private:
  // Identifies a block: of which lease, and where.
  struct BlockKey {
    const Lease* lease;
    size_t offset;
    size_t content_size;

    friend bool operator==(const BlockKey&, const BlockKey&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const BlockKey& key) {
      return H::combine(std::move(h), key.lease, key.offset, key.content_size);
    }
  };
  static constexpr int kNotReferred = -1;

  void Add(const AnyNdArray& array, CanRefer can_refer, size_t max_referred);
  int ReferredTo(const AnyNdArray& array, CanRefer can_refer, size_t max_referred);
  void AddCopy(const AnyNdArray& array);

  std::vector<Place> places_;
  std::vector<const Buffer*> referred_;
  absl::flat_hash_map<BlockKey, int> referred_index_;
  // Of what is copied: by its origin, the array and its place.
  absl::flat_hash_map<size_t, std::pair<const AnyNdArray*, uint64_t>> copies_;  // by a hash
  size_t copied_bytes_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DATASET_WIRE_H_
