// Environment to and from JSON. No exception of the parser's leaves this file.

#include <algorithm>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/environment.h"
#include "slabpipe/session/json_pointer.h"

namespace slabpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostShownBytes = 60;

// The value, for an error.
std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);  // ASCII
  if (text.size() > kMostShownBytes) text = absl::StrCat(text.substr(0, kMostShownBytes), "...");
  return text;
}

// Reads values one after the other; after the first error it reads no more.
class Reader {
 public:
  const absl::Status& status() const { return status_; }

  void Fail(const std::string& where, absl::string_view what) {
    if (!status_.ok()) return;
    status_ =
        absl::InvalidArgumentError(absl::StrCat(where.empty() ? "the text" : where, " ", what));
  }

  // Calls read(value, where) for what `key` of `object` is, if it is there.
  template <typename Read>
  void IfThere(const Json& object, const std::string& where, const char* key, Read read) {
    const auto entry = object.find(key);
    if (status_.ok() && entry != object.end()) read(*entry, JsonPointer(where, key));
  }

  // Whether it is an object with no other keys.
  bool IsObject(const Json& value, const std::string& where,
                std::initializer_list<absl::string_view> keys) {
    if (!value.is_object()) Mismatch(value, where, "an object");
    if (!status_.ok()) return false;
    for (const auto& [key, unused] : value.items()) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      Fail(JsonPointer(where, key),
           absl::StrCat("is unknown; the keys are ", absl::StrJoin(keys, ", ")));
      return false;
    }
    return true;
  }

  std::string Text(const Json& value, const std::string& where) {
    if (value.is_string()) return value.get<std::string>();
    Mismatch(value, where, "a text");
    return "";
  }

  std::vector<std::string> Texts(const Json& value, const std::string& where) {
    std::vector<std::string> texts;
    if (!value.is_array()) Mismatch(value, where, "a list of texts");
    for (size_t i = 0; status_.ok() && i < value.size(); ++i) {
      texts.push_back(Text(value[i], absl::StrCat(where, "/", i)));
    }
    return texts;
  }

  EnvironmentChanges Variables(const Json& value, const std::string& where) {
    EnvironmentChanges variables;
    if (!value.is_object()) Mismatch(value, where, "an object of texts, or null for unset");
    if (!status_.ok()) return variables;
    for (const auto& [name, text] : value.items()) {
      if (text.is_null()) {
        variables[name] = std::nullopt;
      } else if (text.is_string()) {
        variables[name] = text.get<std::string>();
      } else {
        Mismatch(text, JsonPointer(where, name), "a text, or null for unset");
      }
    }
    return variables;
  }

  uint64_t Count(const Json& value, const std::string& where) {
    if (value.is_number_unsigned()) return value.get<uint64_t>();
    Mismatch(value, where,
             absl::StrCat("a whole number, at most ", std::numeric_limits<uint64_t>::max()));
    return 0;
  }

  int Niceness(const Json& value, const std::string& where) {
    const bool small = value.is_number_integer() && value <= kMaxNiceness && value >= kMinNiceness;
    if (small) return value.get<int>();
    Mismatch(value, where,
             absl::StrCat("a whole number between ", kMinNiceness, " and ", kMaxNiceness));
    return 0;
  }

  absl::Duration Duration(const Json& value, const std::string& where) {
    absl::Duration duration;
    if (value.is_string() && absl::ParseDuration(value.get<std::string>(), &duration)) {
      return duration;
    }
    Mismatch(value, where, "a duration as a text: \"600s\", \"10m\", \"1h30m\"");
    return duration;
  }

 private:
  void Mismatch(const Json& value, const std::string& where, absl::string_view right) {
    Fail(where, absl::StrCat("is ", Shown(value), "; it is ", right));
  }

  absl::Status status_;
};

ResourceLimits ReadLimits(Reader& reader, const Json& value, const std::string& where) {
  ResourceLimits limits;
  if (!reader.IsObject(value, where, {"memory_bytes", "cpu_time", "open_files", "core_bytes"})) {
    return limits;
  }
  reader.IfThere(value, where, "memory_bytes", [&](const Json& bytes, const std::string& at) {
    limits.memory_bytes = reader.Count(bytes, at);
  });
  reader.IfThere(value, where, "cpu_time", [&](const Json& time, const std::string& at) {
    limits.cpu_time = reader.Duration(time, at);
  });
  reader.IfThere(value, where, "open_files", [&](const Json& files, const std::string& at) {
    limits.open_files = reader.Count(files, at);
  });
  reader.IfThere(value, where, "core_bytes", [&](const Json& bytes, const std::string& at) {
    limits.core_bytes = reader.Count(bytes, at);
  });
  return limits;
}

Environment ReadEnvironment(Reader& reader, const Json& value) {
  Environment read;
  if (!reader.IsObject(value, "",
                       {"name", "program", "arguments", "variables", "working_directory",
                        "start_up_targets", "limits", "niceness"})) {
    return read;
  }
  const auto if_there = [&](const char* key, auto set) { reader.IfThere(value, "", key, set); };
  using At = const std::string&;
  if_there("name", [&](const Json& v, At at) { read.name = reader.Text(v, at); });
  if_there("program", [&](const Json& v, At at) { read.program = reader.Text(v, at); });
  if_there("arguments", [&](const Json& v, At at) { read.arguments = reader.Texts(v, at); });
  if_there("variables", [&](const Json& v, At at) { read.variables = reader.Variables(v, at); });
  if_there("working_directory",
           [&](const Json& v, At at) { read.working_directory = reader.Text(v, at); });
  if_there("start_up_targets",
           [&](const Json& v, At at) { read.start_up_targets = reader.Texts(v, at); });
  if_there("limits", [&](const Json& v, At at) { read.limits = ReadLimits(reader, v, at); });
  if_there("niceness", [&](const Json& v, At at) { read.niceness = reader.Niceness(v, at); });
  return read;
}

// Watches the parser for keys that are there twice, of which it would keep the last, and for what
// is nested so deep that it can be nothing of ours.
class Watcher {
 public:
  // False: the parser skips what begins here.
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    const size_t level = static_cast<size_t>(depth);
    if (level >= kMostLevels && found_.empty()) found_ = "the text is nested too deep";
    if (level >= kMostLevels) return false;
    if (event == Json::parse_event_t::object_start) {
      objects_.resize(level + 1);
      objects_[level] = Members();
    } else if (event == Json::parse_event_t::key && level > 0 && level <= objects_.size()) {
      Members& members = objects_[level - 1];
      members.last = parsed.get<std::string>();
      if (!members.keys.insert(members.last).second && found_.empty()) found_ = Twice(level);
    }
    return true;
  }
  // What is wrong; empty if nothing is.
  const std::string& found() const { return found_; }

 private:
  static constexpr size_t kMostLevels = 8;
  struct Members {
    std::set<std::string> keys;
    std::string last;
  };

  std::string Twice(size_t levels) const {
    std::string where;
    for (size_t i = 0; i < levels; ++i) where = JsonPointer(where, objects_[i].last);
    return where + " is there twice";
  }

  std::vector<Members> objects_;  // those that are open, outermost first
  std::string found_;
};

absl::StatusOr<Json> Parse(absl::string_view text) {
  Watcher watcher;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    return watcher(depth, event, parsed);
  };
  try {
    Json json = Json::parse(text.begin(), text.end(), watch);
    if (watcher.found().empty()) return json;
    return absl::InvalidArgumentError(watcher.found());
  } catch (const Json::exception& exception) {
    const absl::string_view what = exception.what();  // "[json.exception.parse_error.101] ..."
    return absl::InvalidArgumentError(
        absl::StrCat("the text is no JSON: ", what.substr(what.find("] ") + 2)));
  } catch (const std::exception& exception) {
    return absl::ResourceExhaustedError(exception.what());
  }
}

absl::Status CheckName(Environment& environment, absl::string_view name) {
  if (environment.name.empty()) environment.name = std::string(name);
  if (environment.name.empty()) return absl::InvalidArgumentError("/name is missing");
  if (name.empty() || environment.name == name) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("/name is '", environment.name, "'; it is '", name,
                                                 "', as the file's, or left out"));
}

Json ToJsonValue(const ResourceLimits& limits) {
  Json json = Json::object();
  if (limits.memory_bytes.has_value()) json["memory_bytes"] = *limits.memory_bytes;
  if (limits.cpu_time.has_value()) json["cpu_time"] = absl::FormatDuration(*limits.cpu_time);
  if (limits.open_files.has_value()) json["open_files"] = *limits.open_files;
  if (limits.core_bytes.has_value()) json["core_bytes"] = *limits.core_bytes;
  return json;
}

Json ToJsonValue(const Environment& environment) {
  Json json = {{"name", environment.name}};
  if (environment.program.has_value()) json["program"] = *environment.program;
  if (environment.arguments.has_value()) json["arguments"] = *environment.arguments;
  for (const auto& [name, value] : environment.variables) {
    json["variables"][name] = value.has_value() ? Json(*value) : Json(nullptr);
  }
  if (environment.working_directory.has_value()) {
    json["working_directory"] = *environment.working_directory;
  }
  if (environment.start_up_targets.has_value()) {
    json["start_up_targets"] = *environment.start_up_targets;
  }
  if (environment.limits != ResourceLimits()) json["limits"] = ToJsonValue(environment.limits);
  if (environment.niceness.has_value()) json["niceness"] = *environment.niceness;
  return json;
}

bool IsUtf8(const Json& value) {
  try {
    value.dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

// A JSON pointer to a value that is not UTF-8, or whose key is not.
std::string NotUtf8(const Json& json) {
  const Json values = json.flatten();  // pointers and values
  for (const auto& [where, value] : values.items()) {
    if (!IsUtf8(Json(where)) || !IsUtf8(value)) return absl::CHexEscape(where);
  }
  return "";
}

}  // namespace

absl::StatusOr<std::string> Environment::ToJson() const {
  if (absl::Status valid = Validate(); !valid.ok()) return valid;
  const Json json = ToJsonValue(*this);
  if (IsUtf8(json)) return absl::StrCat(json.dump(2), "\n");
  return absl::InvalidArgumentError(
      absl::StrCat(NotUtf8(json), " is not UTF-8, and so can't be said in JSON"));
}

absl::StatusOr<Environment> Environment::FromJson(absl::string_view text, absl::string_view origin,
                                                  absl::string_view name) {
  const auto wrong = [&](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(origin, ": ", SafeText(status.message())));
  };
  absl::StatusOr<Json> json = Parse(text);
  if (!json.ok()) return wrong(json.status());
  Reader reader;
  Environment environment = ReadEnvironment(reader, *json);
  absl::Status status = reader.status();
  if (status.ok()) status = CheckName(environment, name);
  if (status.ok()) status = environment.Validate();
  if (!status.ok()) return wrong(status);
  return environment;
}

}  // namespace slabpipe
