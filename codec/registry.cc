#include "slabpipe/codec/registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/codec_limits.h"

namespace slabpipe {

absl::Status CodecRegistry::Add(std::unique_ptr<Codec> codec) {
  if (absl::Status status = CheckName(codec.get(), nullptr); !status.ok()) return status;
  Candidates& candidates = IndexName(codec.get());
  const bool before_fallback = !candidates.empty() && candidates.back() == fallback_.get();
  candidates.insert(candidates.end() - (before_fallback ? 1 : 0), codec.get());
  codecs_.push_back(std::move(codec));
  return absl::OkStatus();
}

absl::Status CodecRegistry::AddFirst(std::unique_ptr<Codec> codec) {
  if (absl::Status status = CheckName(codec.get(), nullptr); !status.ok()) return status;
  Candidates& candidates = IndexName(codec.get());
  candidates.insert(candidates.begin(), codec.get());
  codecs_.insert(codecs_.begin(), std::move(codec));
  return absl::OkStatus();
}

absl::Status CodecRegistry::SetFallback(std::unique_ptr<Codec> codec) {
  if (absl::Status status = CheckName(codec.get(), fallback_.get()); !status.ok()) return status;
  if (fallback_ != nullptr) {
    by_name_.erase(fallback_->name());
    by_type_[fallback_->type().key()].pop_back();
  }
  fallback_ = std::move(codec);
  IndexName(fallback_.get()).push_back(fallback_.get());
  return absl::OkStatus();
}

const Codec* CodecRegistry::FindFor(AnyRef value) const {
  const auto candidates = by_type_.find(value.type().key());
  if (candidates == by_type_.end()) return nullptr;
  for (const Codec* codec : candidates->second) {
    if (codec->Accepts(value)) return codec;
  }
  return nullptr;
}

absl::StatusOr<const Codec*> CodecRegistry::Select(AnyRef value) const {
  if (const Codec* codec = FindFor(value)) return codec;
  return absl::InvalidArgumentError(
      absl::StrCat("no codec accepts a value of type ", value.type().name(), "; there are ",
                   absl::StrJoin(names(), ", "),
                   ". Register one for it on both sides, or declare its fields (codec/record.h)"));
}

absl::StatusOr<const Codec*> CodecRegistry::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return found->second;
  return absl::FailedPreconditionError(absl::StrCat("the peer used a codec '", name,
                                                    "', which is not registered here; there are ",
                                                    absl::StrJoin(names(), ", ")));
}

std::vector<std::string> CodecRegistry::names() const {
  std::vector<std::string> names;
  for (const std::unique_ptr<Codec>& codec : codecs_) names.emplace_back(codec->name());
  if (fallback_ != nullptr) names.emplace_back(fallback_->name());
  return names;
}

absl::Status CodecRegistry::CheckName(const Codec* codec, const Codec* replaced) const {
  if (codec == nullptr) return absl::InvalidArgumentError("there is no codec: the pointer is null");
  const absl::string_view name = codec->name();
  if (name.empty() || name.size() > kMaxCodecNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a codec's name has 1 to ", kMaxCodecNameBytes,
                                                   " bytes; '", name, "' has ", name.size()));
  }
  const auto found = by_name_.find(name);
  if (found != by_name_.end() && found->second != replaced) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a codec '", name, "' already: ", absl::StrJoin(names(), ", ")));
  }
  return absl::OkStatus();
}

CodecRegistry::Candidates& CodecRegistry::IndexName(const Codec* codec) {
  by_name_.emplace(codec->name(), codec);
  return by_type_[codec->type().key()];
}

}  // namespace slabpipe
