#include "slabpipe/tests/fuzz/sample_types.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/built_in.h"

namespace slabpipe::fuzz {

absl::Status CloudCodec::Prepare(const Cloud& cloud, Sizer& sizer) const {
  absl::Status status = sizer.AddElements<float>(cloud.points);
  status.Update(sizer.AddBlock(cloud.raw.size()));
  status.Update(sizer.AddBuffer(cloud.image));
  for (const Object& child : cloud.children) status.Update(sizer.AddChild(child));
  return status;
}

absl::Status CloudCodec::Encode(const Cloud& cloud, Encoder& encoder) const {
  absl::Status status = encoder.SetMetadata(cloud.settings);
  status.Update(encoder.AddElements<float>(cloud.points));
  status.Update(encoder.AddBytes(cloud.raw));
  status.Update(encoder.AddBuffer(cloud.image));
  status.Update(encoder.InitChildren(cloud.children.size()));
  for (size_t i = 0; i < cloud.children.size(); ++i) {
    if (status.ok()) status = encoder.SetChild(i, cloud.children[i]);
  }
  return status;
}

absl::StatusOr<Cloud> CloudCodec::Decode(Decoder& decoder) const {
  if (decoder.block_count() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("a cloud has 3 blocks, not ", decoder.block_count()));
  }
  const auto points = decoder.Elements<float>(0);
  if (!points.ok()) return points.status();
  const auto raw = decoder.Bytes(1);
  if (!raw.ok()) return raw.status();
  absl::StatusOr<Buffer> image = decoder.TakeBuffer(2);
  if (!image.ok()) return image.status();
  absl::StatusOr<Value> settings = decoder.Metadata();
  if (!settings.ok()) return settings.status();
  Cloud cloud = {.settings = *std::move(settings),
                 .children = {},
                 .points = *points,
                 .raw = *raw,
                 .image = *std::move(image)};
  for (size_t i = 0; i < decoder.child_count(); ++i) {
    absl::StatusOr<Object> child = decoder.Child<Object>(i);
    if (!child.ok()) return child.status();
    cloud.children.push_back(*std::move(child));
  }
  return cloud;
}

CodecRegistry FuzzedCodecs() {
  CodecRegistry registry = BuiltInCodecs();
  registry.Add(std::make_unique<CloudCodec>()).IgnoreError();  // no other has its name
  return registry;
}

}  // namespace slabpipe::fuzz
