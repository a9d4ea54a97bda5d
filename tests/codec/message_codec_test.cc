#include "slabpipe/codec/message_codec.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "slabpipe/codec/codec_limits.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/record.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/codec/test_arrays.h"
#include "slabpipe/tests/workers/values.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::NaiveElements;
using ::slabpipe::tests::Peer;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto kDataLoss = absl::StatusCode::kDataLoss;
const auto kInvalid = absl::StatusCode::kInvalidArgument;

class MessageCodecTest : public tests::RoundTrip {
 protected:
  const std::vector<double> numbers_ = {1, 2, 3, 4, 5};

  // `leaf` inside `count` lists.
  static Object InLists(int count, Object leaf) {
    for (int i = 0; i < count; ++i) {
      ObjectList list;
      list.items.push_back(std::move(leaf));
      leaf = Object::Make(std::move(list));
    }
    return leaf;
  }
  static Object InRecords(int count, Object leaf) {
    for (int i = 0; i < count; ++i) {
      DynamicRecord record = {.type_name = "R", .fields = {}};
      record.fields.emplace_back("f", std::move(leaf));
      leaf = Object::Make(std::move(record));
    }
    return leaf;
  }
};

TEST_F(MessageCodecTest, AllValuesOfAMessageShareOneSlabOfTheExactSize) {
  const std::string text(5000, 't');
  std::unique_ptr<Letter> letter = Write(numbers_, text, 7, std::vector<std::string>{text, "b"});
  EXPECT_EQ(letter->slab_bytes, 64u + 2 * AlignBlockSize(5000));
  EXPECT_EQ(AlignBlockSize(letter->used_slab_bytes()), letter->slab_bytes);
  EXPECT_EQ(cost_, (Cost{.copies = 3, .bytes_copied = 40 + 2 * 5000, .slabs_opened = 1}));
  EXPECT_EQ(letter->table().getSegments().size(), 1u);
  absl::StatusOr<std::vector<Object>> got = worker_->ReadAll(*letter);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(*FromObject<std::vector<double>>((*got)[0]), numbers_);
  EXPECT_EQ(*FromObject<std::string>((*got)[1]), text);
  EXPECT_EQ(*FromObject<int>((*got)[2]), 7);
  EXPECT_EQ(FromObject<std::vector<std::string>>((*got)[3])->front(), text);
}

TEST_F(MessageCodecTest, AMessageOfSmallValuesOpensNoSlab) {
  std::unique_ptr<Letter> letter = Write(1, std::string("two"), 3.0);
  EXPECT_EQ(cost_, Cost{});
  EXPECT_EQ(letter->table().getSegments().size(), 0u);
  EXPECT_THAT(letter->descriptors, IsEmpty());
  EXPECT_THAT(worker_->ReadAll(*letter), IsOk());
  EXPECT_EQ(main_->pool().stats().own.segments_created, 0u);
}

TEST_F(MessageCodecTest, EachCodecIsNamedOnceInTheOrderOfUse) {
  std::unique_ptr<Letter> letter = Write(std::vector<std::string>{"a", "b"}, numbers_, 7);
  std::vector<std::string> names;
  for (const auto name : letter->root().asReader().getCodecs()) names.push_back(name.cStr());
  EXPECT_THAT(names, ElementsAre("sequence", "value", "ndarray"));
  EXPECT_THAT(worker_->ReadAll(*letter), IsOk());
}

TEST_F(MessageCodecTest, ACodecsNameTravelsOncePerConnection) {
  for (Peer* peer : {main_.get(), worker_.get()}) peer->NameCodecsOnce();
  const auto names = [](Letter& letter) {
    std::vector<std::string> names;
    for (const auto name : letter.root().asReader().getCodecs()) names.push_back(name.cStr());
    return names;
  };
  std::unique_ptr<Letter> first = Write(numbers_);
  EXPECT_THAT(names(*first), ElementsAre("ndarray"));
  EXPECT_EQ(first->payload().getCodec(), 0);
  std::unique_ptr<Letter> second = Write(numbers_, 7);
  EXPECT_THAT(names(*second), ElementsAre("value")) << "the other is known";
  EXPECT_EQ(second->payload(0).getCodec(), 0);
  EXPECT_EQ(second->payload(1).getCodec(), 1);
  std::unique_ptr<Letter> third = Write(8, numbers_);
  EXPECT_THAT(names(*third), IsEmpty());
  EXPECT_EQ(third->payload(0).getCodec(), 1) << "numbers stay";
  for (Letter* letter : {first.get(), second.get(), third.get()}) {
    EXPECT_THAT(worker_->ReadAll(*letter), IsOk());
  }
  std::unique_ptr<Letter> back = WriteFrom(*worker_, 9);
  EXPECT_THAT(names(*back), ElementsAre("value")) << "each side names its own";
  EXPECT_EQ(back->payload().getCodec(), 0);
  EXPECT_THAT(main_->ReadAll(*back), IsOk());
}

TEST_F(MessageCodecTest, ACodecIsNamedAgainIfTheMessageThatNamedItWasNotSent) {
  std::vector<const Codec*> known;
  // The names that a message with `value` brings; it is sent, or given up after so many steps.
  const auto names = [&](const auto& value, int steps) {
    MessageEncoder encoder(main_->registry(), main_->pool(), &known);
    EXPECT_THAT(encoder.Prepare(value), IsOk());
    EXPECT_THAT(encoder.OpenSlab(), IsOk());
    capnp::MallocMessageBuilder message, table;
    EXPECT_THAT(encoder.Encode(value, message.initRoot<schemas::Payload>()), IsOk());
    std::vector<int> descriptors;
    if (steps > 0) {
      encoder.Finish([&] { return table.initRoot<schemas::MemoryTable>(); }, descriptors);
    }
    std::vector<std::string> names = encoder.new_codec_names();
    if (steps > 1) encoder.Commit();
    return names;
  };
  EXPECT_THAT(names(7, 2), ElementsAre("value"));
  for (const int steps : {0, 1}) {
    EXPECT_THAT(names(std::vector<std::string>{"a"}, steps), ElementsAre("sequence")) << steps;
    EXPECT_EQ(known.size(), 1u) << "it has no number yet";
  }
  EXPECT_THAT(names(numbers_, 2), ElementsAre("ndarray")) << "which gets the number now";
  EXPECT_THAT(names(std::vector<std::string>{"a"}, 2), ElementsAre("sequence"));
  EXPECT_THAT(names(std::vector<std::string>{"a"}, 2), IsEmpty());
  EXPECT_EQ(known.size(), 3u);
}

TEST_F(MessageCodecTest, ASenderUsesNoMoreCodecsThanAReceiverTakes) {
  const Codec* other = *main_->registry().Find("value");
  std::vector<const Codec*> known(kMaxCodecs - 1, other);
  const auto encode = [&](const auto& value) {
    MessageEncoder encoder(main_->registry(), main_->pool(), &known);
    EXPECT_THAT(encoder.Prepare(value), IsOk());
    EXPECT_THAT(encoder.OpenSlab(), IsOk());
    capnp::MallocMessageBuilder message;
    absl::Status status = encoder.Encode(value, message.initRoot<schemas::Payload>());
    if (status.ok()) encoder.Commit();
    return status;
  };
  EXPECT_THAT(encode(numbers_), IsOk()) << "the last one";
  EXPECT_THAT(encode(std::vector<std::string>{"a"}),
              StatusIs(kInvalid, HasSubstr("at most 4096 codecs")));
  EXPECT_THAT(encode(numbers_), IsOk()) << "those that are known go on";
  EXPECT_EQ(known.size(), kMaxCodecs);
}

TEST_F(MessageCodecTest, AReceiverTakesNoMoreCodecsThanTheLimit) {
  PeerCodecs codecs;
  for (size_t i = 0; i < kMaxCodecs; ++i) {
    ASSERT_THAT(codecs.Add(worker_->registry(), "value"), IsOk());
  }
  EXPECT_THAT(codecs.Add(worker_->registry(), "value"),
              StatusIs(kDataLoss, HasSubstr("more than 4096 codecs")));
}

// A name is kept as long as the connection: long ones would add up.
TEST_F(MessageCodecTest, ANameThatNoCodecMayHaveIsRefused) {
  PeerCodecs codecs;
  EXPECT_THAT(codecs.Add(worker_->registry(), std::string(kMaxCodecNameBytes, 'n')), IsOk());
  EXPECT_THAT(codecs.Add(worker_->registry(), std::string(kMaxCodecNameBytes + 1, 'n')),
              StatusIs(kDataLoss, HasSubstr("a codec's name has 1 to 255 bytes, not 256")));
  EXPECT_THAT(codecs.Add(worker_->registry(), ""), StatusIs(kDataLoss));
}

TEST_F(MessageCodecTest, ACodecThatIsRegisteredAfterItWasNamedIsUsedFromThenOn) {
  for (Peer* peer : {main_.get(), worker_.get()}) peer->NameCodecsOnce();
  ASSERT_THAT(main_->registry().Add(std::make_unique<tests::CloudCodec>()), IsOk());
  const std::vector<float> points = {1, 2, 3};
  const tests::Cloud cloud = {.sensor = "roof", .points = points};
  EXPECT_THAT(Send(cloud), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("which is not registered here")));
  ASSERT_THAT(worker_->registry().Add(std::make_unique<tests::CloudCodec>()), IsOk());
  EXPECT_THAT(Send(cloud), IsOk());
}

TEST_F(MessageCodecTest, I1ClearingThePoolDropsPinsNeverLeases) {
  absl::StatusOr<Object> object = Send(numbers_);
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(worker_->pool().stats().pins, 0u);
  EXPECT_EQ(worker_->pool().stats().peer.leases, 1u);
  EXPECT_EQ(*FromObject<std::vector<double>>(*object), numbers_);
  *object = Object();
  EXPECT_EQ(worker_->pool().stats().peer.leases, 0u);
}

TEST_F(MessageCodecTest, I2ADecodedObjectOutlivesBothPools) {
  absl::StatusOr<Object> object = Send(numbers_);
  ASSERT_THAT(object, IsOk());
  const auto array = *FromObject<NdArray<const double>>(*object);
  main_.reset();
  worker_.reset();
  EXPECT_EQ(array.ToVector(), numbers_);
  EXPECT_EQ(*FromObject<std::vector<double>>(*object), numbers_);
}

TEST_F(MessageCodecTest, I2ADecodedObjectDoesNotChangeWhateverIsSentAfterIt) {
  absl::StatusOr<Object> object = Send(numbers_);
  ASSERT_THAT(object, IsOk());
  for (int i = 0; i < 50; ++i) {
    ASSERT_THAT(Fetch(std::vector<double>(5, 100.0 + i)), IsOk());
    GiveBack();
    EXPECT_EQ(*FromObject<std::vector<double>>(*object), numbers_);
  }
}

TEST_F(MessageCodecTest, I4EqualMessagesInARowCreateNoSegments) {
  const std::vector<double> numbers(10'000, 1.5);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(*Fetch(numbers), numbers);
    GiveBack();
  }
  EXPECT_EQ(main_->pool().stats().own.segments_created, 1u);
  EXPECT_EQ(worker_->pool().stats().peer.segments_mapped, 1u);
}

TEST_F(MessageCodecTest, AMessageThatIsNotSentGivesItsMemoryBack) {
  for (int i = 0; i < 3; ++i) {
    main_->pool().Clear();
    MessageEncoder encoder(main_->registry(), main_->pool());
    ASSERT_THAT(encoder.Prepare(numbers_), IsOk());
    ASSERT_THAT(encoder.OpenSlab(), IsOk());
    capnp::MallocMessageBuilder message;
    ASSERT_THAT(encoder.Encode(numbers_, message.initRoot<schemas::Payload>()), IsOk());
    capnp::MallocMessageBuilder table;
    std::vector<int> descriptors;
    encoder.Finish([&] { return table.initRoot<schemas::MemoryTable>(); }, descriptors);
    EXPECT_EQ(descriptors.size(), 1u) << "the peer has never got it";
    EXPECT_EQ(main_->pool().stats().own.grants_out, 1u);
  }
  EXPECT_EQ(main_->pool().stats().own.grants_out, 0u);
  EXPECT_EQ(main_->pool().stats().own.segments_created, 1u);
}

TEST_F(MessageCodecTest, AnEncoderThatIsGivenUpHalfwayLeavesNoSlabOpen) {
  {
    MessageEncoder encoder(main_->registry(), main_->pool());
    ASSERT_THAT(encoder.Prepare(numbers_), IsOk());
    ASSERT_THAT(encoder.OpenSlab(), IsOk());
  }
  EXPECT_THAT(main_->pool().OpenSlab(100), IsOk());
}

TEST_F(MessageCodecTest, WhatWasNotPreparedIsNotEncoded) {
  MessageEncoder encoder(main_->registry(), main_->pool());
  ASSERT_THAT(encoder.Prepare(numbers_), IsOk());
  ASSERT_THAT(encoder.OpenSlab(), IsOk());
  capnp::MallocMessageBuilder message;
  auto payload = message.initRoot<schemas::Payload>();
  EXPECT_THAT(encoder.Encode(7, payload), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(encoder.Encode(numbers_, payload), IsOk());
  EXPECT_THAT(
      encoder.Encode(numbers_, payload),
      StatusIs(absl::StatusCode::kInternal, AllOf(HasSubstr("value 1"), HasSubstr("AnyNdArray"))));
}

// Depth.

TEST_F(MessageCodecTest, ValuesAreNestedSoDeepAndNoDeeperOnTheSendersSide) {
  const Object leaf = Object::Make(Value(7));
  EXPECT_THAT(Send(InLists(kMaxValueDepth - 1, leaf)), IsOk());
  EXPECT_THAT(WriteFails(InLists(kMaxValueDepth, leaf)),
              StatusIs(kInvalid, HasSubstr("nested more than 64 deep")));
  EXPECT_THAT(WriteFails(InRecords(kMaxValueDepth, leaf)),
              StatusIs(kInvalid, HasSubstr("nested more than 64 deep")));
}

TEST_F(MessageCodecTest, RecordsAreNestedAsDeepAsTheSenderMay) {
  EXPECT_THAT(Send(InRecords(kMaxValueDepth - 1, Object::Make(Value(7)))), IsOk());
}

TEST_F(MessageCodecTest, AValueOfFullDepthMayLieInRecordsOfFullDepth) {
  Value deep = 1;
  for (int i = 0; i < kMaxValueDepth; ++i) deep = ValueMap{{"k", deep}};
  EXPECT_THAT(Send(InRecords(kMaxValueDepth - 1, Object::Make(deep))), IsOk());
}

TEST_F(MessageCodecTest, ValuesAreNestedNoDeeperOnTheReceiversSide) {
  for (const int depth : {kMaxValueDepth, 2 * kMaxValueDepth, 10'000}) {
    const absl::Status status =
        ReadCorrupted(std::vector<std::string>{"leaf"}, [&](Letter& letter) {
          auto payload = letter.metadata<schemas::Sequence>().getItems()[0];
          for (int i = 1; i < depth; ++i) {
            payload.setCodec(0);
            payload = payload.getMetadata().initAs<schemas::Sequence>().initItems(1)[0];
          }
          payload.setCodec(1);
        });
    EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr("nested more than 64 deep")));
  }
}

TEST_F(MessageCodecTest, TheDepthIsCountedAnewForEachValue) {
  const Object deepest = InLists(kMaxValueDepth - 1, Object::Make(Value(7)));
  std::unique_ptr<Letter> letter = Write(deepest, deepest, deepest);
  EXPECT_THAT(worker_->ReadAll(*letter), IsOk());
}

// The payload, field by field.

TEST_F(MessageCodecTest, ACodecThatThePeerHasNotNamedIsRefused) {
  for (const uint16_t index : {1, 2, 65535}) {
    EXPECT_THAT(ReadCorrupted(numbers_, [&](Letter& letter) { letter.payload().setCodec(index); }),
                StatusIs(kDataLoss, absl::StrCat("a payload has codec ", index,
                                                 " of 1 that the peer has named")));
  }
  EXPECT_THAT(ReadCorrupted(numbers_, [](Letter& letter) { letter.root().initCodecs(0); }),
              StatusIs(kDataLoss));
}

TEST_F(MessageCodecTest, ACodecThatIsNotRegisteredIsRefused) {
  for (const std::string& name : {std::string("pickle"), std::string("ndarray\0", 8),
                                  std::string(255, 'n'), std::string("\xff")}) {
    EXPECT_THAT(
        ReadCorrupted(numbers_,
                      [&](Letter& letter) {
                        letter.root().getCodecs().set(0, {name.c_str(), name.size()});
                      }),
        StatusIs(absl::StatusCode::kFailedPrecondition,
                 HasSubstr("ndarray, record, sequence, map, variant, dataset, table, column, "
                           "handle, value")));
  }
  for (const std::string& name : {std::string(""), std::string(100'000, 'n')}) {
    EXPECT_THAT(ReadCorrupted(numbers_,
                              [&](Letter& letter) {
                                letter.root().getCodecs().set(0, {name.c_str(), name.size()});
                              }),
                StatusIs(kDataLoss, HasSubstr("1 to 255 bytes")));
  }
}

TEST_F(MessageCodecTest, RefsThatTheMessageDoesNotHaveAreRefused) {
  for (const uint32_t first : {1u, 2u, 1u << 31, std::numeric_limits<uint32_t>::max()}) {
    EXPECT_THAT(
        ReadCorrupted(numbers_, [&](Letter& letter) { letter.payload().setFirstRef(first); }),
        StatusIs(kDataLoss, HasSubstr(absl::StrCat("references ", first, " to ", first, " of 1"))))
        << first;
  }
  EXPECT_THAT(ReadCorrupted(numbers_,
                            [](Letter& letter) {
                              letter.payload().setFirstRef(std::numeric_limits<uint32_t>::max());
                              letter.payload().setRefCount(2);
                            }),
              StatusIs(kDataLoss, HasSubstr("references 4294967295 to 4294967296 of 1")))
      << "the sum overflows 32 bits";
  EXPECT_THAT(ReadCorrupted(numbers_, [](Letter& letter) { letter.payload().setRefCount(2); }),
              StatusIs(kDataLoss, HasSubstr("references 0 to 1 of 1")));
}

TEST_F(MessageCodecTest, OnePayloadThatClaimsFarTooManyRefsIsRefusedAtOnce) {
  EXPECT_THAT(ReadCorrupted(numbers_, [](Letter& letter) { letter.payload().setRefCount(65535); }),
              StatusIs(kDataLoss, HasSubstr("claim more blocks than it has")));
}

TEST_F(MessageCodecTest, ManyPayloadsThatClaimTheSameRefsAreRefused) {
  EXPECT_THAT(ReadCorrupted(std::vector<std::vector<double>>(100, numbers_),
                            [](Letter& letter) {
                              auto refs = letter.table().disownRefs();
                              letter.table().initRefs(1).setWithCaveats(0,
                                                                        refs.get()[0].asReader());
                              for (auto item : letter.metadata<schemas::Sequence>().getItems()) {
                                item.setFirstRef(0);
                              }
                            }),
              StatusIs(kDataLoss, HasSubstr("claim more blocks than it has")));
}

TEST_F(MessageCodecTest, MorePayloadsThanTheMessageHasRoomForAreRefused) {
  // Payloads of no size: few bytes to send, each an empty list to the receiver.
  EXPECT_THAT(
      ReadCorrupted(
          std::vector<std::string>{"a"},
          [](Letter& letter) {
            letter.metadata<capnp::AnyStruct>().getPointerSection()[0].initAsListOfAnyStruct(0, 0,
                                                                                             5000);
          }),
      StatusIs(kDataLoss, HasSubstr("more payloads, or parts of them, than room for such")));
}

TEST_F(MessageCodecTest, TheRefsThatABlockTravelsAsAreChecked) {
  const auto attack = [&](auto change) {
    return ReadCorrupted(numbers_, [&](Letter& letter) { change(letter.table().getRefs()[0]); });
  };
  using Ref = schemas::ShmRef::Builder;
  EXPECT_THAT(attack([](Ref ref) { ref.setSegment(1); }), StatusIs(kDataLoss));
  EXPECT_THAT(attack([](Ref ref) { ref.setOffsetUnits(1u << 14); }),
              StatusIs(kDataLoss, HasSubstr("offset")));
  EXPECT_THAT(attack([](Ref ref) { ref.setOffsetUnits(0xffffffff); }),
              StatusIs(kDataLoss, HasSubstr("offset")));
  EXPECT_THAT(attack([](Ref ref) { ref.setSize(uint64_t{1} << 40); }),
              StatusIs(kDataLoss, HasSubstr("size")));
  EXPECT_THAT(attack([](Ref ref) { ref.setSize(0); }), StatusIs(kDataLoss, HasSubstr("size")));
  EXPECT_THAT(attack([](Ref ref) { ref.setContentSize(41); }),
              StatusIs(kDataLoss, HasSubstr("content_size")));
}

TEST_F(MessageCodecTest, APayloadWithoutAnythingIsRefusedOrNothing) {
  std::unique_ptr<Letter> letter = Write(7);
  letter->root().getRequest().getArguments()[0].initPayload();
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_TRUE(object->get<Value>()->is_nothing());
}

// Everything that the built-in codecs write.
struct All {
  NdArray<const double> array;
  std::vector<std::string> texts;
  Dataset dataset;
  Value value;
  static constexpr auto SlabpipeFields() {
    return Fields("test.All", Field("array", &All::array), Field("texts", &All::texts),
                  Field("dataset", &All::dataset), Field("value", &All::value));
  }
};

All MakeAll() {
  All all;
  const NdArray<double> array = *NdArray<double>::Create({3, 4});
  all.array = *array.Slice(0, 2, -1, -2);
  all.texts = {"a", std::string(5000, 'b')};
  all.value = ValueMap{{"list", ValueList{1, 2.5, "c"}}, {"bytes", Bytes{std::string(5000, 'd')}}};
  DatasetGroup& group = all.dataset.AddGroup("g");
  EXPECT_THAT(group.AddCoordinate("y", Labels{"p", "q", "r", "s"}), IsOk());
  EXPECT_THAT(group.AddVariable("v", {"x", "y"}, array, {{"unit", "m"}}), IsOk());
  all.dataset.attributes().Set("seed", 7);
  return all;
}

// Looks at every byte that an object leads to, so that a bad one shows.
size_t Touch(const Object& object);
size_t Touch(const Dataset& dataset) {
  size_t bytes = dataset.ToText().size();
  for (const DatasetGroup& group : dataset.groups()) {
    for (const auto* variables : {&group.coordinates(), &group.variables()}) {
      for (const DatasetVariable& variable : *variables) {
        if (variable.array() != nullptr) bytes += NaiveElements(*variable.array()).size();
      }
    }
  }
  return bytes;
}
size_t Touch(const Object& object) {
  size_t bytes = 1;
  if (const auto* array = object.get<AnyNdArray>()) bytes += NaiveElements(*array).size();
  if (const auto* value = object.get<Value>()) bytes += value->DebugString().size();
  if (const auto* dataset = object.get<Dataset>()) bytes += Touch(*dataset);
  if (const auto* list = object.get<ObjectList>()) {
    for (const Object& item : list->items) bytes += Touch(item);
  }
  if (const auto* record = object.get<DynamicRecord>()) {
    for (const auto& [name, field] : record->fields) bytes += Touch(field);
  }
  return bytes;
}

TEST_F(MessageCodecTest, I5APayloadUnderAnotherCodecsNameDoesNoHarm) {
  for (const std::string& name : main_->registry().names()) {
    std::unique_ptr<Letter> letter = Write(MakeAll());
    for (unsigned i = 0; i < letter->root().getCodecs().size(); ++i) {
      letter->root().getCodecs().set(i, name.c_str());
    }
    absl::StatusOr<Object> object = worker_->Read(*letter);
    if (object.ok()) {
      EXPECT_GT(Touch(*object), 0u);
      EXPECT_FALSE(FromObject<All>(*object).ok()) << name;
    }
  }
}

TEST_F(MessageCodecTest, I5AMessageWithAnyBitChangedDoesNoHarm) {
  std::mt19937 random(5);
  int decoded = 0, refused = 0;
  for (int round = 0; round < 3000; ++round) {
    if (round % 100 == 0) Restart();
    std::unique_ptr<Letter> letter = Write(MakeAll());
    auto words = capnp::messageToFlatArray(letter->message);
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) {
      // The first word frames the message.
      const size_t at = 1 + random() % (words.size() - 1);
      uint64_t word;
      memcpy(&word, &words[at], sizeof(word));
      word ^= random() % 4 == 0 ? uint64_t{random()} << (random() % 64)
                                : uint64_t{1} << (random() % 64);
      memcpy(words.asBytes().begin() + at * sizeof(word), &word, sizeof(word));
    }
    absl::StatusOr<std::vector<Object>> objects =
        worker_->ReadWords(kj::mv(words), std::move(letter->descriptors));
    ++(objects.ok() ? decoded : refused);
    if (!objects.ok()) continue;
    for (const Object& object : *objects) EXPECT_GT(Touch(object), 0u);
  }
  EXPECT_GT(decoded, 100) << "most of a message is data";
  EXPECT_GT(refused, 100) << "and the rest is checked";
}

// Few bytes of message that name one block again and again.
TEST_F(MessageCodecTest, I5ABlockIsNotCopiedAsOftenAsAPeerLikes) {
  std::vector<NdArray<double>> arrays = {*NdArray<double>::Create({100'000})};
  std::vector<std::string> texts = {std::string(800'000, 't')};
  for (int i = 0; i < 8; ++i) {
    arrays.push_back(*NdArray<double>::Create({1}));
    texts.emplace_back(5000, 'u');
  }
  const auto name_the_first = [](Letter& letter, bool temporary) {
    for (auto item : letter.metadata<schemas::Sequence>().getItems()) item.setFirstRef(0);
    letter.table().getRefs()[0].setTemporary(temporary);
  };
  const auto refused = StatusIs(kDataLoss, HasSubstr("asks for more than twice that to be copied"));
  EXPECT_THAT(ReadCorrupted(arrays, [&](Letter& letter) { name_the_first(letter, true); }),
              refused);
  EXPECT_THAT(ReadCorrupted(texts, [&](Letter& letter) { name_the_first(letter, true); }), refused);
  EXPECT_THAT(ReadCorrupted(texts, [&](Letter& letter) { name_the_first(letter, false); }),
              refused);
  // What is not copied may be named so often.
  EXPECT_THAT(ReadCorrupted(arrays, [&](Letter& letter) { name_the_first(letter, false); }),
              IsOk());
}

// Each pointer of a message, made to point to each place of it: among them those that close a
// cycle, in which lists are in lists without end.
TEST_F(MessageCodecTest, I5PointersThatLeadInCyclesEnd) {
  std::unique_ptr<Letter> letter =
      Write(std::vector<std::vector<std::vector<std::string>>>{{{"a"}}});
  const kj::Array<capnp::word> good = capnp::messageToFlatArray(letter->message);
  int cycles = 0;
  for (size_t at = 1; at < good.size(); ++at) {
    uint64_t pointer;
    std::memcpy(&pointer, &good[at], sizeof(pointer));
    if (pointer == 0 || (pointer & 3) > 1) continue;  // neither a struct nor a list
    for (size_t to = 1; to < good.size(); ++to) {
      const auto offset = static_cast<int32_t>(to) - static_cast<int32_t>(at) - 1;
      const uint64_t redirected =
          (pointer & 0xffffffff00000003) | (static_cast<uint32_t>(offset) << 2);
      kj::Array<capnp::word> bad = kj::heapArray<capnp::word>(good.asPtr());
      std::memcpy(bad.asBytes().begin() + 8 * at, &redirected, sizeof(redirected));
      const auto read = worker_->ReadWords(bad, {});
      if (read.ok()) continue;
      EXPECT_FALSE(read.status().message().empty());
      const std::vector<std::string> levels =
          absl::StrSplit(read.status().message(), "sequence: item 0: ");
      cycles += levels.size() > 4 ? 1 : 0;  // there are three lists
    }
  }
  EXPECT_GT(cycles, 0) << "no cycle was among them";
}

}  // namespace
}  // namespace slabpipe
