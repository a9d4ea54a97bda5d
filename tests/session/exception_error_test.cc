#include "slabpipe/session/exception_error.h"

#include <cerrno>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/remote_error.h"

// The code that an exception comes with. See remote_error_test.cc and call_test.cc for the rest.

namespace slabpipe {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

RemoteError ErrorOf(const std::function<void()>& function) {
  try {
    function();
  } catch (const std::exception& exception) {
    return DescribeException(&exception);
  } catch (...) {
    return DescribeException(nullptr);
  }
  ADD_FAILURE() << "it has thrown nothing";
  return {};
}

template <typename E>
absl::StatusCode CodeOf(const E& exception) {
  return ErrorOf([&] { throw exception; }).code;
}

absl::StatusCode CodeOfErrno(int number, const std::error_category& category) {
  return CodeOf(std::system_error(number, category));
}

struct OwnBadAlloc : std::bad_alloc {
  const char* what() const noexcept override { return "the pool is empty"; }
};

TEST(ExceptionErrorTest, MemoryThatIsNotThereIsExhausted) {
  EXPECT_EQ(CodeOf(std::bad_alloc()), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(std::bad_array_new_length()), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(std::length_error("vector")), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(OwnBadAlloc()), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorOf([] { throw OwnBadAlloc(); }).message, "the pool is empty");
}

TEST(ExceptionErrorTest, WhatIsSaidOfArgumentsIsTold) {
  EXPECT_EQ(CodeOf(std::invalid_argument("stod")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(std::domain_error("log(-1)")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(std::out_of_range("at")), absl::StatusCode::kOutOfRange);
}

TEST(ExceptionErrorTest, AnErrnoHasItsCode) {
  for (const std::error_category* category : {&std::generic_category(), &std::system_category()}) {
    EXPECT_EQ(CodeOfErrno(ENOENT, *category), absl::StatusCode::kNotFound);
    EXPECT_EQ(CodeOfErrno(EACCES, *category), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(CodeOfErrno(EMFILE, *category), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(CodeOfErrno(0, *category), absl::StatusCode::kUnknown) << "an error is never OK";
    EXPECT_EQ(CodeOfErrno(123456, *category), absl::StatusCode::kUnknown);
  }
  EXPECT_EQ(ErrorOf([] { std::filesystem::resize_file("/no/such/file", 1); }).code,
            absl::StatusCode::kNotFound);
}

TEST(ExceptionErrorTest, AllElseIsUnknown) {
  EXPECT_EQ(CodeOf(std::runtime_error("")), absl::StatusCode::kUnknown);
  EXPECT_EQ(CodeOf(std::logic_error("")), absl::StatusCode::kUnknown);
  EXPECT_EQ(CodeOf(std::exception()), absl::StatusCode::kUnknown);
  EXPECT_EQ(CodeOf(4), absl::StatusCode::kUnknown);
  // A number of another library's, which as an errno would be ENOENT.
  EXPECT_EQ(CodeOfErrno(ENOENT, std::future_category()), absl::StatusCode::kUnknown);
}

TEST(ExceptionErrorTest, ItIsTheCodeOfTheOutermost) {
  const auto throw_nested = [](const auto& outer) {
    try {
      throw std::bad_alloc();
    } catch (...) {
      std::throw_with_nested(outer);
    }
  };
  const RemoteError unknown = ErrorOf([&] { throw_nested(std::runtime_error("no model")); });
  EXPECT_EQ(unknown.code, absl::StatusCode::kUnknown);
  ASSERT_THAT(unknown.causes, SizeIs(1));
  EXPECT_THAT(unknown.causes[0].type, HasSubstr("bad_alloc"));
  EXPECT_EQ(ErrorOf([&] { throw_nested(std::out_of_range("row 7")); }).code,
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace slabpipe
