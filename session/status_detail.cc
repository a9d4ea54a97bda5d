#include "slabpipe/session/status_detail.h"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

struct Entry {
  std::shared_ptr<const void> value;
  std::type_index type;
};

// By the number at the end of the payload's text. Never destroyed: a status may outlive main().
class Table {
 public:
  static Table& Get() {
    static Table* const table = new Table;
    return *table;
  }
  uint64_t Add(Entry entry) {
    std::lock_guard<std::mutex> lock(mutex_);
    entries_.emplace(++last_, std::move(entry));
    return last_;
  }
  void Remove(uint64_t number) {
    std::optional<Entry> gone;  // destroyed without the lock: its value may hold statuses, too
    std::lock_guard<std::mutex> lock(mutex_);
    const auto entry = entries_.find(number);
    if (entry == entries_.end()) return;
    gone = std::move(entry->second);
    entries_.erase(entry);
  }
  std::shared_ptr<const void> Find(uint64_t number, std::type_index type) const {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto entry = entries_.find(number);
    const bool found = entry != entries_.end() && entry->second.type == type;
    return found ? entry->second.value : nullptr;
  }

 private:
  mutable std::mutex mutex_;  // guards the next
  std::unordered_map<uint64_t, Entry> entries_;
  uint64_t last_ = 0;
};

}  // namespace

void SetStatusDetailOfType(absl::Status& status, absl::string_view name, absl::string_view text,
                           std::shared_ptr<const void> value, std::type_index type) {
  if (status.ok()) return;
  const uint64_t number = Table::Get().Add({.value = std::move(value), .type = type});
  auto bytes = std::make_unique<const std::string>(absl::StrCat(text, " #", number));
  const absl::string_view view = *bytes;
  // Copies of the payload share these bytes; the last one lets go of the value.
  status.SetPayload(name, absl::MakeCordFromExternal(view, [number, owned = std::move(bytes)] {
                      Table::Get().Remove(number);
                    }));
}

std::shared_ptr<const void> GetStatusDetailOfType(const absl::Status& status,
                                                  absl::string_view name, std::type_index type) {
  const absl::optional<absl::Cord> payload = status.GetPayload(name);
  if (!payload.has_value()) return nullptr;
  const std::string text(*payload);
  const size_t mark = text.rfind('#');
  uint64_t number = 0;
  if (mark == std::string::npos || !absl::SimpleAtoi(text.substr(mark + 1), &number)) {
    return nullptr;
  }
  return Table::Get().Find(number, type);
}

}  // namespace slabpipe
