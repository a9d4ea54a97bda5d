#include "slabpipe/codec/dataset_codec.h"

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_wire.h"
#include "slabpipe/codec/dataset_reader.h"
#include "slabpipe/codec/dataset_wire.h"
#include "slabpipe/codec/dataset_writer.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

// A payload has at most 65,535 blocks; one of them may be that of copies.
constexpr size_t kMaxReferred = 65534;

absl::Status CheckName(absl::string_view name) {
  if (IsValidUtf8(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the name '", internal::NameInError(name), "' is not UTF-8"));
}

absl::Status CheckGroup(const DatasetGroup& group) {
  absl::Status status = CheckName(group.name());
  status.Update(CheckAttributes(group.attributes()));
  for (const DatasetDimension& dimension : group.dimensions()) {
    status.Update(InContext("a dimension", CheckName(dimension.name)));
  }
  ForEachVariable(group, [&](const DatasetVariable& variable) {
    if (!status.ok()) return;
    status = CheckName(variable.name);
    status.Update(CheckAttributes(variable.attributes));
    status = internal::InVariable(variable.name, status);
  });
  return InContext(absl::StrCat("group '", internal::NameInError(group.name()), "'"), status);
}

}  // namespace

absl::Status DatasetCodec::Prepare(const Dataset& dataset, Sizer& sizer) const {
  absl::Status status = CheckAttributes(dataset.attributes());
  for (const DatasetGroup& group : dataset.groups()) {
    if (status.ok()) status = CheckGroup(group);
  }
  const DatasetColumns columns(dataset);
  if (status.ok()) status = CheckColumnsToSend(columns.columns());
  if (!status.ok()) return status;
  const auto can_refer = [&](const Buffer& buffer) { return sizer.CanRefer(buffer); };
  const ColumnsPlan plan(columns.columns(), can_refer);
  const size_t column_blocks = plan.referred().size() + (plan.copied_bytes() > 0 ? 1 : 0);
  if (plan.copied_bytes() > 0) status = sizer.AddBlock(plan.copied_bytes());
  const DatasetArrays arrays(dataset, can_refer, kMaxReferred - column_blocks);
  if (arrays.copied_bytes() > 0) status.Update(sizer.AddBlock(arrays.copied_bytes()));
  return status;
}

absl::Status DatasetCodec::Encode(const Dataset& dataset, Encoder& encoder) const {
  schemas::Dataset::Builder out = encoder.InitMetadata<schemas::Dataset>();
  const DatasetColumns columns(dataset);
  if (!columns.columns().empty()) {
    absl::Status encoded = EncodeColumns(columns.columns(), encoder, out.initColumns());
    if (!encoded.ok()) return encoded;
  }
  const size_t first_block = encoder.block_count();
  const DatasetArrays arrays(
      dataset, [&](const Buffer& buffer) { return encoder.CanRefer(buffer); },
      kMaxReferred - first_block);
  absl::StatusOr<absl::Span<std::byte>> copies = absl::Span<std::byte>();
  if (arrays.copied_bytes() > 0) copies = encoder.AddBlock(arrays.copied_bytes());
  if (!copies.ok()) return copies.status();
  for (const Buffer* buffer : arrays.referred()) {
    if (absl::Status status = encoder.AddBuffer(*buffer); !status.ok()) return status;
  }
  DatasetWriter(columns, arrays, *copies, first_block, encoder).Write(dataset, out);
  return absl::OkStatus();
}

absl::StatusOr<Dataset> DatasetCodec::Decode(Decoder& decoder) const {
  return DatasetReader(decoder).Read(decoder.ReadMetadata<schemas::Dataset>());
}

}  // namespace slabpipe
