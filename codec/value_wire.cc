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

size_t CountValues(const Value& value) {
  size_t count = 1;
  if (value.list() != nullptr) {
    for (const Value& item : *value.list()) count += CountValues(item);
  }
  if (value.map() != nullptr) {
    for (const auto& [key, item] : *value.map()) count += CountValues(item);
  }
  return count;
}

absl::Status CheckText(absl::string_view text, absl::string_view where) {
  if (IsValidUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("at ", where, ": the text is not UTF-8; send it as Bytes"));
}

absl::Status Check(const Value& value, const std::string& where, int depth) {
  if (value.text() != nullptr) return CheckText(*value.text(), where);
  const bool nests = value.list() != nullptr || value.map() != nullptr;
  if (nests && depth >= kMaxValueDepth) return TooDeep(where);
  if (value.list() != nullptr) {
    for (size_t i = 0; i < value.list()->size(); ++i) {
      const Value& item = (*value.list())[i];
      if (absl::Status s = Check(item, absl::StrCat(where, "[", i, "]"), depth + 1); !s.ok())
        return s;
    }
  }
  if (value.map() != nullptr) {
    for (const auto& [key, item] : *value.map()) {
      if (absl::Status s = CheckText(key, absl::StrCat("a key of ", where)); !s.ok()) return s;
      if (absl::Status s = Check(item, absl::StrCat(where, ".", key), depth + 1); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

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
  explicit Reader(LongTextReader read_long) : read_long_(read_long) {}

  absl::StatusOr<Value> Read(schemas::Value::Reader in) {
    if (++values_ > kMaxValues) {
      return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxValues, " values"));
    }
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
        return Text(std::string(View(in.getText())));
      case schemas::Value::TEXT_BLOCK:
        return LongText(in.getTextBlock());
      case schemas::Value::BYTES: {
        const capnp::Data::Reader data = in.getBytes();
        return Value(Bytes{std::string(reinterpret_cast<const char*>(data.begin()), data.size())});
      }
      case schemas::Value::BYTES_BLOCK: {
        absl::StatusOr<std::string> bytes = read_long_(in.getBytesBlock());
        if (!bytes.ok()) return bytes.status();
        return Value(Bytes{*std::move(bytes)});
      }
      case schemas::Value::LIST:
        return List(in.getList());
      case schemas::Value::MAP:
        return Map(in.getMap());
    }
    return absl::InvalidArgumentError(absl::StrCat("a value of unknown kind ", in.which()));
  }

 private:
  absl::StatusOr<Value> Text(std::string text) {
    if (!IsValidUtf8(text)) return absl::InvalidArgumentError("a text is not UTF-8");
    return Value(std::move(text));
  }

  absl::StatusOr<Value> LongText(uint32_t block) {
    absl::StatusOr<std::string> text = read_long_(block);
    if (!text.ok()) return text.status();
    return Text(*std::move(text));
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
      absl::StatusOr<Value> value = Read(entry.getValue());
      if (!value.ok()) return value.status();
      entries.emplace_back(*std::move(key), *std::move(value));
    }
    --depth_;
    absl::StatusOr<ValueMap> map = ValueMap::FromEntries(std::move(entries));
    if (!map.ok()) return map.status();
    return Value(*std::move(map));
  }

  LongTextReader read_long_;
  size_t values_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::Status CheckValue(const Value& value) {
  if (CountValues(value) > kMaxValues) {
    return absl::InvalidArgumentError(
        absl::StrCat("it consists of more than ", kMaxValues, " values; send arrays instead"));
  }
  return Check(value, "the value", 0);
}

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
  return ReadValue(reader, [](uint32_t) -> absl::StatusOr<std::string> {
    return absl::InvalidArgumentError("a text in a block, where there are no blocks");
  });
}

absl::StatusOr<Value> ReadValue(schemas::Value::Reader reader, LongTextReader read_long) {
  return Reader(read_long).Read(reader);
}

absl::StatusOr<std::string> ReadName(capnp::Text::Reader text, absl::string_view what) {
  if (IsValidUtf8(View(text))) return std::string(View(text));
  return absl::InvalidArgumentError(absl::StrCat(what, " is not UTF-8"));
}

}  // namespace slabpipe
