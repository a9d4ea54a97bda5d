// A program that is main and worker in one, for the tests of ServeIfWorker. As main it prints what
// it is, what its worker says that it is, and what the worker prints.
//
// usage: single_binary plain|removed|forgetful
//   removed     removes its own file before it starts the worker
//   forgetful   does not call ServeIfWorker

#include "slabpipe/session/single_binary.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/session/session.h"

namespace {

struct Goodbye {
  ~Goodbye() { std::printf("static objects are destroyed\n"); }
};
const Goodbye goodbye;

std::string Name() {
  std::string name;
  std::getline(std::ifstream("/proc/self/comm"), name);
  return name;
}

void PrintLog(const slabpipe::LogRecord& record) {
  std::printf("worker says: %s\n", record.text.c_str());
}

slabpipe::SessionOptions Options(const std::string& mode) {
  return {.program = slabpipe::kThisProgram,
          .arguments = {mode, "two words"},
          .start_timeout = absl::Seconds(60),
          .log_sink = PrintLog};
}

// The pid of a worker of this worker.
absl::StatusOr<int64_t> Nested() {
  absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start(Options("plain"));
  if (!session.ok()) return session.status();
  return session->Call<int64_t>("self.pid");
}

absl::Status RunMain(const std::string& mode) {
  absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start(Options(mode));
  if (!session.ok()) return session.status();
  absl::StatusOr<int64_t> worker = session->Call<int64_t>("self.pid");
  if (!worker.ok()) return worker.status();
  absl::StatusOr<int64_t> nested = session->Call<int64_t>("self.nested");
  if (!nested.ok()) return nested.status();
  const bool three = *worker != ::getpid() && *nested != ::getpid() && *nested != *worker;
  std::printf("%s\n", three ? "three processes" : "fewer than three processes");
  for (const char* target : {"self.name", "self.arguments"}) {
    absl::StatusOr<std::string> text = session->Call<std::string>(target);
    if (!text.ok()) return text.status();
    std::printf("%s %s\n", target, text->c_str());
  }
  return session->Shutdown(absl::Seconds(60));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "plain";
  if (mode != "forgetful") {
    slabpipe::ServeIfWorker(argc, argv, [&](slabpipe::Worker& worker) {
      worker.Register("self.pid", [] { return static_cast<int64_t>(::getpid()); });
      worker.Register("self.nested", Nested);
      worker.Register("self.name", Name);
      worker.Register("self.arguments", [argc, argv] {
        std::string all;
        for (int i = 0; i < argc; ++i) absl::StrAppend(&all, "[", argv[i], "]");
        return all;
      });
    });
  }
  if (mode == "removed") ::unlink(argv[0]);
  absl::Status status = RunMain(mode);
  if (!status.ok()) std::printf("%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
