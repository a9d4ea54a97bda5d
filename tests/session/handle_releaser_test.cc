#include "slabpipe/session/handle_releaser.h"

#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "gtest/gtest.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe::tests {
namespace {

class HandleReleaserTest : public ::testing::Test {
  Watchdog watchdog_;
};

TEST_F(HandleReleaserTest, SendsOnAThreadOfItsOwn) {
  std::promise<std::thread::id> sent;
  const HandleReleaser releaser([&] { sent.set_value(std::this_thread::get_id()); });
  releaser.alarm()();
  EXPECT_NE(sent.get_future().get(), std::this_thread::get_id());
}

TEST_F(HandleReleaserTest, AnAlarmNeitherWaitsForTheSendingNorIsLost) {
  std::promise<void> begun, go_on, again;
  int count = 0;
  const HandleReleaser releaser([&] {
    if (++count == 2) return again.set_value();
    begun.set_value();
    go_on.get_future().wait();
  });
  releaser.alarm()();
  begun.get_future().wait();
  releaser.alarm()();
  go_on.set_value();
  again.get_future().wait();
  EXPECT_EQ(count, 2);
}

TEST_F(HandleReleaserTest, AlarmsAfterTheEndDoNothing) {
  bool sent = false;
  auto releaser = std::make_unique<HandleReleaser>([&] { sent = true; });
  const std::function<void()> alarm = releaser->alarm();
  releaser = nullptr;
  alarm();
  EXPECT_FALSE(sent);
}

}  // namespace
}  // namespace slabpipe::tests
