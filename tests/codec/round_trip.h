// RoundTrip: two peers in one process, joined by a message. What every codec's test stands on.
//
//   class CloudCodecTest : public slabpipe::tests::RoundTrip {};
//
//   TEST_F(CloudCodecTest, KeepsThePoints) {
//     absl::StatusOr<Leased<Cloud>> got = Fetch(Cloud{"roof", {1, 2, 3}});     // main to worker
//     ASSERT_THAT(got, IsOk());
//     EXPECT_EQ((*got)->points.size(), 3u);
//   }
//   TEST_F(CloudCodecTest, RefusesAWrongSize) {
//     std::unique_ptr<Letter> letter = Write(Cloud{"roof", {1, 2, 3}});
//     letter->table().getRefs()[0].setContentSize(7);                          // a bad peer
//     EXPECT_THAT(worker_->Read(*letter), StatusIs(absl::StatusCode::kInvalidArgument));
//   }
//
// See codec/testing/loopback.h for letters and peers.

#ifndef SLABPIPE_TESTS_CODEC_ROUND_TRIP_H_
#define SLABPIPE_TESTS_CODEC_ROUND_TRIP_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/codec/testing/loopback.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::tests {

using ::slabpipe::codec_testing::Letter;
using ::slabpipe::codec_testing::Peer;

// What one Write cost its sender.
struct Cost {
  uint64_t copies = 0;
  uint64_t bytes_copied = 0;
  uint64_t slabs_opened = 0;

  friend bool operator==(const Cost&, const Cost&) = default;
};
inline std::ostream& operator<<(std::ostream& out, const Cost& cost) {
  return out << "{" << cost.copies << " copies, " << cost.bytes_copied << " bytes, "
             << cost.slabs_opened << " slabs}";
}

// The fixture. Values go from main to the worker unless the name says otherwise.
class RoundTrip : public ::testing::Test {
 protected:
  // A message that must be good.
  template <typename... T>
  std::unique_ptr<Letter> Write(const T&... values) {
    return WriteFrom(*main_, values...);
  }
  template <typename... T>
  std::unique_ptr<Letter> WriteFrom(Peer& from, const T&... values) {
    const ShmPoolStats before = from.pool().stats();
    absl::StatusOr<std::unique_ptr<Letter>> letter = from.Write(values...);
    const ShmPoolStats after = from.pool().stats();
    cost_ = {.copies = after.copies - before.copies,
             .bytes_copied = after.bytes_copied - before.bytes_copied,
             .slabs_opened = after.slabs_opened - before.slabs_opened};
    EXPECT_THAT(letter, IsOk());
    return letter.ok() ? *std::move(letter) : EmptyLetter();
  }
  // Through a message and back into an object.
  template <typename T>
  absl::StatusOr<Object> Send(const T& value) {
    return SendFrom(*main_, *worker_, value);
  }
  template <typename T>
  absl::StatusOr<Object> SendFrom(Peer& from, Peer& to, const T& value) {
    return to.Read(*WriteFrom(from, value));
  }
  // And from there into a T again.
  template <typename T>
  absl::StatusOr<Decoded<T>> Fetch(const T& value) {
    return FetchAs<T>(value);
  }
  template <typename As, typename T>
  absl::StatusOr<Decoded<As>> FetchAs(const T& value) {
    absl::StatusOr<Object> object = Send(value);
    if (!object.ok()) return object.status();
    return FromObject<As>(*object);
  }
  // What the worker says of `value`'s message when `corrupt(letter)` has been at it.
  template <typename T, typename Corrupt>
  absl::Status ReadCorrupted(const T& value, Corrupt corrupt) {
    std::unique_ptr<Letter> letter = Write(value);
    corrupt(*letter);
    return worker_->Read(*letter).status();
  }
  // What Prepare or Encode says of a value that can't be sent.
  template <typename T>
  absl::Status WriteFails(const T& value) {
    return main_->Write(value).status();
  }
  // A message back without values: the worker's leases that are over come home.
  void GiveBack() { EXPECT_THAT(main_->ReadAll(*WriteFrom(*worker_)), IsOk()); }
  // Two new peers, which have never met.
  void Restart() {
    main_ = std::make_unique<Peer>("m.", "w.", BuiltInCodecs());
    worker_ = std::make_unique<Peer>("w.", "m.", BuiltInCodecs());
  }
  // The codec goes to both.
  template <typename SomeCodec>
  void Register() {
    for (Peer* peer : {main_.get(), worker_.get()}) {
      ASSERT_THAT(peer->registry().Add(std::make_unique<SomeCodec>()), IsOk());
    }
  }

  std::unique_ptr<Peer> main_ = std::make_unique<Peer>("m.", "w.", BuiltInCodecs());
  std::unique_ptr<Peer> worker_ = std::make_unique<Peer>("w.", "m.", BuiltInCodecs());
  Cost cost_;  // of the last message written

 private:
  static std::unique_ptr<Letter> EmptyLetter() {
    auto letter = std::make_unique<Letter>();
    letter->message.initRoot<schemas::Message>().initRequest().initArguments(1);
    return letter;
  }
  Watchdog watchdog_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_CODEC_ROUND_TRIP_H_
