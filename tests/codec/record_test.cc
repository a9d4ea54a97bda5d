#include "slabpipe/codec/record.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "slabpipe/codec/record_codec.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/tests/codec/round_trip.h"

// Structs of somebody else's, who has never heard of slabpipe.
namespace foreign {
struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
};
}  // namespace foreign

template <>
struct slabpipe::RecordTraits<foreign::Colour> {
  static constexpr auto Describe() {
    return Fields("foreign.Colour", Field("r", &foreign::Colour::red),
                  Field("g", &foreign::Colour::green), Field("b", &foreign::Colour::blue));
  }
};

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

struct Settings {
  int chains = 0;
  std::optional<std::string> note;
  std::optional<NdArray<const double>> start;

  static constexpr auto SlabpipeFields() {
    return Fields("test.Settings", Field("chains", &Settings::chains),
                  Field("note", &Settings::note), Field("start", &Settings::start));
  }
};

struct Fit {
  NdArray<const double> draws;
  std::string model;
  Settings settings;
  std::vector<Settings> tried;
  std::vector<float> weights;
  Value extra;

  static constexpr auto SlabpipeFields() {
    return Fields("test.Fit", Field("draws", &Fit::draws), Field("model", &Fit::model),
                  Field("settings", &Fit::settings), Field("tried", &Fit::tried),
                  Field("weights", &Fit::weights), Field("extra", &Fit::extra));
  }
};

// The same wire name as Settings, other fields: the peer's version.
struct NewerSettings {
  int chains = 0;
  int warmup = 0;

  static constexpr auto SlabpipeFields() {
    return Fields("test.Settings", Field("chains", &NewerSettings::chains),
                  Field("warmup", &NewerSettings::warmup));
  }
};

struct Twice {
  int a = 0;
  static constexpr auto SlabpipeFields() {
    return Fields("test.Twice", Field("a", &Twice::a), Field("a", &Twice::a));
  }
};

struct BadName {
  int a = 0;
  static constexpr auto SlabpipeFields() {
    return Fields("test.BadName", Field("\xff", &BadName::a));
  }
};

struct BadTypeName {
  int a = 0;
  static constexpr auto SlabpipeFields() { return Fields("\xff", Field("a", &BadTypeName::a)); }
};

struct Empty {
  static constexpr auto SlabpipeFields() { return Fields<Empty>("test.Empty"); }
};

class RecordTest : public tests::RoundTrip {
 protected:
  static Fit MakeFit() {
    static const std::vector<double> numbers = {1, 2, 3, 4, 5, 6};
    Fit fit;
    fit.draws = *NdArray<const double>::Borrow(numbers, {2, 3});
    fit.model = "eight schools";
    fit.settings = {.chains = 4, .note = "first", .start = std::nullopt};
    fit.tried = {{.chains = 1, .note = {}, .start = {}},
                 {.chains = 2, .note = "two", .start = NdArray<const double>::Borrow(numbers)}};
    fit.weights = {0.5f, 0.25f};
    fit.extra = ValueMap{{"seed", 7}};
    return fit;
  }
  absl::Status Attack(std::function<void(schemas::Record::Builder)> corrupt) {
    return ReadCorrupted(Settings{.chains = 4, .note = "n", .start = {}},
                         [&](Letter& letter) { corrupt(letter.metadata<schemas::Record>()); });
  }
};

TEST_F(RecordTest, FieldsOfEveryKindComeOutAsTheyWentIn) {
  absl::StatusOr<Fit> got = Fetch(MakeFit());
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(got->draws.shape(), ElementsAre(2, 3));
  EXPECT_THAT(got->draws.ToVector(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(got->model, "eight schools");
  EXPECT_EQ(got->settings.chains, 4);
  EXPECT_EQ(got->settings.note, "first");
  EXPECT_FALSE(got->settings.start.has_value());
  ASSERT_EQ(got->tried.size(), 2u);
  EXPECT_EQ(got->tried[0].chains, 1);
  EXPECT_EQ(got->tried[0].note, std::nullopt);
  EXPECT_EQ(got->tried[1].note, "two");
  ASSERT_TRUE(got->tried[1].start.has_value());
  EXPECT_EQ(got->tried[1].start->size(), 6);
  EXPECT_THAT(got->weights, ElementsAre(0.5f, 0.25f));
  EXPECT_EQ(got->extra, Value(ValueMap{{"seed", 7}}));
}

TEST_F(RecordTest, AllArraysOfARecordShareOneSlabOfTheExactSize) {
  std::unique_ptr<Letter> letter = Write(MakeFit());
  EXPECT_EQ(cost_, (Cost{.copies = 3, .bytes_copied = 48 + 48 + 8, .slabs_opened = 1}));
  EXPECT_EQ(letter->slab_bytes, 3 * 64u);
  EXPECT_EQ(AlignBlockSize(letter->used_slab_bytes()), letter->slab_bytes);
  EXPECT_THAT(worker_->Read(*letter), IsOk());
}

TEST_F(RecordTest, Behaviour8AnArrayInSharedMemoryIsNotCopied) {
  Fit fit = MakeFit();
  fit.draws = *NewSharedArray<double>(main_->pool(), {2, 3});
  ASSERT_THAT(Fetch(fit), IsOk());
  EXPECT_EQ(cost_.copies, 2u) << "the two private ones";
}

TEST_F(RecordTest, Behaviour10AnArrayTakenFromARecordKeepsItsMemory) {
  absl::StatusOr<Object> object = Send(MakeFit());
  ASSERT_THAT(object, IsOk());
  ASSERT_EQ(object->buffers().size(), 1u);
  const WeakBuffer watch = object->buffers()[0];
  std::optional<NdArray<const double>> draws = FromObject<Fit>(*object)->draws;
  *object = Object();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ((*draws)(1, 2), 6);
  draws.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(RecordTest, ARecordOfSmallValuesHoldsNoLease) {
  absl::StatusOr<Object> object = Send(Settings{.chains = 4, .note = "n", .start = {}});
  ASSERT_THAT(object, IsOk());
  EXPECT_TRUE(object->leases().empty());
}

TEST_F(RecordTest, AForeignStructIsDescribedByTraits) {
  absl::StatusOr<foreign::Colour> got = Fetch(foreign::Colour{255, 128, 0});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->red, 255);
  EXPECT_EQ(got->green, 128);
  EXPECT_EQ(got->blue, 0);
  EXPECT_EQ(Fetch(std::vector<foreign::Colour>(5))->size(), 5u);
}

TEST_F(RecordTest, ARecordMayHaveNoFields) { EXPECT_THAT(Fetch(Empty()), IsOk()); }

TEST_F(RecordTest, ADecodedRecordIsSentOnAsItIs) {
  absl::StatusOr<Object> object = Send(MakeFit());
  ASSERT_THAT(object, IsOk());
  absl::StatusOr<Object> back = SendFrom(*worker_, *main_, *object);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(cost_, Cost{}) << "without a copy";
  absl::StatusOr<Fit> fit = FromObject<Fit>(*back);
  ASSERT_THAT(fit, IsOk());
  EXPECT_THAT(fit->draws.ToVector(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(fit->tried[1].note, "two");
}

TEST_F(RecordTest, TheFieldsOrderCarriesNoMeaning) {
  std::unique_ptr<Letter> letter = Write(NewerSettings{.chains = 1, .warmup = 2});
  auto fields = letter->metadata<schemas::Record>().getFields();
  fields[0].setName("warmup");
  fields[1].setName("chains");
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(FromObject<NewerSettings>(*object)->warmup, 1);
  EXPECT_EQ(FromObject<NewerSettings>(*object)->chains, 2);
}

TEST_F(RecordTest, AFieldThatIsOptionalMayBeMissing) {
  struct Old {
    int chains = 3;
    static constexpr auto SlabpipeFields() {
      return Fields("test.Settings", Field("chains", &Old::chains));
    }
  };
  absl::StatusOr<Settings> got = FetchAs<Settings>(Old());
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->chains, 3);
  EXPECT_EQ(got->note, std::nullopt);
}

TEST_F(RecordTest, AMissingFieldIsNamed) {
  struct Old {
    int chains = 3;
    static constexpr auto SlabpipeFields() {
      return Fields("test.Settings", Field("chains", &Old::chains));
    }
  };
  EXPECT_THAT(FetchAs<NewerSettings>(Old()),
              StatusIs(kInvalid,
                       "record 'test.Settings' came without its field 'warmup'; it has "
                       "chains"));
}

TEST_F(RecordTest, AnUnknownFieldIsNamedAndSoAreTheKnownOnes) {
  EXPECT_THAT(FetchAs<Settings>(NewerSettings()),
              StatusIs(kInvalid, AllOf(HasSubstr("'warmup'"), HasSubstr("chains, note, start"),
                                       HasSubstr("there chains, warmup"))));
}

// The peer's version of a struct that keeps what it does not know.
struct Tolerant {
  int chains = 1;
  int warmup = 500;
  UnknownFields unknown;

  static constexpr auto SlabpipeFields() {
    return Fields("test.Tolerant", Field("chains", &Tolerant::chains),
                  Field("warmup", &Tolerant::warmup).MayBeMissing())
        .KeepUnknown(&Tolerant::unknown);
  }
};

struct Newer {
  std::vector<double> scales;
  int chains = 0;
  std::string note;

  static constexpr auto SlabpipeFields() {
    return Fields("test.Tolerant", Field("scales", &Newer::scales), Field("chains", &Newer::chains),
                  Field("note", &Newer::note));
  }
};

TEST_F(RecordTest, AFieldThatMayBeMissingKeepsItsDefault) {
  const absl::StatusOr<Tolerant> got =
      FetchAs<Tolerant>(Newer{.scales = {}, .chains = 4, .note = ""});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->chains, 4);
  EXPECT_EQ(got->warmup, 500);
  struct Without {
    static constexpr auto SlabpipeFields() { return Fields<Without>("test.Tolerant"); }
  };
  EXPECT_THAT(FetchAs<Tolerant>(Without()), StatusIs(kInvalid, HasSubstr("field 'chains'")));
}

TEST_F(RecordTest, UnknownFieldsAreKeptAndSentOnWithoutACopy) {
  const absl::StatusOr<Tolerant> got =
      FetchAs<Tolerant>(Newer{.scales = {1, 2, 3}, .chains = 4, .note = "new"});
  ASSERT_THAT(got, IsOk());
  ASSERT_EQ(got->unknown.fields.size(), 2u);
  EXPECT_EQ(got->unknown.fields[0].first, "scales");
  const absl::StatusOr<Object> back = SendFrom(*worker_, *main_, *got);
  EXPECT_EQ(cost_, Cost{});
  ASSERT_THAT(back, IsOk());
  // With the field that only the older side has, too: to the newer one it is unknown.
  EXPECT_THAT(FromObject<Newer>(*back), StatusIs(kInvalid, HasSubstr("'warmup'")));
  const absl::StatusOr<Tolerant> again = FromObject<Tolerant>(*back);
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(again->unknown.fields[0].second.get<AnyNdArray>()->shape(), ElementsAre(3));
  EXPECT_EQ(*again->unknown.fields[1].second.get<Value>(), Value("new"));
}

TEST_F(RecordTest, AnUnknownFieldThatIsADeclaredOneIsRefusedByTheSender) {
  Tolerant value;
  value.unknown.fields.emplace_back("chains", Object::Make(Value(1)));
  EXPECT_THAT(WriteFails(value), StatusIs(kInvalid, HasSubstr("'chains'")));
}

TEST_F(RecordTest, AMemberThatIsNotNamedStaysOnItsSide) {
  struct Cached {
    int seed = 1;
    int cache = 2;
    static constexpr auto SlabpipeFields() {
      return Fields("test.Cached", Field("seed", &Cached::seed));
    }
  };
  const absl::StatusOr<Cached> got = Fetch(Cached{.seed = 8, .cache = 9});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->seed, 8);
  EXPECT_EQ(got->cache, 2);
}

TEST_F(RecordTest, FieldsMayBeMapsVariantsAndTuples) {
  struct Rich {
    std::map<std::string, NdArray<const double>> arrays;
    std::variant<int, std::string> choice;
    std::tuple<int, double> pair;
    static constexpr auto SlabpipeFields() {
      return Fields("test.Rich", Field("arrays", &Rich::arrays), Field("choice", &Rich::choice),
                    Field("pair", &Rich::pair));
    }
  };
  const std::vector<double> numbers = {1, 2};
  const Rich rich = {{{"x", NdArray<const double>::Borrow(numbers)}}, "two", {3, 4.5}};
  const absl::StatusOr<Rich> got = Fetch(rich);
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(got->arrays.at("x").ToVector(), ElementsAre(1, 2));
  EXPECT_EQ(got->choice, rich.choice);
  EXPECT_EQ(got->pair, rich.pair);
}

struct Tree {
  int value = 0;
  std::vector<Tree> children;

  static constexpr auto SlabpipeFields() {
    return Fields("test.Tree", Field("value", &Tree::value), Field("children", &Tree::children));
  }
};

// Inherits the description of a Tree, but is none.
struct Grafted : Tree {};
static_assert(!RecordType<Grafted>);

}  // namespace
}  // namespace slabpipe

template <>
inline constexpr bool slabpipe::kOwnsItsBytes<slabpipe::Tree> = true;

namespace slabpipe {
namespace {

TEST_F(RecordTest, FieldsMayBeOfTheRecordsOwnType) {
  const absl::StatusOr<Tree> got = Fetch(Tree{1, {{2, {}}, {3, {{4, {}}}}}});
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->children[1].children[0].value, 4);
  EXPECT_TRUE(got->children[0].children.empty());
}

TEST_F(RecordTest, AnotherTypeIsNamed) {
  EXPECT_THAT(FetchAs<Settings>(foreign::Colour()),
              StatusIs(kInvalid, "it is a record 'foreign.Colour', wanted 'test.Settings'"));
  EXPECT_THAT(FetchAs<Settings>(7),
              StatusIs(kInvalid, "it is an integer, wanted a record 'test.Settings'"));
  EXPECT_THAT(FetchAs<int>(Settings()),
              StatusIs(kInvalid, "it is a record 'test.Settings', wanted an integer"));
  EXPECT_THAT(FetchAs<std::vector<Settings>>(Settings()),
              StatusIs(kInvalid, HasSubstr("wanted a list")));
}

TEST_F(RecordTest, AFieldOfAnotherTypeIsNamedWithItsPath) {
  struct OtherChains {
    std::string chains = "four";
    static constexpr auto SlabpipeFields() {
      return Fields("test.Settings", Field("chains", &OtherChains::chains));
    }
  };
  EXPECT_THAT(
      FetchAs<Settings>(OtherChains()),
      StatusIs(kInvalid, "field 'chains' of 'test.Settings': it is a text, wanted an integer"));
  EXPECT_THAT(FetchAs<std::vector<Settings>>(std::vector<OtherChains>(2)),
              StatusIs(kInvalid, HasSubstr("item 0: field 'chains' of 'test.Settings'")));
}

TEST_F(RecordTest, TheSenderRefusesNamesThatAreNone) {
  EXPECT_THAT(WriteFails(Twice()),
              StatusIs(kInvalid, AllOf(HasSubstr("'a'"), HasSubstr("declared twice"))));
  EXPECT_THAT(WriteFails(BadName()), StatusIs(kInvalid, HasSubstr("not UTF-8")));
  EXPECT_THAT(WriteFails(BadTypeName()), StatusIs(kInvalid, HasSubstr("not UTF-8")));
}

TEST_F(RecordTest, TheSenderNamesTheFieldThatCanNotBeSent) {
  Fit fit = MakeFit();
  fit.settings.note = "\xff";
  EXPECT_THAT(WriteFails(fit),
              StatusIs(kInvalid, AllOf(HasSubstr("field 'settings' of 'test.Fit'"),
                                       HasSubstr("field 'note' of 'test.Settings'"))));
}

// The metadata, field by field.

TEST_F(RecordTest, AFieldThatComesTwiceIsRefused) {
  EXPECT_THAT(
      Attack([](schemas::Record::Builder record) { record.getFields()[1].setName("chains"); }),
      StatusIs(kInvalid, "record: record 'test.Settings' has a field 'chains' twice"));
}

TEST_F(RecordTest, NamesThatAreNotUtf8AreRefused) {
  EXPECT_THAT(Attack([](schemas::Record::Builder record) { record.setTypeName("\xff"); }),
              StatusIs(kInvalid, HasSubstr("typeName is not UTF-8")));
  EXPECT_THAT(
      Attack([](schemas::Record::Builder record) { record.getFields()[0].setName("\xff"); }),
      StatusIs(kInvalid, HasSubstr("a field's name is not UTF-8")));
}

TEST_F(RecordTest, AMalformedFieldIsNamed) {
  EXPECT_THAT(
      Attack([](schemas::Record::Builder record) {
        record.getFields()[1].getPayload().getMetadata().getAs<schemas::Value>().setText("\xff");
      }),
      StatusIs(kInvalid, "record: field 'note' of 'test.Settings': value: a text is not UTF-8"));
}

TEST_F(RecordTest, MetadataOfAnotherFormIsRefused) {
  EXPECT_THAT(ReadCorrupted(Settings(),
                            [](Letter& letter) {
                              letter.payload().getMetadata().setAs<capnp::Text>("no struct");
                            }),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed message")));
}

TEST_F(RecordTest, ARecordWithoutMetadataHasNoNameAndNoFields) {
  std::unique_ptr<Letter> letter = Write(Settings());
  letter->payload().getMetadata().clear();
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(FromObject<Settings>(*object), StatusIs(kInvalid, HasSubstr("record ''")));
}

}  // namespace
}  // namespace slabpipe
