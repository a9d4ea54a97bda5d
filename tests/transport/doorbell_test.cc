// Doorbells: what rings is heard, and neither end can be made to block by the other.

#include "slabpipe/transport/doorbell.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

bool Rings(const UniqueFd& listener) {
  pollfd entry = {.fd = listener.get(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, 0) == 1;
}

void MakeBlocking(const UniqueFd& descriptor) {
  const int flags = ::fcntl(descriptor.get(), F_GETFL);
  ASSERT_EQ(::fcntl(descriptor.get(), F_SETFL, flags & ~O_NONBLOCK), 0);
}

using Maker = absl::StatusOr<Doorbell> (*)();

class DoorbellTest : public ::testing::TestWithParam<std::pair<const char*, Maker>> {
 protected:
  DoorbellTest() : bell_(*GetParam().second()) {}
  Doorbell bell_;

 private:
  tests::Watchdog watchdog_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, DoorbellTest,
                         ::testing::Values(std::pair("ToListenTo", &Doorbell::ToListenTo),
                                           std::pair("ToRing", &Doorbell::ToRing)),
                         [](const auto& info) { return info.param.first; });

TEST_P(DoorbellTest, RingsUntilItIsSilenced) {
  EXPECT_FALSE(Rings(bell_.listener));
  for (int i = 0; i < 3; ++i) {
    RingDoorbell(bell_.ringer.get());
    EXPECT_TRUE(Rings(bell_.listener));
    EXPECT_TRUE(Rings(bell_.listener)) << "looking does not silence it";
    SilenceDoorbell(bell_.listener.get());
    EXPECT_FALSE(Rings(bell_.listener));
  }
}

TEST_P(DoorbellTest, AFewRingsAreSilencedAtOnce) {
  for (int i = 0; i < 32; ++i) RingDoorbell(bell_.ringer.get());
  SilenceDoorbell(bell_.listener.get());
  EXPECT_FALSE(Rings(bell_.listener));
}

TEST_P(DoorbellTest, ManyRingsNeitherBlockNorAreLost) {
  for (int i = 0; i < 100'000; ++i) RingDoorbell(bell_.ringer.get());
  EXPECT_TRUE(Rings(bell_.listener));
  while (Rings(bell_.listener)) SilenceDoorbell(bell_.listener.get());
  RingDoorbell(bell_.ringer.get());
  EXPECT_TRUE(Rings(bell_.listener));
}

TEST_P(DoorbellTest, SilencingABellThatDoesNotRingReturnsAtOnce) {
  SilenceDoorbell(bell_.listener.get());
  RingDoorbell(bell_.ringer.get());
  EXPECT_TRUE(Rings(bell_.listener));
}

TEST_P(DoorbellTest, ClosesOnExec) {
  EXPECT_EQ(::fcntl(bell_.ringer.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(bell_.listener.get(), F_GETFD), FD_CLOEXEC);
}

TEST_P(DoorbellTest, ASleeperIsWokenEachTime) {
  constexpr int kTurns = 2000;
  std::atomic<int> said = 0, heard = 0;
  std::thread sleeper([&] {
    while (heard < kTurns) {
      std::array<WaitFd, 1> fds = {{{.fd = bell_.listener.get(), .events = POLLIN}}};
      ASSERT_TRUE(WaitForAny(absl::MakeSpan(fds), {}).ok());
      SilenceDoorbell(bell_.listener.get());
      heard = said.load();
    }
  });
  for (int i = 1; i <= kTurns; ++i) {
    said = i;
    RingDoorbell(bell_.ringer.get());
    while (heard < i) std::this_thread::yield();
  }
  sleeper.join();
}

TEST_P(DoorbellTest, NamesTheLimitWhenNoDescriptorIsLeft) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  EXPECT_TRUE(tests::PassesInChild([] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(GetParam().second(),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  }));
}

class UntrustedEndTest : public ::testing::Test {
  tests::Watchdog watchdog_;
};

TEST_F(UntrustedEndTest, AListenerThatMakesItsEndBlockingDoesNotBlockTheRinger) {
  const Doorbell bell = *Doorbell::ToRing();
  MakeBlocking(bell.listener);
  for (int i = 0; i < 100'000; ++i) RingDoorbell(bell.ringer.get());
  EXPECT_TRUE(Rings(bell.listener));
}

TEST_F(UntrustedEndTest, AListenerThatShrinksItsPipeDoesNotBlockTheRinger) {
  const Doorbell bell = *Doorbell::ToRing();
  ASSERT_GE(::fcntl(bell.listener.get(), F_SETPIPE_SZ, 4096), 0);
  for (int i = 0; i < 10'000; ++i) RingDoorbell(bell.ringer.get());
  EXPECT_TRUE(Rings(bell.listener));
}

TEST_F(UntrustedEndTest, AListenerThatGoesEndsNotTheRingerWhoKeepsTheOtherEnd) {
  const Doorbell bell = *Doorbell::ToRing();
  { const UniqueFd given_away(::dup(bell.listener.get())); }
  RingDoorbell(bell.ringer.get());  // no SIGPIPE
}

// The ringer holds the same open file description, and with it its flags.
TEST_F(UntrustedEndTest, ARingerThatMakesTheBellBlockingDoesNotBlockTheListener) {
  const Doorbell bell = *Doorbell::ToListenTo();
  MakeBlocking(bell.ringer);
  EXPECT_EQ(::fcntl(bell.listener.get(), F_GETFL) & O_NONBLOCK, 0) << "or this tests nothing";
  for (int i = 0; i < 3; ++i) {
    SilenceDoorbell(bell.listener.get());  // nothing has rung
    RingDoorbell(bell.ringer.get());
    SilenceDoorbell(bell.listener.get());
    EXPECT_FALSE(Rings(bell.listener));
  }
}

TEST_F(UntrustedEndTest, ARingerThatFillsTheBellIsSilencedAllTheSame) {
  const Doorbell bell = *Doorbell::ToListenTo();
  const uint64_t most = ~uint64_t{0} - 1;
  ASSERT_EQ(::write(bell.ringer.get(), &most, sizeof(most)), 8);
  EXPECT_TRUE(Rings(bell.listener));
  RingDoorbell(bell.ringer.get());  // full: not blocking for whoever has not made it so
  SilenceDoorbell(bell.listener.get());
  EXPECT_FALSE(Rings(bell.listener));
}

}  // namespace
}  // namespace slabpipe
