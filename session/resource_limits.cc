#include "slabpipe/session/resource_limits.h"

#include <errno.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace slabpipe {
namespace {

// How long a worker that catches SIGXCPU has left, in seconds of processor time.
constexpr rlim_t kGraceSeconds = 1;

struct Limit {
  __rlimit_resource resource;
  absl::string_view name;  // of ResourceLimits' member
  absl::string_view system_name;
  rlim_t value;
  rlim_t grace = 0;  // the hard limit is so much higher
};

absl::Status Apply(pid_t process, const Limit& limit) {
  rlimit old;
  if (::prlimit(process, limit.resource, nullptr, &old) != 0) {
    if (errno == ESRCH) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("can't read a worker's ", limit.system_name));
  }
  rlimit wanted = {.rlim_cur = limit.value, .rlim_max = limit.value + limit.grace};
  // Above the hard limit it is for the system to say whether this process may.
  wanted.rlim_max = std::min(wanted.rlim_max, std::max(old.rlim_max, limit.value));
  if (::prlimit(process, limit.resource, &wanted, nullptr) == 0 || errno == ESRCH) {
    return absl::OkStatus();
  }
  if (errno == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat("can't set a worker's limit ", limit.name, " (",
                                                    limit.system_name, ") to ", limit.value,
                                                    ": the system allows at most ", old.rlim_max));
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("can't set a worker's limit ", limit.name, " (",
                                                 limit.system_name, ") to ", limit.value));
}

absl::Status OutOfRange(absl::string_view name, absl::string_view value, absl::string_view right) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; ", right, ", or left out for that of main"));
}

absl::Status CheckPositive(absl::string_view name, const std::optional<uint64_t>& value) {
  if (value != 0u) return absl::OkStatus();
  return OutOfRange(name, "0", "it is 1 at least");
}

absl::Status InWorker(const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("the worker's ", status.message()));
}

}  // namespace

absl::Status ValidateLimits(const ResourceLimits& limits) {
  absl::Status status = CheckPositive("memory_bytes", limits.memory_bytes);
  status.Update(CheckPositive("open_files", limits.open_files));
  const absl::Duration cpu_time = limits.cpu_time.value_or(absl::Seconds(1));
  if (cpu_time <= absl::ZeroDuration() || cpu_time == absl::InfiniteDuration()) {
    status.Update(OutOfRange("cpu_time", absl::FormatDuration(cpu_time), "it is above 0"));
  }
  return status;
}

absl::Status ValidateNiceness(int niceness) {
  if (niceness >= kMinNiceness && niceness <= kMaxNiceness) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("niceness is ", niceness, "; it is between ",
                                                 kMinNiceness, " and ", kMaxNiceness));
}

absl::Status ApplyLimits(pid_t process, const ResourceLimits& limits) {
  absl::Status status = InWorker(ValidateLimits(limits));
  const auto apply = [&](const Limit& limit) {
    if (status.ok()) status = Apply(process, limit);
  };
  if (limits.cpu_time.has_value()) {
    const absl::Duration seconds = absl::Ceil(*limits.cpu_time, absl::Seconds(1));
    apply({RLIMIT_CPU, "cpu_time", "RLIMIT_CPU", static_cast<rlim_t>(absl::ToInt64Seconds(seconds)),
           kGraceSeconds});
  }
  if (limits.open_files.has_value()) {
    apply({RLIMIT_NOFILE, "open_files", "RLIMIT_NOFILE", *limits.open_files});
  }
  if (limits.core_bytes.has_value()) {
    apply({RLIMIT_CORE, "core_bytes", "RLIMIT_CORE", *limits.core_bytes});
  }
  if (limits.memory_bytes.has_value()) {
    apply({RLIMIT_AS, "memory_bytes", "RLIMIT_AS", *limits.memory_bytes});
  }
  return status;
}

absl::Status ApplyNiceness(pid_t group, int niceness) {
  if (absl::Status valid = ValidateNiceness(niceness); !valid.ok()) return InWorker(valid);
  if (::setpriority(PRIO_PGRP, static_cast<id_t>(group), niceness) == 0 || errno == ESRCH) {
    return absl::OkStatus();
  }
  if (errno != EACCES && errno != EPERM) {
    return absl::ErrnoToStatus(errno, "can't set a worker's niceness");
  }
  rlimit least = {};
  ::getrlimit(RLIMIT_NICE, &least);
  const int own = ::getpriority(PRIO_PROCESS, 0);
  const int allowed = std::min(own, 20 - static_cast<int>(std::min<rlim_t>(least.rlim_cur, 40)));
  return absl::PermissionDeniedError(absl::StrCat("can't set a worker's niceness to ", niceness,
                                                  ": the system allows ", allowed, " at least"));
}

}  // namespace slabpipe
