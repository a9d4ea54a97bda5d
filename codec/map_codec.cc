#include "slabpipe/codec/map_codec.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

// Cap'n Proto's limit on the elements of a list, less than 2^29, with room for their structs.
constexpr size_t kMaxEntries = size_t{1} << 25;

bool IsKey(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kBool:
    case Value::Kind::kSigned:
    case Value::Kind::kUnsigned:
    case Value::Kind::kText:
    case Value::Kind::kBytes:
      return true;
    default:
      return false;
  }
}

absl::Status CheckKey(const Value& key) {
  if (IsKey(key)) return InContext("a key", CheckValue(key));
  return absl::InvalidArgumentError(absl::StrCat("a key is ", ValueKindName(key.kind()),
                                                 "; wanted a bool, an integer, a text or bytes"));
}

absl::Status InEntry(const Value& key, const absl::Status& status) {
  return status.ok() ? status : InContext(absl::StrCat("at ", key.DebugString()), status);
}

// Tells keys apart that differ in kind or content.
class KeySet {
 public:
  // Whether it was not there.
  bool Insert(const Value& key) {
    std::string content(1, static_cast<char>(key.kind()));
    if (const std::string* text = key.text()) {
      content += *text;
    } else if (const Bytes* bytes = key.bytes()) {
      content += bytes->data;
    } else {
      content += key.DebugString();
    }
    return keys_.insert(std::move(content)).second;
  }

 private:
  absl::flat_hash_set<std::string> keys_;
};

}  // namespace

absl::Status MapCodec::Prepare(const MapRef& map, Sizer& sizer) const {
  if (map.size > kMaxEntries) {
    return absl::InvalidArgumentError(
        absl::StrCat("a map of ", map.size, " is too large; at most ", kMaxEntries));
  }
  return map.visit_entries(map.object, [&](const Value& key, AnyRef value) {
    if (absl::Status status = CheckKey(key); !status.ok()) return status;
    return InEntry(key, sizer.AddChild(value));
  });
}

absl::Status MapCodec::Encode(const MapRef& map, Encoder& encoder) const {
  auto entries = encoder.InitMetadata<schemas::Map>().initEntries(static_cast<unsigned>(map.size));
  unsigned i = 0;
  return map.visit_entries(map.object, [&](const Value& key, AnyRef value) -> absl::Status {
    if (i == entries.size()) return absl::InternalError("the map shows more entries than it has");
    schemas::Map::Entry::Builder entry = entries[i++];
    WriteValue(key, entry.initKey());
    return InEntry(key, encoder.EncodeChild(value, entry.initPayload()));
  });
}

absl::StatusOr<DynamicMap> MapCodec::Decode(Decoder& decoder) const {
  DynamicMap map;
  KeySet keys;
  for (const schemas::Map::Entry::Reader entry :
       decoder.ReadMetadata<schemas::Map>().getEntries()) {
    absl::StatusOr<Value> key = ReadValue(entry.getKey());
    if (!key.ok()) return InContext("a key", key.status());
    if (absl::Status status = CheckKey(*key); !status.ok()) return status;
    if (!keys.Insert(*key)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key ", key->DebugString(), " is there twice"));
    }
    absl::StatusOr<Object> value = decoder.DecodeChild(entry.getPayload());
    if (!value.ok()) return InEntry(*key, value.status());
    map.entries.emplace_back(*std::move(key), *std::move(value));
  }
  return map;
}

}  // namespace slabpipe
