// Answers each request with a list of handles, of which one thing is not as it should be: the one
// that its first argument names. With "truth" all is as it should.

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstdint>
#include <string>

#include "slabpipe/schemas/codecs.capnp.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/tests/workers/raw_worker.h"

namespace {

using namespace slabpipe;

struct Lie {
  unsigned grants = 3;  // handles that the message brings, numbered from `first`
  uint64_t first = 1;
  bool same_number = false;
  uint64_t released = 0;
  unsigned means = 3;  // handles in the answer, numbered from `first_meant`
  uint64_t first_meant = 1;
  std::string text = "a model";
};

std::string ToBody(capnp::MessageBuilder& message) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  return {words.asChars().begin(), words.asChars().end()};
}

std::string Answer(uint64_t id, const Lie& lie, bool names_codecs) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  if (names_codecs) {
    auto codecs = root.initCodecs(2);
    codecs.set(0, "sequence");
    codecs.set(1, "handle");
  }
  auto grants = root.initHandles(lie.grants);
  for (unsigned i = 0; i < grants.size(); ++i) {
    grants[i].setNumber(lie.same_number ? lie.first : lie.first + i);
    if (i < 16) grants[i].setType("models::Model");
    if (i < 16) grants[i].setText(lie.text.c_str());
  }
  if (lie.released > 0) root.initReleasedHandles(1).set(0, lie.released);
  auto response = root.initResponse();
  response.setId(id);
  auto items = response.initResult().getMetadata().initAs<schemas::Sequence>().initItems(lie.means);
  for (unsigned i = 0; i < items.size(); ++i) {
    items[i].setCodec(1);
    items[i].getMetadata().initAs<schemas::Handle>().setNumber(lie.first_meant + i);
  }
  return ToBody(message);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace slabpipe::tests;
  const std::string what = argc > 1 ? argv[1] : "truth";
  Lie lie;
  if (what == "number 0") lie.first = 0;
  if (what == "one not granted") lie.means = 4;
  if (what == "none granted") lie.grants = 0;
  if (what == "too many") lie.grants = (1u << 18) + 1;
  if (what == "as many as may be") lie.grants = 1u << 18;
  if (what == "one number often") lie.same_number = true, lie.means = 1, lie.grants = 1000;
  if (what == "large numbers") lie.first = lie.first_meant = UINT64_MAX - 2;
  if (what == "a long text") lie.text = std::string(1 << 20, 'x');
  if (what == "control characters") lie.text = "\x1b[2J\n\xff\xc2\x9b";
  if (what == "releases") lie.released = 1;

  SendWelcome();
  bool first = true;
  while (true) {
    SendFrame(Answer(ReceiveRequest(), lie, first));
    first = false;
  }
}
