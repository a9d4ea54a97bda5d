// Answers its first request with an array in shared memory, of which one thing is not as it says:
// the one that its first argument names. With "truth" it is all as it says, so that the others are
// known to fail for their lie alone.

#include <cstdint>
#include <string>

#include "slabpipe/tests/workers/raw_worker.h"

int main(int argc, char** argv) {
  using namespace slabpipe::tests;
  const std::string lie = argc > 1 ? argv[1] : "truth";
  SharedAnswer answer;
  if (lie == "unsealed") answer.sealed = false;
  if (lie == "too small") answer.object_bytes = 2048, answer.size = answer.content_size = 4096;
  if (lie == "no descriptor") answer.send_descriptor = false;
  if (lie == "a foreign name") answer.name = "somebody.1";
  if (lie == "main's name") answer.name = "m.1";
  if (lie == "no name and size") answer.say_what_it_is = false;
  if (lie == "an echo of a segment of its own") answer.echo = true;
  if (lie == "an echo of what it never had") {
    answer.echo = true;
    answer.send_descriptor = answer.say_what_it_is = false;
  }
  if (lie == "an unknown slot") {
    answer.slot = 7;
    answer.send_descriptor = answer.say_what_it_is = false;
  }
  if (lie == "a slot beyond all limits") answer.slot = UINT32_MAX;
  if (lie == "generation 0") answer.generation = 0;
  if (lie == "no such segment") answer.segment_index = 1;
  if (lie == "beyond the end") answer.offset_units = 64;
  if (lie == "across the end") {
    answer.offset_units = 63;
    answer.size = answer.content_size = 128;
  }
  if (lie == "far beyond the end") answer.offset_units = UINT32_MAX;
  if (lie == "overflow") answer.offset_units = 1, answer.size = UINT64_MAX - 63;
  if (lie == "more content than size") answer.content_size = 128;
  if (lie == "no size") answer.size = answer.content_size = 0, answer.offset_units = 1;
  if (lie == "more elements") answer.elements = 9;
  if (lie == "an unknown codec") answer.codec = "no.such.codec";

  SendWelcome();
  SendSharedAnswer(ReceiveRequest(), answer);
  while (true) SendAnswer(ReceiveRequest());
}
