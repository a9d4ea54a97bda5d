// Joins the ring and attacks main through it, in the way that its first argument names, if it can
// remove the file that its second one names: so only the first worker of a session does. Every
// other one, and "nothing", keeps to the rules, so that the attacks are known to fail for
// themselves alone.

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <random>
#include <string>
#include <thread>

#include "slabpipe/tests/workers/raw_ring.h"
#include "slabpipe/tests/workers/raw_worker.h"

namespace {

using namespace slabpipe::tests;

[[noreturn]] void ServeWell(RawRing ring) {
  while (true) ring.Send(AnswerBody(ring.ReceiveRequest()));
}

// All over the control block, from word `first` on. Main reads the first two but once.
void Scribble(const RawRing& ring, size_t first) {
  std::mt19937_64 random(20);
  for (size_t i = first; i < ring.word_count(); ++i) ring.words()[i] = random();
  ring.RingBell();
}

// Control blocks that are none: main is to see it in the welcome.
void SendWrongControl(const std::string& fault) {
  ControlForgery forgery;
  if (fault == "unsealed control") forgery.sealed = false;
  if (fault == "a pipe for a control") forgery.is_memory = false;
  if (fault == "small control") forgery.missing_bytes = 4096;
  if (fault == "control of another kind") forgery.magic = 1;
  if (fault == "control of another version") forgery.version = 9;
  if (fault == "no control") forgery.copies = 0;
  if (fault == "two controls") forgery.copies = 2;
  JoinRing(forgery);
  Hang();
}

// What an attack does once it has its first request.
void Attack(const std::string& attack, RawRing& ring, uint64_t id) {
  if (attack == "garbage") Scribble(ring, 0), Hang();
  if (attack == "a bad frame") ring.PutWord(9, 0, 0), ring.RingBell(), Hang();
  if (attack == "a frame too large") ring.PutWord(1, 0, ring.ring_bytes()), ring.RingBell(), Hang();
  if (attack == "a frame of another number") {
    ring.PutBody(AnswerBody(id));
    ring.PutWord(1, 1, static_cast<uint32_t>(AnswerBody(id).size()));
    ring.RingBell();
    Hang();
  }
  if (attack == "a frame without a message") ring.PutWord(1, 0, 64), ring.RingBell(), Hang();
  if (attack == "an answer and a bad frame") {
    ring.Send(AnswerBody(id));
    ring.PutWord(1, 0, 3);
    ring.RingBell();
    Hang();
  }
  if (attack == "a claim to the socket") ring.PutWord(2, 0, 0), ring.RingBell(), Hang();
  if (attack == "garbage by the socket") {
    ring.PutWord(2, 0, 0);
    SendBytes(std::string(100, '?'));
    ring.RingBell();
    Hang();
  }
  if (attack == "no bell") {
    while (!ring.MainSleeps()) ::usleep(100);
    ring.PutBody(AnswerBody(id));
    ring.PutWord(1, 0, static_cast<uint32_t>(AnswerBody(id).size()));
    ServeWell(ring);
  }
  if (attack == "a bell all the time") {
    std::thread([&] {
      while (true) ring.RingBell();
    }).detach();
    while (true) ring.RingBell();
  }
  if (attack == "death in the middle") {
    ring.PutBody(AnswerBody(id).substr(0, 24));
    ::raise(SIGKILL);
  }
  if (attack == "death behind an answer") {
    ring.Send(AnswerBody(id));
    ::raise(SIGKILL);
  }
  if (attack == "room that is not there") {
    ring.words()[kRingTakenAt / 8] = uint64_t{1} << 40;
    Hang();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string attack = argc > 1 ? argv[1] : "nothing";
  const bool attacks = attack != "nothing" && argc > 2 && ::unlink(argv[2]) == 0;
  if (attacks && attack.find("control") != std::string::npos) SendWrongControl(attack);
  RawRing ring = JoinRing();
  if (attacks && attack == "garbage at once") Scribble(ring, 2), Hang();
  if (attacks) Attack(attack, ring, ring.ReceiveRequest());
  ServeWell(ring);
}
