// Looking codecs up: by a value's type, as Encode does, and by name, as those of a peer are. In a
// shuffled order, so that no look-up helps the next.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/bench/codec/cases.h"
#include "slabpipe/bench/codec/message_loop.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/registry.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kMostTypes = 4096;
constexpr size_t kLookUps = 4096;

// A type of its own for each number, and what a registry knows it by.
template <size_t kNumber>
struct Numbered {};

template <size_t... kNumber>
std::vector<TypeId> MakeTypes(std::index_sequence<kNumber...>) {
  return {TypeId::Of<Numbered<kNumber>>()...};
}
const std::vector<TypeId>& Types() {
  static const auto& types =
      *new std::vector<TypeId>(MakeTypes(std::make_index_sequence<kMostTypes>()));
  return types;
}

// Of one such type. Encodes nothing.
class NumberedCodec : public Codec {
 public:
  explicit NumberedCodec(size_t number)
      : name_(absl::StrCat("bench.type", number)), type_(Types()[number]) {}
  absl::string_view name() const override { return name_; }
  TypeId type() const override { return type_; }
  bool Accepts(AnyRef value) const override { return value.type() == type_; }
  absl::Status Prepare(AnyRef, Sizer&) const override { return absl::OkStatus(); }
  absl::Status Encode(AnyRef, Encoder&) const override { return absl::OkStatus(); }
  absl::StatusOr<Object> DecodeObject(Decoder&) const override { return Object(); }

 private:
  const std::string name_;
  const TypeId type_;
};

// The built-in codecs and so many others.
CodecRegistry MakeRegistry(size_t codecs) {
  CodecRegistry registry = BuiltInCodecs();
  for (size_t i = 0; i < codecs; ++i) CheckOk(registry.Add(std::make_unique<NumberedCodec>(i)));
  return registry;
}

// Made once each: benchmarks run several times.
const CodecRegistry& RegistryOf(size_t codecs) {
  static auto& registries = *new std::map<size_t, CodecRegistry>();
  const auto known = registries.find(codecs);
  if (known != registries.end()) return known->second;
  return registries.emplace(codecs, MakeRegistry(codecs)).first->second;
}

// Which of so many codecs to look up, again and again.
std::vector<size_t> Shuffled(size_t codecs) {
  std::mt19937 random(1);
  std::uniform_int_distribution<size_t> any(0, codecs - 1);
  std::vector<size_t> numbers(kLookUps);
  for (size_t& number : numbers) number = any(random);
  return numbers;
}

// Looks up one key after the other.
template <typename Key, typename LookUp>
void Repeat(benchmark::State& state, const std::vector<Key>& keys, LookUp look_up) {
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(look_up(keys[next++ % kLookUps]));
}

void Select(benchmark::State& state) {
  const auto codecs = static_cast<size_t>(state.range(0));
  const int value = 0;
  std::vector<AnyRef> values;
  for (const size_t number : Shuffled(codecs)) values.emplace_back(Types()[number], &value);
  const CodecRegistry& registry = RegistryOf(codecs);
  Repeat(state, values, [&](AnyRef key) { return *registry.Select(key); });
}

void Find(benchmark::State& state) {
  const auto codecs = static_cast<size_t>(state.range(0));
  std::vector<std::string> names;
  for (const size_t number : Shuffled(codecs)) names.push_back(absl::StrCat("bench.type", number));
  const CodecRegistry& registry = RegistryOf(codecs);
  Repeat(state, names, [&](const std::string& name) { return *registry.Find(name); });
}

// The floor of Select.
void HashMap(benchmark::State& state) {
  const auto codecs = static_cast<size_t>(state.range(0));
  absl::flat_hash_map<const void*, const Codec*> map;
  for (size_t i = 0; i < codecs; ++i) map[Types()[i].key()] = nullptr;
  std::vector<const void*> keys;
  for (const size_t number : Shuffled(codecs)) keys.push_back(Types()[number].key());
  Repeat(state, keys, [&](const void* key) { return map.find(key)->second; });
}

// A registry from nothing, all its codecs added.
void Fill(benchmark::State& state) {
  const auto codecs = static_cast<size_t>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(MakeRegistry(codecs).Find("value").ok());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

void AddRegistryCases() {
  for (const auto& [name, function] :
       {std::pair("Floor/flat_hash_map", &HashMap), std::pair("Registry/Select", &Select),
        std::pair("Registry/Find", &Find)}) {
    benchmark::RegisterBenchmark(name, function)->Arg(8)->Arg(64)->Arg(512)->Arg(4096);
  }
  benchmark::RegisterBenchmark("Registry/Fill", &Fill)
      ->Arg(8)
      ->Arg(64)
      ->Arg(512)
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace slabpipe::bench
