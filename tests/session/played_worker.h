// PlayedWorker: a Connection whose worker the test plays.
//
//   PlayedWorker worker;
//   ASSERT_THAT(worker.Start(), IsOk());
//   ... a call through worker.connection() ...
//   std::unique_ptr<Received> request = worker.end().Receive();
//   worker.Answer(request->root.getRequest().getId(), 5);
//
// There is a process, for a connection has one; but it only lends its end of the connection
// (tests/workers/lends_its_connection.cc, which tests name in `data`).

#ifndef SLABPIPE_TESTS_SESSION_PLAYED_WORKER_H_
#define SLABPIPE_TESTS_SESSION_PLAYED_WORKER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/connection.h"
#include "slabpipe/session/log_queue.h"
#include "slabpipe/tests/session/two_ends.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::tests {

class PlayedWorker {
 public:
  // Starts the process and shakes hands with its main.
  absl::Status Start();
  const std::shared_ptr<Connection>& connection() const { return connection_; }
  // Its main is done with it.
  void Drop() { connection_ = nullptr; }

  // The worker's end.
  ConnectionEnd& end() { return *end_; }
  // The id of the request that comes next.
  uint64_t ReceiveRequest();
  void Answer(uint64_t id, const Value& value);
  // Its process exits with this code, and so the connection is over.
  void Exit(char code);

 private:
  absl::Status ShakeHands();

  UniqueFd listener_;
  UniqueFd process_;  // hangs up, and it exits
  std::shared_ptr<LogQueue> logs_;
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<ConnectionEnd> end_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_SESSION_PLAYED_WORKER_H_
