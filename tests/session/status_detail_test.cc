#include "slabpipe/session/status_detail.h"

#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace slabpipe {
namespace {

using ::testing::Pointee;
using ::testing::StartsWith;

constexpr char kName[] = "tests.Detail";

absl::Status WithDetail(std::string detail) {
  absl::Status status = absl::UnavailableError("gone");
  SetStatusDetail(status, kName, "a short text", std::move(detail));
  return status;
}

TEST(StatusDetailTest, ComesBackFromTheStatusAndItsCopies) {
  absl::Status copy;
  {
    const absl::Status status = WithDetail("the detail");
    EXPECT_THAT(GetStatusDetail<std::string>(status, kName), Pointee(std::string("the detail")));
    copy = status;
  }
  EXPECT_THAT(GetStatusDetail<std::string>(copy, kName), Pointee(std::string("the detail")));
  const absl::Status moved = std::move(copy);
  EXPECT_THAT(GetStatusDetail<std::string>(moved, kName), Pointee(std::string("the detail")));
}

TEST(StatusDetailTest, EachStatusHasItsOwn) {
  const absl::Status one = WithDetail("one"), two = WithDetail("two");
  EXPECT_THAT(GetStatusDetail<std::string>(one, kName), Pointee(std::string("one")));
  EXPECT_THAT(GetStatusDetail<std::string>(two, kName), Pointee(std::string("two")));
}

TEST(StatusDetailTest, APrintedStatusShowsTheShortTextOnly) {
  std::ostringstream out;
  out << WithDetail(std::string(10'000, 'x'));
  EXPECT_THAT(out.str(), StartsWith("UNAVAILABLE: gone [tests.Detail='a short text #"));
  EXPECT_LT(out.str().size(), 80u);
}

TEST(StatusDetailTest, LivesAsLongAsTheLastCopy) {
  std::weak_ptr<int> watch;
  absl::Status status = absl::UnavailableError("gone");
  {
    auto value = std::make_shared<int>(7);
    watch = value;
    SetStatusDetail(status, kName, "x", std::move(value));
  }
  absl::Status copy = status;
  status = absl::OkStatus();
  EXPECT_FALSE(watch.expired());
  copy = absl::OkStatus();
  EXPECT_TRUE(watch.expired());
}

TEST(StatusDetailTest, OneThatIsReplacedGoes) {
  absl::Status status = WithDetail("one");
  SetStatusDetail(status, kName, "again", std::string("two"));
  EXPECT_THAT(GetStatusDetail<std::string>(status, kName), Pointee(std::string("two")));
}

TEST(StatusDetailTest, WhatIsNotThereIsNull) {
  EXPECT_EQ(GetStatusDetail<std::string>(absl::OkStatus(), kName), nullptr);
  EXPECT_EQ(GetStatusDetail<std::string>(absl::UnavailableError("x"), kName), nullptr);
  EXPECT_EQ(GetStatusDetail<std::string>(WithDetail("x"), "another name"), nullptr);
  EXPECT_EQ(GetStatusDetail<int>(WithDetail("x"), kName), nullptr) << "of another type";
  absl::Status ok;
  SetStatusDetail(ok, kName, "x", std::string("x"));
  EXPECT_TRUE(ok.ok());
}

TEST(StatusDetailTest, PayloadsOfOthersAreHarmless) {
  for (const char* bytes : {"", "#", "no number #x", "#99999999999999999999999", "x #4000000000"}) {
    absl::Status status = absl::UnavailableError("x");
    status.SetPayload(kName, absl::Cord(bytes));
    EXPECT_EQ(GetStatusDetail<std::string>(status, kName), nullptr) << bytes;
  }
}

TEST(StatusDetailTest, ManyThreadsMayCopyAndDropAtOnce) {
  const absl::Status shared = WithDetail("shared");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&shared] {
      for (int k = 0; k < 200; ++k) {
        const absl::Status copy = shared;
        EXPECT_THAT(GetStatusDetail<std::string>(copy, kName), Pointee(std::string("shared")));
        EXPECT_THAT(GetStatusDetail<std::string>(WithDetail("own"), kName),
                    Pointee(std::string("own")));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace slabpipe
