#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "slabpipe/codec/map_codec.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/variant_codec.h"
#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::IsOkAndHolds;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

class CompositeTest : public tests::RoundTrip {
 protected:
  absl::Status AttackMap(std::function<void(schemas::Map::Builder)> corrupt) {
    return ReadCorrupted(std::map<std::string, int>{{"a", 1}, {"b", 2}},
                         [&](Letter& letter) { corrupt(letter.metadata<schemas::Map>()); });
  }
};

enum class Colour : uint8_t { kRed = 1, kGreen = 200 };
enum Plain { kNegative = -5, kPositive = 7 };

TEST_F(CompositeTest, EnumsAreTheirNumbers) {
  EXPECT_THAT(Fetch(Colour::kGreen), IsOkAndHolds(Colour::kGreen));
  EXPECT_THAT(Fetch(kNegative), IsOkAndHolds(kNegative));
  EXPECT_THAT(FetchAs<int>(Colour::kGreen), IsOkAndHolds(200));
  EXPECT_THAT(FetchAs<Colour>(256), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(Fetch(std::vector<Colour>{Colour::kRed}), IsOkAndHolds(ElementsAre(Colour::kRed)));
}

TEST_F(CompositeTest, ArraysOfAKnownSizeAreOneArray) {
  EXPECT_THAT(Fetch(std::array<double, 3>{1, 2, 3}), IsOkAndHolds(ElementsAre(1, 2, 3)));
  EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = 24, .slabs_opened = 1}));
  EXPECT_THAT((FetchAs<std::array<double, 2>>(std::vector<double>{1, 2, 3})),
              StatusIs(kInvalid, "it is an array of 3, wanted one of 2"));
  EXPECT_THAT(Fetch(std::array<std::string, 2>{"a", "b"}), IsOkAndHolds(ElementsAre("a", "b")));
  EXPECT_THAT((FetchAs<std::array<std::string, 3>>(std::vector<std::string>{"a"})),
              StatusIs(kInvalid, "it is a list of 1, wanted one of 3"));
  EXPECT_THAT(Fetch(std::array<bool, 2>{true, false}), IsOkAndHolds(ElementsAre(true, false)));
  EXPECT_THAT(Fetch(std::array<int, 0>{}), IsOkAndHolds(IsEmpty()));
}

TEST_F(CompositeTest, TextsOfEveryKindAreSent) {
  EXPECT_THAT(FetchAs<std::string>("literal"), IsOkAndHolds("literal"));
  EXPECT_THAT(FetchAs<std::string>(absl::string_view("view")), IsOkAndHolds("view"));
  EXPECT_THAT(FetchAs<std::string>(std::string_view("standard")), IsOkAndHolds("standard"));
  const char* pointer = "pointer";
  EXPECT_THAT(FetchAs<std::string>(pointer), IsOkAndHolds("pointer"));
  EXPECT_THAT(WriteFails(static_cast<const char*>(nullptr)),
              StatusIs(kInvalid, HasSubstr("null pointer")));
}

TEST_F(CompositeTest, ASpanIsSentLikeTheArrayItShows) {
  const std::vector<int> numbers = {1, 2, 3};
  EXPECT_THAT(FetchAs<std::vector<int>>(absl::MakeConstSpan(numbers)),
              IsOkAndHolds(ElementsAre(1, 2, 3)));
  std::vector<int> writable = {4};
  EXPECT_THAT(FetchAs<std::vector<int>>(absl::MakeSpan(writable)), IsOkAndHolds(ElementsAre(4)));
}

TEST_F(CompositeTest, TuplesKeepTheTypesOfTheirItems) {
  using Mixed = std::tuple<int, std::string, std::vector<double>, std::pair<bool, Colour>>;
  const Mixed mixed = {7, "seven", {0.5}, {true, Colour::kRed}};
  EXPECT_THAT(Fetch(mixed), IsOkAndHolds(mixed));
  EXPECT_THAT((FetchAs<std::tuple<int, int>>(std::pair<int, std::string>(1, "x"))),
              StatusIs(kInvalid, "item 1: it is a text, wanted an integer"));
  EXPECT_THAT((FetchAs<std::tuple<int>>(std::pair(1, 2))),
              StatusIs(kInvalid, "it is a list of 2, wanted one of 1"));
}

TEST_F(CompositeTest, MapsOfEveryKindComeBack) {
  const std::map<std::string, int> ordered = {{"b", 2}, {"a", 1}, {"", 0}};
  EXPECT_THAT(Fetch(ordered), IsOkAndHolds(ordered));
  EXPECT_THAT((FetchAs<std::unordered_map<std::string, int>>(ordered)),
              IsOkAndHolds(UnorderedElementsAre(Pair("b", 2), Pair("a", 1), Pair("", 0))));
  const absl::flat_hash_map<int64_t, std::string> hashed = {{-1, "low"}, {1, "high"}};
  EXPECT_THAT(Fetch(hashed), IsOkAndHolds(hashed));
  const absl::btree_map<Colour, std::vector<double>> tree = {{Colour::kRed, {1, 2}}};
  EXPECT_THAT(Fetch(tree), IsOkAndHolds(tree));
  const std::map<bool, std::map<uint64_t, std::optional<int>>> nested = {
      {true, {{std::numeric_limits<uint64_t>::max(), 3}, {0, std::nullopt}}}, {false, {}}};
  EXPECT_THAT(Fetch(nested), IsOkAndHolds(nested));
  EXPECT_THAT(Fetch(std::map<std::string, int>()), IsOkAndHolds(IsEmpty()));
}

TEST_F(CompositeTest, AMapOfArraysInSharedMemoryIsSentWithoutACopy) {
  NdArray<double> array = *NewSharedArray<double>(main_->pool(), {100});
  array(99) = 0.5;
  const std::map<std::string, NdArray<const double>> arrays = {{"x", array}, {"y", array}};
  absl::StatusOr<std::map<std::string, NdArray<const double>>> got = Fetch(arrays);
  EXPECT_EQ(cost_, Cost{});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->at("y")(99), 0.5);
}

TEST_F(CompositeTest, AMapNamesTheEntryThatIsWrong) {
  EXPECT_THAT((FetchAs<std::map<std::string, int>>(std::map<std::string, std::string>{{"k", "v"}})),
              StatusIs(kInvalid, "at \"k\": it is a text, wanted an integer"));
  EXPECT_THAT((FetchAs<std::map<int, int>>(std::map<std::string, int>{{"k", 1}})),
              StatusIs(kInvalid, "a key of a map: it is a text, wanted an integer"));
  EXPECT_THAT((FetchAs<std::map<int, int>>(std::vector<int>{1})),
              StatusIs(kInvalid, HasSubstr("wanted a map")));
  EXPECT_THAT(WriteFails(std::map<std::string, std::string>{{"k", "\xff"}}),
              StatusIs(kInvalid, AllOf(HasSubstr("at \"k\""), HasSubstr("UTF-8"))));
  EXPECT_THAT(WriteFails(std::map<std::string, int>{{"\xff", 1}}),
              StatusIs(kInvalid, AllOf(HasSubstr("a key"), HasSubstr("UTF-8"))));
}

// The metadata of a map, field by field.
TEST_F(CompositeTest, AKeyThatComesTwiceIsRefused) {
  EXPECT_THAT(
      AttackMap([](schemas::Map::Builder map) { map.getEntries()[1].getKey().setText("a"); }),
      StatusIs(kInvalid, "map: the key \"a\" is there twice"));
  // A number is the same whether it is said signed or unsigned.
  EXPECT_THAT(AttackMap([](schemas::Map::Builder map) {
                map.getEntries()[0].getKey().setSigned(5);
                map.getEntries()[1].getKey().setUnsigned(5);
              }),
              StatusIs(kInvalid, "map: the key 5 is there twice"));
}

TEST_F(CompositeTest, KeysOfDifferentKindsDiffer) {
  EXPECT_THAT(AttackMap([](schemas::Map::Builder map) {
                map.getEntries()[0].getKey().setText("1");
                map.getEntries()[1].getKey().setSigned(1);
              }),
              IsOk());
}

TEST_F(CompositeTest, AKeyThatIsNoneIsRefused) {
  using Corrupt = std::function<void(schemas::Value::Builder)>;
  for (const Corrupt& corrupt :
       {Corrupt([](schemas::Value::Builder key) { key.setNothing(); }),
        Corrupt([](schemas::Value::Builder key) { key.setReal(1); }),
        Corrupt([](schemas::Value::Builder key) { key.initList(1); }),
        Corrupt([](schemas::Value::Builder key) { key.initMap(0); }),
        Corrupt([](schemas::Value::Builder key) { key.setText("\xff"); }),
        Corrupt([](schemas::Value::Builder key) { key.setTextBlock(0); })}) {
    EXPECT_THAT(
        AttackMap([&](schemas::Map::Builder map) { corrupt(map.getEntries()[1].getKey()); }),
        StatusIs(kInvalid, HasSubstr("map: a key")));
  }
}

TEST_F(CompositeTest, AMalformedEntryIsNamed) {
  EXPECT_THAT(
      AttackMap([](schemas::Map::Builder map) {
        map.getEntries()[1].getPayload().getMetadata().getAs<schemas::Value>().setText("\xff");
      }),
      StatusIs(kInvalid, "map: at \"b\": value: a text is not UTF-8"));
}

using Choice = std::variant<std::monostate, int, std::string, std::vector<double>>;

TEST_F(CompositeTest, EachAlternativeOfAVariantComesBack) {
  for (const Choice& choice : std::vector<Choice>{{}, 7, "seven", std::vector<double>{7}}) {
    EXPECT_THAT(Fetch(choice), IsOkAndHolds(choice)) << choice.index();
  }
  // Alternatives of one type are told apart by their place.
  using Same = std::variant<double, double>;
  EXPECT_EQ(Fetch(Same(std::in_place_index<1>, 2.5))->index(), 1u);
}

TEST_F(CompositeTest, AnAlternativeThatIsNotThereIsAnErrorNotAGuess) {
  EXPECT_THAT((FetchAs<std::variant<std::monostate, int>>(Choice("seven"))),
              StatusIs(kInvalid, HasSubstr("alternative 2 of a variant that has 2 here")));
  EXPECT_THAT((FetchAs<std::variant<int, int>>(Choice("seven"))),
              StatusIs(kInvalid, HasSubstr("alternative 2")));
  EXPECT_THAT((FetchAs<std::variant<int, int, int>>(Choice("seven"))),
              StatusIs(kInvalid, "alternative 2: it is a text, wanted an integer"));
  EXPECT_THAT(FetchAs<Choice>(7), StatusIs(kInvalid, "it is an integer, wanted a variant"));
  EXPECT_THAT(FetchAs<int>(Choice(7)),
              StatusIs(kInvalid, "it is alternative 1 of a variant, wanted an integer"));
}

TEST_F(CompositeTest, AVariantsMetadataIsCheckedFieldByField) {
  absl::StatusOr<Object> got = absl::UnknownError("");
  std::unique_ptr<Letter> letter = Write(Choice(7));
  letter->metadata<schemas::Variant>().setAlternative(65535);
  got = worker_->Read(*letter);
  ASSERT_THAT(got, IsOk()) << "how many there are only the type says";
  EXPECT_THAT(FromObject<Choice>(*got), StatusIs(kInvalid, HasSubstr("alternative 65535")));
  EXPECT_THAT(ReadCorrupted(Choice("seven"),
                            [](Letter& sent) {
                              sent.metadata<schemas::Variant>()
                                  .getPayload()
                                  .getMetadata()
                                  .getAs<schemas::Value>()
                                  .setText("\xff");
                            }),
              StatusIs(kInvalid, "variant: alternative 2: value: a text is not UTF-8"));
}

TEST_F(CompositeTest, WhatWasDecodedIsSentOnAsItWas) {
  const std::map<std::string, Choice> sent = {{"a", 7}, {"b", std::vector<double>{1, 2}}};
  const absl::StatusOr<Object> there = Send(sent);
  ASSERT_THAT(there, IsOk());
  ASSERT_NE(there->get<DynamicMap>(), nullptr);
  ASSERT_NE(there->get<DynamicMap>()->Find("a"), nullptr);
  EXPECT_EQ(there->get<DynamicMap>()->Find("a")->get<DynamicVariant>()->alternative, 1u);
  EXPECT_EQ(there->get<DynamicMap>()->Find("c"), nullptr);
  const absl::StatusOr<Object> back = SendFrom(*worker_, *main_, *there);
  EXPECT_EQ(cost_, Cost{}) << "the array goes back as its reference";
  ASSERT_THAT(back, IsOk());
  EXPECT_THAT((FromObject<std::map<std::string, Choice>>(*back)), IsOkAndHolds(sent));
}

TEST_F(CompositeTest, ListsAndMapsOfSmallValuesAreReceivedEitherWay) {
  const ValueList list = {"a", "b"};
  EXPECT_THAT(FetchAs<std::vector<std::string>>(list), IsOkAndHolds(ElementsAre("a", "b")));
  EXPECT_THAT(FetchAs<std::vector<double>>(ValueList{1, 2.5}), IsOkAndHolds(ElementsAre(1, 2.5)));
  EXPECT_THAT(FetchAs<std::vector<double>>(ValueList{1, "x"}),
              StatusIs(kInvalid, "item 1: it is a text, wanted a number"));
  EXPECT_THAT(FetchAs<ValueList>(std::vector<std::string>{"a", "b"}), IsOkAndHolds(list));
  EXPECT_THAT(FetchAs<Value>(std::vector<std::string>{"a", "b"}), IsOkAndHolds(Value(list)));
  const ValueMap map = {{"x", 1}, {"y", 2}};
  EXPECT_THAT((FetchAs<std::map<std::string, int>>(map)),
              IsOkAndHolds(ElementsAre(Pair("x", 1), Pair("y", 2))));
  EXPECT_THAT(FetchAs<ValueMap>(std::map<std::string, int>{{"x", 1}, {"y", 2}}), IsOkAndHolds(map));
  EXPECT_THAT(FetchAs<ValueMap>(std::map<int, int>{{1, 1}}),
              StatusIs(kInvalid, HasSubstr("the key 1 is no text")));
  EXPECT_THAT(FetchAs<ValueList>(std::vector<std::vector<double>>{{1}}),
              StatusIs(kInvalid, "item 0: it is an array of float64 (1,), wanted a small value"));
}

TEST_F(CompositeTest, BoolsAreAnArrayHoweverTheyAreHeld) {
  const std::array<bool, 3> flags = {true, false, true};
  EXPECT_THAT(Fetch(flags), IsOkAndHolds(flags));
  EXPECT_THAT(FetchAs<std::vector<bool>>(flags), IsOkAndHolds(ElementsAre(true, false, true)));
  EXPECT_THAT(FetchAs<std::vector<bool>>(ValueList{true, false}),
              IsOkAndHolds(ElementsAre(true, false)));
}

TEST_F(CompositeTest, StandardBytesAreElements) {
  const std::vector<std::byte> bytes(1000, std::byte{7});
  EXPECT_THAT(Fetch(bytes), IsOkAndHolds(bytes));
  EXPECT_EQ(cost_.bytes_copied, 1000u);
  EXPECT_THAT(FetchAs<std::vector<uint8_t>>(bytes), IsOkAndHolds(std::vector<uint8_t>(1000, 7)));
}

TEST_F(CompositeTest, LongArraysOfAKnownSizeAreLists) {
  std::array<std::string, 300> texts;
  for (size_t i = 0; i < texts.size(); ++i) texts[i] = std::to_string(i);
  EXPECT_THAT(Fetch(texts), IsOkAndHolds(texts));
}

TEST_F(CompositeTest, AnOptionalThatHoldsNothingIsRefusedRatherThanLost) {
  EXPECT_THAT(WriteFails(std::optional<Value>(Value())),
              StatusIs(kInvalid, HasSubstr("can't be told from an empty one")));
  EXPECT_THAT(Fetch(std::optional<Value>(Value(7))), IsOkAndHolds(Value(7)));
  EXPECT_THAT(Fetch(std::optional<Value>()), IsOkAndHolds(std::nullopt));
}

TEST_F(CompositeTest, ObjectsOfAnyValuesAreSent) {
  const std::vector<Object> mixed = {ToObject(1.5), ToObject(std::string("text")),
                                     ToObject(std::vector<double>{1, 2}), ToObject(Colour::kRed),
                                     ToObject(std::map<std::string, int>{{"k", 3}})};
  const absl::StatusOr<std::vector<Object>> got = Fetch(mixed);
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(FromObject<double>((*got)[0]), IsOkAndHolds(1.5));
  EXPECT_THAT(FromObject<std::string>((*got)[1]), IsOkAndHolds("text"));
  EXPECT_THAT(FromObject<std::vector<double>>((*got)[2]), IsOkAndHolds(ElementsAre(1, 2)));
  EXPECT_THAT(FromObject<Colour>((*got)[3]), IsOkAndHolds(Colour::kRed));
  EXPECT_THAT((FromObject<std::map<std::string, int>>((*got)[4])),
              IsOkAndHolds(ElementsAre(Pair("k", 3))));
}

// Integers hash to themselves in the standard library: keys that are multiples of the number of
// buckets all fall into one, and each look-up goes through all that are there.
TEST_F(CompositeTest, I5KeysThatAllHashAlikeAreRefused) {
  std::unordered_map<int64_t, int> probe;
  for (int64_t i = 0; i < 2000; ++i) probe[i] = 0;
  std::map<int64_t, int> chosen;
  for (int64_t i = 0; i < 2000; ++i) {
    chosen[i * static_cast<int64_t>(probe.bucket_count())] = 0;
  }
  EXPECT_THAT((FetchAs<std::unordered_map<int64_t, int>>(chosen)),
              StatusIs(kInvalid, AllOf(HasSubstr("same hash"), HasSubstr("std::map"))));
  EXPECT_THAT((FetchAs<absl::flat_hash_map<int64_t, int>>(chosen)), IsOk());
  EXPECT_THAT((FetchAs<std::unordered_map<int64_t, int>>(probe)), IsOk());
}

}  // namespace
}  // namespace slabpipe
