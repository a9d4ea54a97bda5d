#include "slabpipe/tests/testing/watchdog.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/sanitizers.h"

namespace slabpipe::tests {
namespace {

constexpr int kSanitizerFactor = 4;

// Written before the alarm is set, read by the signal handler.
std::string& Word() {
  static std::string* const word = new std::string();
  return *word;
}

void Bark(int) {
  const std::string& word = Word();
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, word.data(), word.size());
  ::abort();
}

}  // namespace

Watchdog::Watchdog(absl::Duration limit) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const int64_t seconds = absl::ToInt64Seconds(limit) * (kSanitized ? kSanitizerFactor : 1);
  Word() = absl::StrCat("\nwatchdog: ", test == nullptr ? "?" : test->test_suite_name(), ".",
                        test == nullptr ? "?" : test->name(), " blocks: not done after ", seconds,
                        " s\n");
  struct sigaction action = {};
  action.sa_handler = Bark;
  ::sigaction(SIGALRM, &action, nullptr);
  ::alarm(static_cast<unsigned>(seconds));
}

Watchdog::~Watchdog() { ::alarm(0); }

}  // namespace slabpipe::tests
