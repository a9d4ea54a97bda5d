// OneGate: holds the one thread that passes it until it is opened.
//
//   OneGate gate;
//   std::thread thread([&] { gate.Pass(); });
//   gate.AwaitArrival();       // it is there
//   gate.Open();               // it goes on

#ifndef SLABPIPE_TESTS_TESTING_ONE_GATE_H_
#define SLABPIPE_TESTS_TESTING_ONE_GATE_H_

#include <future>

namespace slabpipe::tests {

// For one use.
class OneGate {
 public:
  void Pass() {
    arrived_.set_value();
    open_.get_future().wait();
  }
  void AwaitArrival() { arrived_.get_future().wait(); }
  void Open() { open_.set_value(); }

 private:
  std::promise<void> arrived_, open_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_ONE_GATE_H_
