// ServeIfWorker: a program that is main and worker in one.
//
//   int main(int argc, char** argv) {
//     slabpipe::ServeIfWorker(argc, argv, [](slabpipe::Worker& worker) {
//       worker.Register("stats.mean", Mean, "Arithmetic mean of x, any shape.");
//     });
//     auto session = slabpipe::Session::Start({.program = slabpipe::kThisProgram});
//     ...
//   }
//
// The worker is the same program, executed anew: nothing of main's state is copied into it, and it
// is the same even if the program's file has been replaced or removed meanwhile. Objects with
// static storage live in both processes, each with its own: those that do something when they are
// made, or destroyed, do it twice.

#ifndef SLABPIPE_SESSION_SINGLE_BINARY_H_
#define SLABPIPE_SESSION_SINGLE_BINARY_H_

#include "absl/functional/function_ref.h"
#include "slabpipe/session/find_program.h"
#include "slabpipe/session/worker.h"

namespace slabpipe {

// In a process that was started as a worker: makes a Worker, has `set_up` register what it offers,
// serves, and ends the process by std::exit with the code of Serve, as a return from main() would:
// static objects are destroyed, output is flushed. In any other process: returns at once.
// To be called first in main(), before threads, and before the arguments are looked at: a worker's
// are SessionOptions::arguments.
void ServeIfWorker(int argc, char** argv, absl::FunctionRef<void(Worker& worker)> set_up);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SINGLE_BINARY_H_
