#include "slabpipe/session/connection.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "capnp/any.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/tests/session/played_worker.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/wait.h"

// What goes over the wire. What becomes of workers is in the tests of whole sessions.

namespace slabpipe::tests {
namespace {

using ::testing::HasSubstr;

class ConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(worker_.Start(), IsOk()); }
  PlayedWorker worker_;

 private:
  Watchdog watchdog_;
};

TEST_F(ConnectionTest, NamesMayBePartsOfLongerTexts) {
  const std::string target = "math.addition", name = "number of draws";
  const int value = 5;
  uint64_t sent = 0;
  bool worker_is_full = false;
  const Connection::RequestHead head = {
      .id = 1, .target = absl::string_view(target).substr(0, 8), .deadline = Deadline::Never()};
  const auto argument = Named(absl::string_view(name).substr(0, 6), value);
  EXPECT_THAT(
      worker_.connection()->SendRequest(head, {ToArgumentRef(argument)}, sent, worker_is_full),
      IsOk());
  const std::unique_ptr<Received> received = worker_.end().Receive();
  const schemas::Request::Reader request = received->root.getRequest();
  EXPECT_STREQ(request.getTarget().cStr(), "math.add");
  ASSERT_EQ(request.getArguments().size(), 1u);
  EXPECT_STREQ(request.getArguments()[0].getName().cStr(), "number");
}

TEST_F(ConnectionTest, AnAnswerThatIsNeitherAValueNorAnErrorIsNone) {
  worker_.end().Send([](schemas::Message::Builder root) {
    schemas::Response::Builder response = root.initResponse();
    response.setId(1);
    capnp::AnyStruct::Builder any = kj::mv(response);
    any.getDataSection()[8] = 7;  // which member of the union it is
  });
  const std::shared_ptr<Connection>& connection = worker_.connection();
  Waiter waiter;
  PendingReply reply(schemas::Message::RESPONSE, waiter, "math.add");
  ASSERT_THAT(connection->router().Enter(reply), IsOk());
  const Happening now = connection->router().Await(reply, Deadline::Never());
  ASSERT_NE(now.answer, nullptr);
  const Connection::Answer answer = connection->ReadAnswer(*now.answer, "math.add");
  EXPECT_THAT(answer.broken, StatusIs(absl::StatusCode::kDataLoss,
                                      HasSubstr("math.add: neither a value nor an error")));
  EXPECT_THAT(connection->over(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace slabpipe::tests
