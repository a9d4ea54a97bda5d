#include "slabpipe/session/restart_policy.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {

absl::StatusOr<absl::Time> RestartBudget::NextStart(absl::Time now, bool was_of_use) {
  while (!restarts_.empty() && now - restarts_.front() > policy_.window) restarts_.pop_front();
  if (policy_.most_restarts <= 0) {
    return absl::ResourceExhaustedError("no new worker was started (RestartPolicy::Never)");
  }
  if (restarts_.size() >= static_cast<size_t>(policy_.most_restarts)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "no new worker was started: there were ", restarts_.size(), " restarts within ",
        absl::FormatDuration(policy_.window), " (RestartPolicy::most_restarts)"));
  }
  useless_ = was_of_use ? 0 : useless_ + 1;
  // 2^20 times any delay is enough.
  const absl::Duration delay =
      useless_ < 2 ? absl::ZeroDuration()
                   : policy_.first_delay * (int64_t{1} << std::min(useless_ - 2, 20));
  restarts_.push_back(now);
  return now + std::min(delay, policy_.max_delay);
}

void RestartBudget::Reset() {
  restarts_.clear();
  useless_ = 0;
}

}  // namespace slabpipe
