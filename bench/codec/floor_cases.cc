// Floors: the least that what the codecs do could take, timed in the same way.

#include <benchmark/benchmark.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/io.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/bench/codec/cases.h"
#include "slabpipe/bench/codec/timed_loop.h"
#include "slabpipe/schemas/codecs.capnp.h"

namespace slabpipe::bench {
namespace {

// Between warm memories.
void Memcpy(benchmark::State& state, size_t bytes) {
  const std::vector<std::byte> from(bytes, std::byte{1});
  std::vector<std::byte> to(bytes, std::byte{2});
  const auto copy = [&] {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  };
  TimedLoop(state, copy);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

// A message with one integer: built in memory that is used again, and flattened.
void WriteInteger(capnp::word (&flat)[16], std::vector<capnp::word>& scratch) {
  capnp::MallocMessageBuilder builder(kj::ArrayPtr<capnp::word>(scratch.data(), scratch.size()));
  builder.initRoot<schemas::Value>().setSigned(7);
  kj::ArrayOutputStream out(
      kj::ArrayPtr<kj::byte>(reinterpret_cast<kj::byte*>(flat), sizeof(flat)));
  capnp::writeMessage(out, builder);
  benchmark::ClobberMemory();
}

void CapnpWrite(benchmark::State& state) {
  capnp::word flat[16] = {};
  std::vector<capnp::word> scratch(512);
  TimedLoop(state, [&] { WriteInteger(flat, scratch); });
}

void CapnpRead(benchmark::State& state) {
  capnp::word flat[16] = {};
  std::vector<capnp::word> scratch(512);
  WriteInteger(flat, scratch);
  const auto read = [&] {
    capnp::FlatArrayMessageReader reader(flat);
    benchmark::DoNotOptimize(reader.getRoot<schemas::Value>().getSigned());
  };
  TimedLoop(state, read);
}

// A copy of the value itself, with all that it allocates.
template <typename T>
void CopyOf(benchmark::State& state, const T& value) {
  const auto copy = [&] {
    const T another = value;
    benchmark::DoNotOptimize(&another);
  };
  TimedLoop(state, copy);
}

}  // namespace

void AddFloorCases() {
  AddTimed("Floor/clock", [](benchmark::State& state) { TimedLoop(state, [] {}); });
  for (const size_t bytes : {size_t{8}, size_t{1} << 10, size_t{64} << 10, size_t{1000} << 10,
                             size_t{1} << 20, size_t{20} * 1000 * 1000, size_t{64} << 20}) {
    AddTimed(absl::StrCat("Floor/memcpy/", bytes),
             [bytes](benchmark::State& state) { Memcpy(state, bytes); });
  }
  AddTimed("Floor/capnp_write/int", CapnpWrite);
  AddTimed("Floor/capnp_read/int", CapnpRead);
  AddTimed("Floor/copy/1000_texts", [](benchmark::State& state) { CopyOf(state, MakeTexts()); });
  AddTimed("Floor/copy/1000_text_to_double",
           [](benchmark::State& state) { CopyOf(state, MakeNumbers()); });
}

}  // namespace slabpipe::bench
