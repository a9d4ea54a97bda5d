// SeedWriter: real values in the form that the fuzzers read.
//
//   SeedWriter writer;
//   writer.Add("ndarray", "vector", std::vector<double>{1, 2});  // for the decoder, as a request
//   writer.AddMessage("ping", [](schemas::Message::Builder root) { root.setPing(7); });
//   std::vector<Seed> seeds = writer.Take();

#ifndef SLABPIPE_TESTS_FUZZ_SEED_WRITER_H_
#define SLABPIPE_TESTS_FUZZ_SEED_WRITER_H_

#include <capnp/message.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/fuzzed_handles.h"
#include "slabpipe/tests/fuzz/message_input.h"
#include "slabpipe/tests/fuzz/seeds.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::fuzz {

// Thread-compatible. Aborts if a value can't be encoded or has no place in an input.
class SeedWriter {
 public:
  SeedWriter();

  // The pool for arrays that lie in shared memory when they are added. Another one after each Add.
  ShmPool& pool() { return *pool_; }

  // A handle to be added.
  Handle<> NewHandle(uint64_t number) { return *handles_.Find(number); }

  // A seed for the fuzzer of a decoder, `codec`, which `value` must be encoded by.
  template <typename T>
  void Add(const std::string& codec, const std::string& name, const T& value) {
    const Visit visit = [&](const ModelStep& step) { return VisitValue(value, step); };
    AddDecoderSeed(codec, name, visit);
  }
  // A seed for the fuzzer of messages: a request with this argument.
  template <typename T>
  void AddRequest(const std::string& name, const T& value) {
    const Visit visit = [&](const ModelStep& step) { return VisitValue(value, step); };
    AddRequestSeed(name, visit);
  }
  // Any messages, as they are. Each brings a segment of one page.
  using Fill = std::function<void(schemas::Message::Builder root)>;
  void AddMessages(const std::string& name, const std::vector<Fill>& messages);

  std::vector<Seed> Take() { return std::move(seeds_); }

 private:
  using ModelStep = std::function<absl::Status(AnyRef model)>;
  using Visit = std::function<absl::Status(const ModelStep& step)>;
  void AddDecoderSeed(const std::string& codec, const std::string& name, const Visit& visit);
  void AddRequestSeed(const std::string& name, const Visit& visit);
  void Encode(const Visit& visit, MessageEncoder& encoder, schemas::Payload::Builder payload);
  void NewPool();

  const CodecRegistry registry_;
  std::unique_ptr<ShmPool> pool_;
  FuzzedHandles handles_;
  std::vector<Seed> seeds_;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SEED_WRITER_H_
