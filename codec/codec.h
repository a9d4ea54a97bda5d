// Codec: turns one family of values into a payload and back.
//
// A codec for a struct with one big buffer:
//
//   struct Cloud { std::string sensor; std::vector<float> points; };
//
//   class CloudCodec : public slabpipe::CodecFor<Cloud> {
//    public:
//     absl::string_view name() const override { return "lidar.cloud"; }
//     absl::Status Prepare(const Cloud& cloud, slabpipe::Sizer& sizer) const override {
//       return sizer.AddElements<float>(cloud.points);
//     }
//     absl::Status Encode(const Cloud& cloud, slabpipe::Encoder& encoder) const override {
//       if (absl::Status s = encoder.SetMetadata(cloud.sensor); !s.ok()) return s;
//       return encoder.AddElements<float>(cloud.points);
//     }
//     absl::StatusOr<Cloud> Decode(slabpipe::Decoder& decoder) const override {
//       absl::StatusOr<std::string> sensor = decoder.Metadata<std::string>();
//       absl::StatusOr<absl::Span<const float>> points = decoder.Elements<float>(0);
//       if (!sensor.ok()) return sensor.status();
//       if (!points.ok()) return points.status();
//       return Cloud{*sensor, {points->begin(), points->end()}};
//     }
//   };
//
//   registry.Add(std::make_unique<CloudCodec>());       // one line, on both sides
//
// Three steps. Prepare tells the exact size of every block, so that one slab is opened that fits
// the whole message. Encode writes the blocks and the metadata. Decode reads them. Nothing in a
// codec is about lifetimes: what Decode returns may point into the blocks (Elements, Bytes,
// TakeBuffer), and the registry keeps these for as long as the value lives.
//
// Decode must not trust what it reads: sizes and metadata come from the other process. Blocks are
// bounds-checked already, but their bytes may change at any time if that process is hostile: copy
// what must not change before you check it.

#ifndef SLABPIPE_CODEC_CODEC_H_
#define SLABPIPE_CODEC_CODEC_H_

#include <capnp/any.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/lease_set.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/schemas/codecs.capnp.h"
#include "slabpipe/schemas/shm.capnp.h"

namespace slabpipe {

class MessageEncoder;
class MessageDecoder;

// The blocks of one payload: most have one, or none.
using Blocks = absl::InlinedVector<Block, 1>;

// Collects the sizes of the blocks that encoding a value will take.
class Sizer {
 public:
  explicit Sizer(MessageEncoder& message) : message_(message) {}

  // A block of `size_bytes` that Encode will fill; it may be empty.
  absl::Status AddBlock(size_t size_bytes);
  // A buffer that Encode will add: takes nothing if CanRefer.
  absl::Status AddBuffer(const Buffer& buffer);
  // Whether it lies in shared memory that the message may refer to, so that it need not be copied.
  bool CanRefer(const Buffer& buffer) const;
  template <typename T>
  absl::Status AddElements(absl::Span<const T> elements) {
    return AddBlock(elements.size() * sizeof(T));
  }
  // A value that Encode will have another codec encode; in the same order there.
  template <typename T>
  absl::Status AddChild(const T& value) {
    return VisitValue(value, [this](AnyRef shown) { return AddChild(shown); });
  }
  absl::Status AddChild(AnyRef model);
  // A handle that Encode will add: checks that it can be sent.
  absl::Status AddHandle(const Handle<>& handle);

 private:
  MessageEncoder& message_;
};

// Writes one payload.
class Encoder {
 public:
  // For MessageEncoder.
  Encoder(MessageEncoder& message, schemas::Payload::Builder payload)
      : message_(message), payload_(payload) {}

  // A block of `size_bytes`, to be filled before Encode returns. Blocks are numbered 0, 1, ... in
  // the order in which they are added, empty ones too. One that is `temporary` is given back as
  // soon as the value has been decoded, if Decode takes it by BytesToCopy or TakeBuffer.
  // RESOURCE_EXHAUSTED.
  absl::StatusOr<absl::Span<std::byte>> AddBlock(size_t size_bytes, bool temporary = false);
  // So many have been added: the number of the next one.
  size_t block_count() const { return blocks_.size(); }
  // A buffer as a block: by reference if it lies in shared memory that this message may refer to,
  // by copy otherwise.
  absl::Status AddBuffer(const Buffer& buffer);
  // As Sizer's.
  bool CanRefer(const Buffer& buffer) const;
  // A copy of `elements` as a block; an empty one if there are none.
  template <typename T>
  absl::Status AddElements(absl::Span<const T> elements) {
    static_assert(std::is_trivially_copyable_v<T>);
    return AddBytes(
        {reinterpret_cast<const std::byte*>(elements.data()), elements.size() * sizeof(T)});
  }
  absl::Status AddBytes(absl::Span<const std::byte> bytes);
  // The number that stands for the handle, to be put into the metadata. FAILED_PRECONDITION if it
  // is stale, of no object, or not one to be sent there; RESOURCE_EXHAUSTED if there are too many.
  absl::StatusOr<uint64_t> AddHandle(const Handle<>& handle);
  // Says that a value of `bytes` bytes was copied into a block that came from AddBlock, for the
  // statistics.
  void CountCopy(size_t bytes);

  // The metadata, in one of two forms. A struct of the codec's own schema:
  template <typename Struct>
  typename Struct::Builder InitMetadata() {
    return payload_.getMetadata().initAs<Struct>();
  }
  // ... with values that other codecs encode:
  template <typename T>
  absl::Status EncodeChild(const T& value, schemas::Payload::Builder payload) {
    return VisitValue(value, [&](AnyRef shown) { return EncodeChild(shown, payload); });
  }
  absl::Status EncodeChild(AnyRef model, schemas::Payload::Builder payload);
  // Or any small data, and children, without a schema (schemas/codecs.capnp, CustomMetadata).
  absl::Status SetMetadata(const Value& value);
  absl::Status InitChildren(size_t count);
  template <typename T>
  absl::Status SetChild(size_t index, const T& value) {
    auto children = custom().getChildren();
    if (index >= children.size()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no child ", index, " of ",
                                                     children.size(), ": InitChildren first"));
    }
    return EncodeChild(value, children[static_cast<unsigned>(index)]);
  }

 private:
  friend class MessageEncoder;
  schemas::CustomMetadata::Builder custom();

  MessageEncoder& message_;
  schemas::Payload::Builder payload_;
  Blocks blocks_;
  bool has_custom_ = false;
};

// Reads one payload.
class Decoder {
 public:
  // For MessageDecoder.
  Decoder(MessageDecoder& message, schemas::Payload::Reader payload)
      : message_(message), payload_(payload) {}

  size_t block_count() const { return payload_.getRefCount(); }
  // The content of block `index`, valid as long as what Decode returns. INVALID_ARGUMENT if there
  // is no such block.
  absl::StatusOr<absl::Span<const std::byte>> Bytes(size_t index);
  // The same, valid until Decode returns, for what is copied: the value does not keep the block.
  // To be asked for once a block: a message in which more is to be copied than twice the memory
  // that it names is DATA_LOSS.
  absl::StatusOr<absl::Span<const std::byte>> BytesToCopy(size_t index);
  // The same as elements of T; also INVALID_ARGUMENT if the size is no multiple of T's.
  template <typename T>
  absl::StatusOr<absl::Span<const T>> Elements(size_t index);
  // The same as a buffer that keeps itself, read-only; a private copy if the block is temporary.
  absl::StatusOr<Buffer> TakeBuffer(size_t index);

  // The metadata as a struct of the codec's own schema. Reading a malformed one throws
  // kj::Exception, which the registry catches: let it pass.
  template <typename Struct>
  typename Struct::Reader ReadMetadata() const {
    return payload_.getMetadata().getAs<Struct>();
  }
  absl::StatusOr<Object> DecodeChild(schemas::Payload::Reader payload);
  template <typename T>
  absl::StatusOr<T> DecodeChildAs(schemas::Payload::Reader payload) {
    absl::StatusOr<Object> object = DecodeChild(payload);
    if (!object.ok()) return object.status();
    return MakeValue<T>(*object);
  }
  // What SetMetadata wrote, as Value::As gives it. INVALID_ARGUMENT says what it is instead.
  template <typename T = Value>
  absl::StatusOr<T> Metadata() const {
    absl::StatusOr<Value> value = ReadMetadataValue();
    if (!value.ok()) return value.status();
    absl::StatusOr<T> wanted = value->As<T>();
    if (!wanted.ok()) return InContext("the metadata", wanted.status());
    return wanted;
  }
  // The handle that the peer's AddHandle gave this number. FAILED_PRECONDITION if there is none,
  // and outside of a session.
  absl::StatusOr<Handle<>> FindHandle(uint64_t number);
  // Counts parts of the metadata that become objects of their own, as payloads do: a few bytes of a
  // message must not make many of them. DATA_LOSS if they are more than the message has room for.
  absl::Status CountParts(uint64_t count);
  // Counts bytes of blocks that such parts point to, for codecs whose parts may point to the same
  // bytes. DATA_LOSS if they are more than eight times the memory that the message names (and
  // 64 MiB).
  absl::Status CountBytes(uint64_t bytes);
  // What SetChild wrote.
  size_t child_count() { return children().size(); }
  template <typename T>
  absl::StatusOr<T> Child(size_t index);

 private:
  friend class MessageDecoder;
  using Children = capnp::List<schemas::Payload>::Reader;
  const Children& children();
  absl::StatusOr<Value> ReadMetadataValue() const;
  absl::StatusOr<Block> FindBlock(size_t index) const;

  MessageDecoder& message_;
  schemas::Payload::Reader payload_;
  std::optional<Children> children_;
  LeaseSet used_;  // of the blocks that were asked for and of the children
};

// The interface that the registry sees. Derive from CodecFor<T> instead. Thread-safe: a codec has
// no state that changes.
class Codec {
 public:
  virtual ~Codec() = default;
  // Its name on the wire: unique in a registry, the same on both sides, 1 to 255 bytes.
  virtual absl::string_view name() const = 0;
  // The type whose values it accepts.
  virtual TypeId type() const = 0;
  // Whether it accepts this one. Asked before Prepare; the first codec of the registry's order that
  // does so wins.
  virtual bool Accepts(AnyRef value) const = 0;
  virtual absl::Status Prepare(AnyRef value, Sizer& sizer) const = 0;
  virtual absl::Status Encode(AnyRef value, Encoder& encoder) const = 0;
  virtual absl::StatusOr<Object> DecodeObject(Decoder& decoder) const = 0;
};

// A codec for values of type T. `Decoded` is what it makes of them, usually T again.
template <typename T, typename Decoded = T>
class CodecFor : public Codec {
 public:
  // May be narrowed to some values of T.
  virtual bool Accepts(const T&) const { return true; }
  // Announces every block and every child that Encode will add, in the same order, and checks that
  // the value can be encoded at all. INVALID_ARGUMENT for one that can't.
  virtual absl::Status Prepare(const T& value, Sizer& sizer) const = 0;
  virtual absl::Status Encode(const T& value, Encoder& encoder) const = 0;
  // INVALID_ARGUMENT for a payload that makes no sense.
  virtual absl::StatusOr<Decoded> Decode(Decoder& decoder) const = 0;

  TypeId type() const final { return TypeId::Of<T>(); }
  bool Accepts(AnyRef value) const final {
    return value.get<T>() != nullptr && Accepts(*value.get<T>());
  }
  absl::Status Prepare(AnyRef value, Sizer& sizer) const final {
    return Prepare(*value.get<T>(), sizer);
  }
  absl::Status Encode(AnyRef value, Encoder& encoder) const final {
    return Encode(*value.get<T>(), encoder);
  }
  absl::StatusOr<Object> DecodeObject(Decoder& decoder) const final {
    absl::StatusOr<Decoded> value = Decode(decoder);
    if (!value.ok()) return value.status();
    return Object::Make<Decoded>(*std::move(value));
  }
};

// Implementation details only below this line.

template <typename T>
absl::StatusOr<absl::Span<const T>> Decoder::Elements(size_t index) {
  static_assert(std::is_trivially_copyable_v<T>);
  static_assert(!std::is_same_v<std::remove_cv_t<T>, bool>,
                "a bool that is neither 0 nor 1 is undefined behaviour to read: use Bool8");
  absl::StatusOr<absl::Span<const std::byte>> bytes = Bytes(index);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() % sizeof(T) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("block ", index, " has ", bytes->size(),
                                                   " bytes, no multiple of ", sizeof(T)));
  }
  return absl::Span<const T>(reinterpret_cast<const T*>(bytes->data()), bytes->size() / sizeof(T));
}

template <typename T>
absl::StatusOr<T> Decoder::Child(size_t index) {
  if (index >= child_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no child ", index, " of ", child_count()));
  }
  return DecodeChildAs<T>(children()[static_cast<unsigned>(index)]);
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_CODEC_H_
