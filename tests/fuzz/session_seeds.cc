#include "slabpipe/tests/fuzz/session_seeds.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/tests/fuzz/message_fills.h"
#include "slabpipe/tests/fuzz/message_input.h"
#include "slabpipe/tests/fuzz/session_input.h"

namespace slabpipe::fuzz {
namespace {

using Kind = SessionInput::Kind;

// One that is being written, step by step.
class Script {
 public:
  explicit Script(std::string name, bool ring = false) : name_(std::move(name)) {
    input_.ring = ring;
  }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  using Fill = absl::FunctionRef<void(schemas::Message::Builder)>;
  Script& Say(Fill fill) {
    input_.steps.push_back({.kind = Kind::kMessage, .message = {.words = Keep(fill)}});
    return *this;
  }
  // With a segment of one page.
  Script& Bring(Fill fill) {
    Say(fill);
    MessageInput::Message& message = input_.steps.back().message;
    message.descriptors = {{.bytes = message.words}};
    return *this;
  }
  Script& Greet(Fill fill) {
    input_.greets = true;
    return Say(fill);
  }
  Script& Send(uint8_t where, absl::string_view bytes) { return Put(Kind::kBytes, where, bytes); }
  Script& Print(absl::string_view text) { return Put(Kind::kPrint, 0, text); }
  Script& Do(Kind kind, unsigned which = 0) {
    input_.steps.push_back({.kind = kind, .which = static_cast<uint8_t>(which)});
    return *this;
  }
  Seed Finish() const {
    return {.target = "session", .name = name_, .input = FormatSessionInput(input_)};
  }

 private:
  Script& Put(Kind kind, uint8_t which, absl::string_view bytes) {
    input_.steps.push_back({.kind = kind, .which = which, .bytes = Keep(std::string(bytes))});
    return *this;
  }
  absl::Span<const uint8_t> Keep(Fill fill) {
    capnp::MallocMessageBuilder builder;
    fill(builder.initRoot<schemas::Message>());
    const kj::Array<capnp::word> words = capnp::messageToFlatArray(builder);
    return Keep(std::string(words.asChars().begin(), words.asChars().end()));
  }
  absl::Span<const uint8_t> Keep(std::string text) {
    texts_.push_back(std::move(text));
    return {reinterpret_cast<const uint8_t*>(texts_.back().data()), texts_.back().size()};
  }

  const std::string name_;
  SessionInput input_;
  std::deque<std::string> texts_;
};

// What a worker says.

auto HandleAnswer(uint64_t id, uint64_t number) {
  return [=](schemas::Message::Builder root) {
    GrantHandle(root, number);
    AnswerWithHandle(root, number);
    root.getResponse().setId(id);
  };
}

auto ErrorAnswer(uint64_t id) {
  return [=](schemas::Message::Builder root) {
    auto response = root.initResponse();
    response.setId(id);
    WriteError({.code = absl::StatusCode::kNotFound,
                .message = "no such\x1b[2J file",
                .type = "std::runtime_error",
                .traceback = {"f()", "g()"},
                .causes = {{.type = "std::logic_error", .message = "because"}}},
               response.initError());
  };
}

auto Item(uint64_t id, uint32_t slot) {
  return [=](schemas::Message::Builder root) {
    Announce(root, slot);
    const std::string name = absl::StrCat("w.", slot + 1);
    root.getMemory().getSegments()[0].getSegment().setName(name.c_str());
    PutArray(root, root.initItem().initValue(), 100);
    root.getItem().setId(id);
  };
}

auto Report(uint64_t id, double done) {
  return [=](schemas::Message::Builder root) {
    auto progress = root.initEvent().initProgress();
    progress.setId(id);
    progress.setDone(done);
    progress.setTotal(1000);
    progress.setText("chain\r2");
  };
}

auto Line(uint64_t id) {
  return [=](schemas::Message::Builder root) {
    auto log = root.initEvent().initLog();
    log.setSeverity(1);
    log.setText("a line\nand\x07 more");
    log.setTime(1'700'000'000'000'000'000);
    log.setRequest(id);
  };
}

auto Welcome(bool ring, std::string refusal = "") {
  return [=](schemas::Message::Builder root) {
    WelcomeInfo welcome = {.refusal = refusal, .targets = {}, .ring = ring, .threads = 2};
    welcome.targets.push_back(
        {.name = "stats.mean",
         .documentation = "Arithmetic mean",
         .parameters = {{.name = "x", .type = "array", .optional = true, .default_value = "[1]"}},
         .result = "double"});
    WriteWelcome(welcome, root.initWelcome());
  };
}

void Pong(schemas::Message::Builder root) { root.setPong(1); }
void Goodbye(schemas::Message::Builder root) { root.setGoodbye(); }

constexpr unsigned kShared = SessionInput::kShared;
constexpr unsigned kPing = SessionInput::kPing;
constexpr unsigned kArguments = SessionInput::kArguments;

constexpr char kCrash[] =
    "a line\nterminate called after throwing an instance of 'X'\n  what():  bad\x1b[2J\n"
    "*** SIGABRT received at time=1700000000 on cpu 3 ***\n"
    "PC: @     0x563c1b1f1c9  (unknown)  f()\n    @     0x7f3edc2a8eec         32  g()\n";
constexpr char kSanitized[] =
    "==123==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000014\n"
    "    #0 0x55fa4a17d1ca in main /src/x.cc:1\n    #1 0x55fa4a17d1cb\n\n";

void AddCalls(std::vector<Seed>& seeds, const char* name, bool ring, unsigned which) {
  Script script(name, ring);
  for (int i = 0; i < 3; ++i) script.Do(Kind::kCall, which);
  script.Say(Line(2)).Say(ErrorAnswer(3)).Say(HandleAnswer(1, 7)).Do(Kind::kRead);
  script.Do(Kind::kLook, 2).Do(Kind::kLook, 1).Do(Kind::kLook, 0).Say(ErrorAnswer(2));
  seeds.push_back(script.Finish());
}

void AddStreams(std::vector<Seed>& seeds, bool ring) {
  Script stream(ring ? "stream_by_ring" : "stream", ring);
  stream.Do(Kind::kCall, 2).Bring(Item(1, 0)).Say(Report(1, 420)).Do(Kind::kRead);
  stream.Do(Kind::kLook).Do(Kind::kLook).Do(Kind::kAllow).Bring(Item(1, 1)).Bring(Item(1, 2));
  seeds.push_back(stream.Say(ErrorAnswer(1)).Finish());
}

// What a good worker may do.
void AddGood(std::vector<Seed>& seeds) {
  AddCalls(seeds, "calls", false, 0);
  AddCalls(seeds, "calls_of_one_waiter", false, kShared);
  AddCalls(seeds, "calls_by_ring", true, 0);
  for (const bool ring : {false, true}) {
    AddStreams(seeds, ring);
    Script welcome(ring ? "welcome_with_ring" : "welcome", ring);
    welcome.Greet(Welcome(ring)).Do(Kind::kCall).Say(Report(1, 1)).Say(ErrorAnswer(1));
    seeds.push_back(welcome.Finish());
  }
  Script abandoned("abandoned");
  abandoned.Do(Kind::kCall, 2).Do(Kind::kCancel).Do(Kind::kLook).Do(Kind::kAbandon);
  seeds.push_back(abandoned.Bring(Item(1, 0)).Say(ErrorAnswer(1)).Do(Kind::kRead).Finish());
  Script handles("handles");
  handles.Do(Kind::kCall).Say(HandleAnswer(1, 7)).Do(Kind::kRead).Do(Kind::kLook);
  handles.Do(Kind::kCall, kArguments).Do(Kind::kDrop).Say(HandleAnswer(2, 7)).Do(Kind::kRead);
  seeds.push_back(handles.Do(Kind::kLook, 1).Do(Kind::kDrop).Do(Kind::kDrop).Finish());
  Script goodbye("goodbye");
  goodbye.Do(Kind::kCall, kPing).Do(Kind::kGoodbye).Say(Pong).Say(Goodbye);
  seeds.push_back(goodbye.Finish());
  seeds.push_back(Script("crash").Do(Kind::kCall).Print(kCrash).Say(Line(1)).Finish());
  seeds.push_back(Script("sanitizer").Print(kSanitized).Finish());
  Script late("given_up");
  late.Do(Kind::kCall, kShared).Do(Kind::kCall, 1).Say(ErrorAnswer(1)).Do(Kind::kGiveUp);
  seeds.push_back(late.Say(Line(2)).Finish());
}

void AddBad(std::vector<Seed>& seeds) {
  seeds.push_back(Script("bad_answer").Say(ErrorAnswer(1)).Finish());
  seeds.push_back(
      Script("bad_second_answer").Do(Kind::kCall).Say(ErrorAnswer(1)).Say(ErrorAnswer(1)).Finish());
  seeds.push_back(Script("bad_kind_of_answer").Do(Kind::kCall, kPing).Say(ErrorAnswer(1)).Finish());
  seeds.push_back(
      Script("bad_item").Do(Kind::kCall, 1).Bring(Item(1, 0)).Bring(Item(1, 1)).Finish());
  seeds.push_back(Script("bad_goodbye").Say(Goodbye).Finish());
  seeds.push_back(Script("bad_request")
                      .Say([](schemas::Message::Builder root) { root.initRequest(); })
                      .Finish());
  seeds.push_back(Script("bad_frame")
                      .Do(Kind::kCall)
                      .Send(0, "SLP1, and then what is no frame at all")
                      .Finish());
  seeds.push_back(Script("bad_ring", true).Do(Kind::kCall).Send(5, "no frame").Finish());
  seeds.push_back(Script("bad_refusal").Greet(Welcome(false, "not with\x1b[2J you")).Finish());
  seeds.push_back(Script("bad_ring_that_nobody_offered").Greet(Welcome(true)).Finish());
}

}  // namespace

std::vector<Seed> MakeSessionSeeds() {
  std::vector<Seed> seeds;
  AddGood(seeds);
  AddBad(seeds);
  return seeds;
}

}  // namespace slabpipe::fuzz
