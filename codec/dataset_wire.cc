#include "slabpipe/codec/dataset_wire.h"

#include <optional>
#include <tuple>

#include "absl/hash/hash.h"
#include "slabpipe/codec/ndarray_wire.h"

namespace slabpipe {
namespace {

// Large arrays begin like blocks do; small ones lie close to each other.
size_t AlignmentInBlock(const AnyNdArray& array) {
  return array.size_bytes() >= kBlockAlignmentBytes ? kBlockAlignmentBytes
                                                    : array.element_type().alignment_bytes();
}

bool SameView(const AnyNdArray& a, const AnyNdArray& b) {
  return a.origin() == b.origin() && a.element_bytes() == b.element_bytes() &&
         a.shape() == b.shape() && a.strides() == b.strides();
}

}  // namespace

DatasetColumns::DatasetColumns(const Dataset& dataset) {
  absl::flat_hash_map<std::tuple<const ColumnData*, int64_t, int64_t>, size_t> known;
  ForEachVariable(dataset, [&](const DatasetVariable& variable) {
    const Column* column = variable.column();
    if (column == nullptr) return;
    const auto key = std::tuple(column->data().get(), column->begin(), column->size());
    const auto [found, fresh] = known.emplace(key, columns_.size());
    if (fresh) columns_.push_back({.name = variable.name, .values = *column});
    numbers_.push_back(found->second);
  });
}

DatasetArrays::DatasetArrays(const Dataset& dataset, CanRefer can_refer, size_t max_referred) {
  ForEachVariable(dataset, [&](const DatasetVariable& variable) {
    if (variable.array() != nullptr) Add(*variable.array(), can_refer, max_referred);
  });
}

void DatasetArrays::Add(const AnyNdArray& array, CanRefer can_refer, size_t max_referred) {
  if (array.empty()) {
    places_.emplace_back();
    return;
  }
  const int referred = ReferredTo(array, can_refer, max_referred);
  if (referred == kNotReferred) return AddCopy(array);
  places_.push_back({.byte_offset = static_cast<uint64_t>(array.origin() - array.buffer().data()),
                     .referred = static_cast<uint16_t>(referred)});
}

// SUBTLE: the answer must be the same when this is made again; it is, as nothing happens to the
// dataset and the pool in between.
int DatasetArrays::ReferredTo(const AnyNdArray& array, CanRefer can_refer, size_t max_referred) {
  const std::optional<Block>& block = array.buffer().block();
  if (!block.has_value() || HasRepeats(array)) return kNotReferred;
  const BlockKey key = {block->lease().get(), block->offset(), block->content_size()};
  const auto [found, fresh] = referred_index_.try_emplace(key, kNotReferred);
  if (fresh && referred_.size() < max_referred && can_refer(array.buffer())) {
    found->second = static_cast<int>(referred_.size());
    referred_.push_back(&array.buffer());
  }
  return found->second;
}

void DatasetArrays::AddCopy(const AnyNdArray& array) {
  const size_t key =
      absl::HashOf(array.origin(), array.element_bytes(), array.shape(), array.strides());
  const auto [known, fresh] = copies_.try_emplace(key, &array, 0);
  if (!fresh && SameView(*known->second.first, array)) {
    places_.push_back({.byte_offset = known->second.second, .copied = true, .again = true});
    return;
  }
  const size_t alignment = AlignmentInBlock(array);
  const size_t offset = (copied_bytes_ + alignment - 1) / alignment * alignment;
  if (fresh) known->second.second = offset;
  places_.push_back({.byte_offset = offset, .copied = true});
  copied_bytes_ = offset + array.size_bytes();
}

}  // namespace slabpipe
