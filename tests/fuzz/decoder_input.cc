#include "slabpipe/tests/fuzz/decoder_input.h"

#include <algorithm>

#include "slabpipe/tests/fuzz/byte_reader.h"
#include "slabpipe/transport/block.h"

namespace slabpipe::fuzz {
namespace {

constexpr size_t kWordBytes = 8;
constexpr size_t kMaxRefs = 16;

}  // namespace

size_t DecoderInput::used_bytes() const {
  size_t used = 0;
  for (const Ref& ref : refs) used = std::max(used, ref.offset_bytes + ref.content_bytes);
  return used;
}

DecoderInput ParseDecoderInput(absl::Span<const uint8_t> bytes) {
  ByteReader in(bytes);
  DecoderInput input;
  const size_t words = in.U16();
  const size_t refs = in.U8() % (kMaxRefs + 1);
  input.change = in.U8();
  const uint16_t temporary = in.U16();
  in.U16();
  for (size_t i = 0; i < refs; ++i) {
    DecoderInput::Ref ref;
    ref.offset_bytes = in.U16() * kBlockAlignmentBytes % kSlabBytes;
    ref.content_bytes = std::min<size_t>(in.U16(), kSlabBytes - ref.offset_bytes);
    ref.temporary = (temporary >> i) % 2 != 0;
    input.refs.push_back(ref);
  }
  input.payload = in.Take(words * kWordBytes);
  input.payload.remove_suffix(input.payload.size() % kWordBytes);
  input.slab = in.TakeRest().subspan(0, kSlabBytes);
  return input;
}

std::string FormatDecoderInput(const DecoderInput& input) {
  ByteWriter out;
  out.U16(input.payload.size() / kWordBytes);
  out.U8(input.refs.size());
  out.U8(input.change);
  size_t temporary = 0;
  for (size_t i = 0; i < input.refs.size(); ++i) temporary |= size_t{input.refs[i].temporary} << i;
  out.U16(temporary);
  out.U16(0);
  for (const DecoderInput::Ref& ref : input.refs) {
    out.U16(ref.offset_bytes / kBlockAlignmentBytes);
    out.U16(ref.content_bytes);
  }
  out.Put(input.payload);
  out.Put(input.slab);
  return out.bytes();
}

}  // namespace slabpipe::fuzz
