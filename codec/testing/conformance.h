// Conformance: whether a codec keeps its contract, asked from all sides. For any test framework.
//
//   TEST(CloudCodec, Conforms) {
//     slabpipe::codec_testing::Conformance<Cloud> conformance;
//     conformance.registry = [] {
//       CodecRegistry registry = BuiltInCodecs();
//       registry.Add(std::make_unique<CloudCodec>()).IgnoreError();
//       return registry;
//     };
//     conformance.values = {Cloud{}, Cloud{"roof", {1, 2, 3}}, Cloud{"mast", {4}}};
//     EXPECT_EQ(conformance.Run(), absl::OkStatus());
//   }
//
// T is any type with a binding (codec/binding.h) that can be received: NdArray<const double>,
// std::vector<T>, records, Dataset, Value, a type of the user's own. Give several values that
// differ, of different sizes, empty ones too: a codec that takes one value's bytes for another's is
// found out only if these are not the same.
//
// What is checked, by the names that stand in the error, of each value:
//
//   round trip       the decoded value is `same` as the one sent, from main to worker and back
//   size             Prepare announced as many slab bytes as Encode's blocks take
//   several values   all values in one message, in order and in reverse, arrive the same
//   copies           Encode made `copies` copies, if that is given; for 0, no new slab memory
//   echo             sent back, and once more forth, it is still the same; `echo_copies` likewise
//   lifetime         it stays the same when its temporary blocks are overwritten, the message is
//                    gone, all memory that nobody leases has been used again and overwritten, the
//                    pools are gone
//   release          once it is dropped and a message has gone back, nothing is leased any more
//   steady state     the same message again makes and maps no new segment
//   refs             a message with one field of one ref changed (0, all ones, +1, -1, each bit,
//                    content cut short), or two refs exchanged, ends in an error or a value that
//                    `read` can read
//   metadata         the same of each 64-bit word of the metadata (0, all ones, +1, -1, each bit,
//                    exchanged with the next word), children's metadata included
//   message          the same of every other word of the message, framing included; the connection
//                    is then begun anew
//   bytes            the same of blocks whose bytes were changed before they are decoded: the first
//                    and last 64 of each, and 64 between
//   bytes later      the value can be read when they are changed after it was decoded, as a hostile
//                    peer may; what comes of it does not matter
//
// After each corrupted message: nothing is leased any more, and a good message gets through (the
// name is then followed by "afterwards"). Errors that a corrupted message ends in have a text and
// one of these codes: INVALID_ARGUMENT, DATA_LOSS, FAILED_PRECONDITION, OUT_OF_RANGE,
// RESOURCE_EXHAUSTED, UNIMPLEMENTED. An exception, but for std::bad_alloc and std::length_error, is
// INTERNAL, and so a failure.
//
// What is not checked: that a corrupted message is noticed (a codec can't know that a number was
// another); more than one change at a time; changes while decoding runs; threads; time; that no
// byte outside the blocks is read: for that run it under AddressSanitizer, which sees private
// memory but not shared memory. A codec that crashes, or never comes back, takes the test's process
// with it: `trace` then tells where it was.

#ifndef SLABPIPE_CODEC_TESTING_CONFORMANCE_H_
#define SLABPIPE_CODEC_TESTING_CONFORMANCE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/codec/testing/conformance_checks.h"
#include "slabpipe/codec/testing/loopback.h"
#include "slabpipe/codec/testing/loopback_handles.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::codec_testing {

namespace internal {

// Whether a == b compiles; std::equality_comparable says so of every vector, whatever is in it.
template <typename T>
struct HasEquality : std::bool_constant<std::equality_comparable<T>> {};

}  // namespace internal

// Fill in, then Run. Thread-compatible; Run takes a while (see max_corruptions), writes nothing
// out, and does the same at every call.
template <typename T>
struct Conformance {
  // The codecs that both sides have.
  std::function<CodecRegistry()> registry = &BuiltInCodecs;
  // What is sent, one by one.
  std::vector<T> values = {};
  // More values, which need the sender's pool: they lie in shared memory. Called several times, and
  // must make the same values each time.
  std::function<absl::StatusOr<std::vector<T>>(ShmPool& sender)> make_values = nullptr;
  // Whether a received value is what was sent. If none is given: ==; SameElements for arrays; for
  // types without these, whether both encode to the same bytes, which does not see what Encode
  // leaves out.
  std::function<bool(const T& sent, const T& received)> same = DefaultSame();
  // Touches everything that a value decoded from a corrupted message holds, and says what is wrong
  // with it. If none is given, the value is encoded again, by a peer that must copy it all.
  std::function<absl::Status(const T& value)> read = nullptr;
  // How many copies (Encoder::CountCopy) sending one of the values makes; sending one back that was
  // received. Not checked if not given.
  std::optional<uint64_t> copies = std::nullopt;
  std::optional<uint64_t> echo_copies = std::nullopt;
  // The most corrupted messages for one value. If there are more ways to corrupt it, they are
  // sampled evenly.
  size_t max_corruptions = 2000;
  // Is told each step before it is taken.
  std::function<void(const std::string& step)> trace = nullptr;

  // OK, or what went wrong first: INTERNAL with the value's place among the values, the check's
  // name, what was corrupted and how, and what happened. INVALID_ARGUMENT if there is no value;
  // an error of make_values as it is.
  absl::Status Run() const;

 private:
  static std::function<bool(const T&, const T&)> DefaultSame();
};

// Implementation details only below this line.

namespace internal {

template <std::derived_from<AnyNdArray> T>
struct HasEquality<T> : std::false_type {};
template <typename T>
requires(!std::derived_from<T, AnyNdArray> &&
         requires { typename T::value_type; }) struct HasEquality<T>
    : std::conjunction<HasEquality<std::remove_const_t<typename T::value_type>>,
                       std::bool_constant<std::equality_comparable<T>>> {
};
template <typename First, typename Second>
struct HasEquality<std::pair<First, Second>>
    : std::conjunction<HasEquality<std::remove_const_t<First>>, HasEquality<Second>> {};
template <typename... T>
struct HasEquality<std::tuple<T...>> : std::conjunction<HasEquality<T>...> {};
template <typename... T>
struct HasEquality<std::variant<T...>> : std::conjunction<HasEquality<T>...> {};

template <typename T>
class ItemOf : public Item {
 public:
  OutgoingValue outgoing() const final { return OutgoingValue::To(value()); }
  virtual const T& value() const = 0;
  static const T& Get(const Item& item) { return static_cast<const ItemOf&>(item).value(); }
};

template <typename T>
class OwnedItem final : public ItemOf<T> {
 public:
  explicit OwnedItem(T value) : value_(std::move(value)) {}
  const T& value() const override { return value_; }

 private:
  const T value_;
};

template <typename T>
class LeasedItem final : public ItemOf<T> {
 public:
  explicit LeasedItem(Leased<T> value) : value_(std::move(value)) {}
  const T& value() const override { return *value_; }

 private:
  const Leased<T> value_;
};

template <typename T>
absl::StatusOr<std::unique_ptr<Item>> ReceiveItem(const Object& object) {
  using Holder = std::conditional_t<Binding<T>::kOwnsItsBytes, OwnedItem<T>, LeasedItem<T>>;
  absl::StatusOr<Decoded<T>> value = FromObject<T>(object);
  if (!value.ok()) return value.status();
  return std::make_unique<Holder>(*std::move(value));
}

}  // namespace internal

template <typename T>
std::function<bool(const T&, const T&)> Conformance<T>::DefaultSame() {
  if constexpr (std::derived_from<T, AnyNdArray>) {
    return [](const T& sent, const T& received) { return SameElements(sent, received); };
  } else if constexpr (internal::HasEquality<T>::value) {
    return [](const T& sent, const T& received) { return sent == received; };
  } else {
    return nullptr;
  }
}

template <typename T>
absl::Status Conformance<T>::Run() const {
  using internal::Item;
  using internal::ItemOf;
  internal::ConformanceSpec spec = {.registry = registry,
                                    .make_items = {},
                                    .receive = &internal::ReceiveItem<T>,
                                    .same = {},
                                    .read = {},
                                    .copies = copies,
                                    .echo_copies = echo_copies,
                                    .max_corruptions = max_corruptions,
                                    .trace = trace,
                                    .handles = std::make_shared<LoopbackHandles>()};
  spec.make_items = [this](ShmPool& sender) -> absl::StatusOr<internal::Items> {
    internal::Items items;
    if constexpr (std::copy_constructible<T>) {
      for (const T& value : values)
        items.push_back(std::make_unique<internal::OwnedItem<T>>(value));
    }
    if (!make_values) return items;
    absl::StatusOr<std::vector<T>> made = make_values(sender);
    if (!made.ok()) return made.status();
    for (size_t i = 0; i < made->size(); ++i) {
      items.push_back(std::make_unique<internal::OwnedItem<T>>(std::move((*made)[i])));
    }
    return items;
  };
  if (same) {
    spec.same = [this](const Item& sent, const Item& received) {
      return same(ItemOf<T>::Get(sent), ItemOf<T>::Get(received));
    };
  }
  if (read) spec.read = [this](const Item& item) { return read(ItemOf<T>::Get(item)); };
  return internal::CheckConformance(spec);
}

}  // namespace slabpipe::codec_testing

#endif  // SLABPIPE_CODEC_TESTING_CONFORMANCE_H_
