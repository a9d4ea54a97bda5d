#include "slabpipe/codec/value_wire.h"

#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/codec_limits.h"

namespace slabpipe {
namespace {

absl::string_view View(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

absl::Status TooDeep(absl::string_view where) {
  return absl::InvalidArgumentError(
      absl::StrCat("at ", where, ": nested more than ", kMaxValueDepth, " deep"));
}

absl::Status TooManyValues() {
  return absl::InvalidArgumentError(
      absl::StrCat("it consists of more than ", kMaxValues, " values; send arrays instead"));
}

absl::Status TooManyBytes() {
  return absl::InvalidArgumentError(absl::StrCat("its texts, bytes and keys are longer than ",
                                                 kMaxValueBytes,
                                                 " bytes altogether; send arrays instead"));
}

// Values and bytes seen so far.
class Budget {
 public:
  absl::Status AddValue() { return ++values_ > kMaxValues ? TooManyValues() : absl::OkStatus(); }
  absl::Status AddBytes(size_t bytes) {
    if (bytes > kMaxValueBytes - bytes_) return TooManyBytes();
    bytes_ += bytes;
    return absl::OkStatus();
  }

 private:
  size_t values_ = 0;
  size_t bytes_ = 0;
};

class Checker {
 public:
  absl::Status Check(const Value& value) {
    if (absl::Status status = budget_.AddValue(); !status.ok()) return status;
    if (value.text() != nullptr)
      return CheckText(*value.text(), "the text is not UTF-8; send it as Bytes");
    if (value.bytes() != nullptr) return budget_.AddBytes(value.bytes()->data.size());
    if (value.list() != nullptr) return CheckList(*value.list());
    if (value.map() != nullptr) return CheckMap(*value.map());
    return absl::OkStatus();
  }

 private:
  // The way to a value: the key, or, if that is null, the index.
  struct Step {
    const std::string* key;
    size_t index;
  };

  absl::Status CheckText(absl::string_view text, absl::string_view what) {
    if (absl::Status status = budget_.AddBytes(text.size()); !status.ok()) return status;
    if (IsValidUtf8(text)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("at ", Where(), ": ", what));
  }
  absl::Status CheckList(const ValueList& list) {
    if (path_.size() >= kMaxValueDepth) return TooDeep(Where());
    absl::Status status;
    for (size_t i = 0; status.ok() && i < list.size(); ++i) {
      path_.push_back({.key = nullptr, .index = i});
      status = Check(list[i]);
      path_.pop_back();
    }
    return status;
  }
  absl::Status CheckMap(const ValueMap& map) {
    if (path_.size() >= kMaxValueDepth) return TooDeep(Where());
    absl::Status status;
    for (const auto& [key, item] : map) {
      status = CheckText(key, "a key is not UTF-8");
      if (!status.ok()) return status;
      path_.push_back({.key = &key, .index = 0});
      status = Check(item);
      path_.pop_back();
      if (!status.ok()) return status;
    }
    return status;
  }
  std::string Where() const {
    std::string where = "the value";
    for (const Step& step : path_) {
      if (step.key == nullptr) {
        absl::StrAppend(&where, "[", step.index, "]");
      } else {
        absl::StrAppend(&where, ".", *step.key);
      }
    }
    return where;
  }

  Budget budget_;
  std::vector<Step> path_;
};

class Writer {
 public:
  // Texts of `long_bytes` or more go to `write_long`.
  Writer(LongTextWriter write_long, size_t long_bytes)
      : write_long_(write_long), long_bytes_(long_bytes) {}

  absl::Status Write(const Value& value, schemas::Value::Builder out) {
    switch (value.kind()) {
      case Value::Kind::kNothing:
        out.setNothing();
        break;
      case Value::Kind::kBool:
        out.setBoolean(std::get<bool>(value.storage()));
        break;
      case Value::Kind::kSigned:
        out.setSigned(std::get<int64_t>(value.storage()));
        break;
      case Value::Kind::kUnsigned:
        out.setUnsigned(std::get<uint64_t>(value.storage()));
        break;
      case Value::Kind::kReal:
        out.setReal(std::get<double>(value.storage()));
        break;
      case Value::Kind::kText:
        return WriteText(*value.text(), out);
      case Value::Kind::kBytes:
        return WriteBytes(value.bytes()->data, out);
      case Value::Kind::kList:
        return WriteList(*value.list(), out);
      case Value::Kind::kMap:
        return WriteMap(*value.map(), out);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status WriteText(const std::string& text, schemas::Value::Builder out) {
    if (text.size() < long_bytes_) {
      out.setText({text.data(), text.size()});
      return absl::OkStatus();
    }
    absl::StatusOr<uint32_t> block = write_long_(text);
    if (block.ok()) out.setTextBlock(*block);
    return block.status();
  }

  absl::Status WriteBytes(const std::string& bytes, schemas::Value::Builder out) {
    if (bytes.size() < long_bytes_) {
      out.setBytes({reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
      return absl::OkStatus();
    }
    absl::StatusOr<uint32_t> block = write_long_(bytes);
    if (block.ok()) out.setBytesBlock(*block);
    return block.status();
  }

  absl::Status WriteList(const ValueList& list, schemas::Value::Builder out) {
    auto items = out.initList(static_cast<unsigned>(list.size()));
    for (unsigned i = 0; i < items.size(); ++i) {
      if (absl::Status status = Write(list[i], items[i]); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status WriteMap(const ValueMap& map, schemas::Value::Builder out) {
    auto entries = out.initMap(static_cast<unsigned>(map.size()));
    unsigned i = 0;
    for (const auto& [key, item] : map) {
      entries[i].setKey({key.data(), key.size()});
      if (absl::Status status = Write(item, entries[i++].initValue()); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  LongTextWriter write_long_;
  const size_t long_bytes_;
};

class Reader {
 public:
  explicit Reader(LongTextReader find_long) : find_long_(find_long) {}

  absl::StatusOr<Value> Read(schemas::Value::Reader in) {
    if (absl::Status status = budget_.AddValue(); !status.ok()) return status;
    switch (in.which()) {
      case schemas::Value::NOTHING:
        return Value();
      case schemas::Value::BOOLEAN:
        return Value(in.getBoolean());
      case schemas::Value::SIGNED:
        return Value(in.getSigned());
      case schemas::Value::UNSIGNED:
        return Value(in.getUnsigned());
      case schemas::Value::REAL:
        return Value(in.getReal());
      case schemas::Value::TEXT:
        return Text(View(in.getText()));
      case schemas::Value::TEXT_BLOCK:
        return LongText(in.getTextBlock());
      case schemas::Value::BYTES:
        return ShortBytes(in.getBytes());
      case schemas::Value::BYTES_BLOCK:
        return LongBytes(in.getBytesBlock());
      case schemas::Value::LIST:
        return List(in.getList());
      case schemas::Value::MAP:
        return Map(in.getMap());
    }
    return absl::InvalidArgumentError(absl::StrCat("a value of unknown kind ", in.which()));
  }

 private:
  // Checked before it is copied.
  absl::StatusOr<Value> Text(absl::string_view text) {
    if (absl::Status status = budget_.AddBytes(text.size()); !status.ok()) return status;
    if (!IsValidUtf8(text)) return absl::InvalidArgumentError("a text is not UTF-8");
    return Value(text);
  }
  absl::StatusOr<Value> ShortBytes(capnp::Data::Reader data) {
    if (absl::Status status = budget_.AddBytes(data.size()); !status.ok()) return status;
    return Value(Bytes{std::string(reinterpret_cast<const char*>(data.begin()), data.size())});
  }

  absl::StatusOr<std::string> CopyLong(uint32_t block) {
    const absl::StatusOr<absl::Span<const std::byte>> bytes = find_long_(block);
    if (!bytes.ok()) return bytes.status();
    if (absl::Status status = budget_.AddBytes(bytes->size()); !status.ok()) return status;
    return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  // Copied before it is checked: the peer can change what lies in a block.
  absl::StatusOr<Value> LongText(uint32_t block) {
    absl::StatusOr<std::string> text = CopyLong(block);
    if (!text.ok()) return text.status();
    if (!IsValidUtf8(*text)) return absl::InvalidArgumentError("a text is not UTF-8");
    return Value(*std::move(text));
  }
  absl::StatusOr<Value> LongBytes(uint32_t block) {
    absl::StatusOr<std::string> bytes = CopyLong(block);
    if (!bytes.ok()) return bytes.status();
    return Value(Bytes{*std::move(bytes)});
  }

  absl::StatusOr<Value> List(capnp::List<schemas::Value>::Reader in) {
    if (++depth_ > kMaxValueDepth) return TooDeep("a list");
    ValueList list;
    for (const schemas::Value::Reader item : in) {
      absl::StatusOr<Value> value = Read(item);
      if (!value.ok()) return value.status();
      list.push_back(*std::move(value));
    }
    --depth_;
    return Value(std::move(list));
  }

  absl::StatusOr<Value> Map(capnp::List<schemas::ValueEntry>::Reader in) {
    if (++depth_ > kMaxValueDepth) return TooDeep("a map");
    std::vector<ValueMap::Entry> entries;
    for (const schemas::ValueEntry::Reader entry : in) {
      absl::StatusOr<std::string> key = ReadName(entry.getKey(), "a key");
      if (!key.ok()) return key.status();
      if (absl::Status status = budget_.AddBytes(key->size()); !status.ok()) return status;
      absl::StatusOr<Value> value = Read(entry.getValue());
      if (!value.ok()) return value.status();
      entries.emplace_back(*std::move(key), *std::move(value));
    }
    --depth_;
    absl::StatusOr<ValueMap> map = ValueMap::FromEntries(std::move(entries));
    if (!map.ok()) return map.status();
    return Value(*std::move(map));
  }

  LongTextReader find_long_;
  Budget budget_;
  int depth_ = 0;
};

absl::Status InAttributes(const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("attributes: ", status.message()));
}

}  // namespace

absl::Status CheckValue(const Value& value) { return Checker().Check(value); }

void WriteValue(const Value& value, schemas::Value::Builder builder) {
  // Nothing is too long to stay in the message, so nothing can fail.
  const auto unused = [](absl::string_view) { return absl::StatusOr<uint32_t>(0); };
  Writer(unused, std::numeric_limits<size_t>::max()).Write(value, builder).IgnoreError();
}

absl::Status WriteValue(const Value& value, schemas::Value::Builder builder,
                        LongTextWriter write_long) {
  return Writer(write_long, kLongTextBytes).Write(value, builder);
}

absl::StatusOr<Value> ReadValue(schemas::Value::Reader reader) {
  return ReadValue(reader, [](uint32_t) -> absl::StatusOr<absl::Span<const std::byte>> {
    return absl::InvalidArgumentError("a text in a block, where there are no blocks");
  });
}

absl::StatusOr<Value> ReadValue(schemas::Value::Reader reader, LongTextReader find_long) {
  return Reader(find_long).Read(reader);
}

absl::Status CheckAttributes(const ValueMap& attributes) {
  return attributes.empty() ? absl::OkStatus() : InAttributes(CheckValue(Value(attributes)));
}

absl::Status ReadAttributes(schemas::Value::Reader in, ValueMap& attributes) {
  absl::StatusOr<Value> value = ReadValue(in);
  if (!value.ok()) return InAttributes(value.status());
  if (value->is_nothing()) return absl::OkStatus();
  absl::StatusOr<ValueMap> map = value->As<ValueMap>();
  if (!map.ok()) return InAttributes(map.status());
  attributes = *std::move(map);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadName(capnp::Text::Reader text, absl::string_view what) {
  if (IsValidUtf8(View(text))) return std::string(View(text));
  return absl::InvalidArgumentError(absl::StrCat(what, " is not UTF-8"));
}

}  // namespace slabpipe
