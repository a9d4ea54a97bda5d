// IsOk, StatusIs: GoogleTest matchers for absl::Status and absl::StatusOr.
//
//   ASSERT_THAT(pool.OpenSlab(4096), IsOk());
//   EXPECT_THAT(pool.Alloc(0), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 byte")));

#ifndef SLABPIPE_TESTS_TESTING_STATUS_MATCHERS_H_
#define SLABPIPE_TESTS_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"

namespace slabpipe::tests {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).ok();
}

// `inner` is a value or a matcher for one.
MATCHER_P(IsOkAndHolds, inner, "") {
  if (!arg.ok()) {
    *result_listener << arg.status();
    return false;
  }
  return ::testing::ExplainMatchResult(inner, *arg, result_listener);
}

// `message` is a string or a matcher for one.
MATCHER_P2(StatusIs, code, message, "") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status;
  return status.code() == code && ::testing::Matches(::testing::Matcher<std::string>(message))(
                                      std::string(status.message()));
}
MATCHER_P(StatusIs, code, "") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).code() == code;
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_STATUS_MATCHERS_H_
