#include "slabpipe/tests/fuzz/message_fills.h"

#include "slabpipe/schemas/codecs.capnp.h"
#include "slabpipe/tests/fuzz/message_input.h"

namespace slabpipe::fuzz {

void AnswerWithHandle(schemas::Message::Builder root, uint64_t number) {
  root.initCodecs(1).set(0, "handle");
  auto payload = root.initResponse().initResult();
  payload.getMetadata().initAs<schemas::Handle>().setNumber(number);
}

void GrantHandle(schemas::Message::Builder root, uint64_t number) {
  auto grant = root.initHandles(1)[0];
  grant.setNumber(number);
  grant.setType("models::Model");
  grant.setText("42 rows\x1b[2J");
}

void Announce(schemas::Message::Builder root, uint32_t slot) {
  auto grant = root.initMemory().initSegments(1)[0];
  grant.setSlot(slot);
  grant.setGeneration(1);
  grant.setDescriptor(0);
  grant.initSegment().setName("w.1");
  grant.getSegment().setSizeBytes(kPageBytes);
}

void PutArray(schemas::Message::Builder root, schemas::Payload::Builder payload, uint64_t bytes) {
  auto ref = root.getMemory().initRefs(1)[0];
  ref.setSize(bytes);
  ref.setContentSize(bytes);
  root.initCodecs(1).set(0, "ndarray");
  payload.setRefCount(1);
  auto array = payload.getMetadata().initAs<schemas::NdArray>();
  array.setElementType(schemas::ElementType::UINT8);
  array.setLayout(schemas::NdArray::Layout::VECTOR);
}

}  // namespace slabpipe::fuzz
