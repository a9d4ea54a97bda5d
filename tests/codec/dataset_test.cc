#include "slabpipe/codec/dataset.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/codec/dataset_codec.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

NdArray<double> Array(absl::Span<const int64_t> shape, double first = 0) {
  NdArray<double> array = *NdArray<double>::Create(shape);
  for (double& element : array.span()) element = first++;
  return array;
}

// Two groups, with all that a dataset can have.
Dataset MakeFit() {
  Dataset fit;
  DatasetGroup& posterior = fit.AddGroup("posterior");
  EXPECT_THAT(posterior.AddCoordinate("school", Labels{"Choate", "Deerfield", "Zürich"}), IsOk());
  EXPECT_THAT(posterior.AddCoordinate("draw", Array({4}, 100)), IsOk());
  EXPECT_THAT(posterior.AddVariable("theta", {"chain", "draw", "school"}, Array({2, 4, 3}),
                                    {{"unit", "points"}}),
              IsOk());
  EXPECT_THAT(posterior.AddVariable("mu", {"chain", "draw"}, Array({2, 4}, 50)), IsOk());
  posterior.attributes().Set("created_by", "test");
  DatasetGroup& data = fit.AddGroup("observed_data");
  EXPECT_THAT(data.AddVariable("y", {"school"}, Array({3})), IsOk());
  EXPECT_THAT(data.AddVariable("n", {}, Array({}, 8)), IsOk());
  fit.attributes().Set("sampler", "slice");
  fit.attributes().Set("settings", ValueMap{{"seed", 7}});
  return fit;
}

// What is equal in two datasets; `where` they differ otherwise.
void ExpectSame(const DatasetVariable& a, const DatasetVariable& b) {
  SCOPED_TRACE(a.name);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.dimensions, b.dimensions);
  EXPECT_EQ(a.attributes, b.attributes);
  ASSERT_EQ(a.data.index(), b.data.index());
  if (a.labels() != nullptr) {
    EXPECT_EQ(*a.labels(), *b.labels());
  } else {
    EXPECT_TRUE(SameElements(*a.array(), *b.array()));
  }
}
void ExpectSame(const std::deque<DatasetVariable>& a, const std::deque<DatasetVariable>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ExpectSame(a[i], b[i]);
}
void ExpectSame(const Dataset& a, const Dataset& b) {
  EXPECT_EQ(a.attributes(), b.attributes());
  ASSERT_EQ(a.groups().size(), b.groups().size());
  for (size_t i = 0; i < a.groups().size(); ++i) {
    EXPECT_EQ(a.groups()[i].name(), b.groups()[i].name());
    EXPECT_EQ(a.groups()[i].attributes(), b.groups()[i].attributes());
    ExpectSame(a.groups()[i].coordinates(), b.groups()[i].coordinates());
    ExpectSame(a.groups()[i].variables(), b.groups()[i].variables());
  }
}

// The object itself.

TEST(DatasetObjectTest, FindsWhatIsThereAndNothingElse) {
  const Dataset fit = MakeFit();
  ASSERT_NE(fit.Find("posterior", "theta"), nullptr);
  EXPECT_THAT(fit.Find("posterior", "theta")->shape(), ElementsAre(2, 4, 3));
  EXPECT_EQ(fit.Find("posterior", "school"), nullptr) << "a coordinate is no data variable";
  EXPECT_EQ(fit.Find("posterior", "tau"), nullptr);
  EXPECT_EQ(fit.Find("prior", "theta"), nullptr);
  const DatasetGroup& posterior = *fit.FindGroup("posterior");
  EXPECT_EQ(posterior.FindVariable("mu")->name, "mu");
  EXPECT_THAT(*posterior.FindCoordinate("school")->labels(),
              ElementsAre("Choate", "Deerfield", "Zürich"));
  EXPECT_EQ(posterior.FindCoordinate("theta"), nullptr);
  EXPECT_EQ(posterior.Extent("chain"), 2);
  EXPECT_EQ(posterior.Extent("school"), 3);
  EXPECT_EQ(posterior.Extent("nowhere"), -1);
}

TEST(DatasetObjectTest, AGroupIsMadeOnce) {
  Dataset dataset;
  DatasetGroup& a = dataset.AddGroup("a");
  for (int i = 0; i < 100; ++i) dataset.AddGroup(absl::StrCat("g", i));
  EXPECT_EQ(&dataset.AddGroup("a"), &a);
  EXPECT_EQ(dataset.groups().size(), 101u);
}

TEST(DatasetObjectTest, ArraysComeAsTheirType) {
  const Dataset fit = MakeFit();
  EXPECT_THAT(fit.Find("posterior", "mu")->Array<const double>(), IsOk());
  EXPECT_THAT(fit.Find("posterior", "mu")->Array<const float>(),
              StatusIs(kInvalid, HasSubstr("float64")));
  EXPECT_THAT(fit.FindGroup("posterior")->FindCoordinate("school")->Array<const double>(),
              StatusIs(kInvalid, "variable 'school' holds texts, not numbers"));
}

TEST(DatasetObjectTest, ArraysAreHeldNotCopied) {
  Dataset dataset;
  const NdArray<double> x = Array({3});
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {"d"}, x), IsOk());
  x(1) = 99;
  EXPECT_EQ((*dataset.Find("g", "x")->Array<const double>())(1), 99);
}

TEST(DatasetObjectTest, TheRulesOfDimensionsHold) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  ASSERT_THAT(group.AddVariable("x", {"a", "b"}, Array({2, 3})), IsOk());
  EXPECT_THAT(group.AddVariable("y", {"a"}, Array({2, 3})),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'y' of group 'g'"), HasSubstr("(2, 3)"),
                                       HasSubstr("1 dimensions"))));
  EXPECT_THAT(group.AddVariable("y", {"a", "b", "c"}, Array({2, 3})), StatusIs(kInvalid));
  EXPECT_THAT(group.AddVariable("y", {"b"}, Array({2})),
              StatusIs(kInvalid, HasSubstr("its extent along 'b' is 2, but that dimension has 3")));
  EXPECT_THAT(group.AddVariable("y", {"c", "c"}, Array({2, 2})),
              StatusIs(kInvalid, HasSubstr("dimension 'c' comes twice")));
  EXPECT_THAT(group.AddCoordinate("a", Labels{"one"}), StatusIs(kInvalid));
  EXPECT_THAT(group.AddCoordinate("a", Array({2, 2})), StatusIs(kInvalid));
  EXPECT_THAT(group.AddCoordinate("a", Array({})), StatusIs(kInvalid));
  // What was refused has left nothing behind.
  EXPECT_EQ(group.Extent("c"), -1);
  EXPECT_EQ(group.FindVariable("y"), nullptr);
  EXPECT_THAT(group.AddVariable("y", {"c"}, Array({7})), IsOk());
}

TEST(DatasetObjectTest, ANameIsTakenOnceInItsList) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("x", {"x"}, Array({2})), IsOk());
  EXPECT_THAT(group.AddVariable("x", {"x"}, Array({2})),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("'g'"), HasSubstr("'x' already"))));
  EXPECT_THAT(group.AddCoordinate("x", Labels{"a", "b"}), IsOk()) << "another list";
  EXPECT_THAT(group.AddCoordinate("x", Labels{"a", "b"}),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST(DatasetObjectTest, AnExtentOfZeroIsAnExtent) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("none", {"d"}, Array({0})), IsOk());
  EXPECT_EQ(group.Extent("d"), 0);
  EXPECT_THAT(group.AddVariable("one", {"d"}, Array({1})), StatusIs(kInvalid));
}

TEST(DatasetObjectTest, DebugStringGivesAnOverview) {
  EXPECT_EQ(MakeFit().DebugString(),
            "posterior\n"
            "  coordinates\n"
            "    school (school) text (3,)\n"
            "    draw (draw) float64 (4,)\n"
            "  variables\n"
            "    theta (chain, draw, school) float64 (2, 4, 3)\n"
            "    mu (chain, draw) float64 (2, 4)\n"
            "observed_data\n"
            "  variables\n"
            "    y (school) float64 (3,)\n"
            "    n () float64 ()\n");
}

TEST(DatasetObjectTest, ACopyIsItsOwnButForTheArrays) {
  Dataset fit = MakeFit();
  Dataset copy = fit;
  ASSERT_THAT(copy.AddGroup("posterior").AddVariable("tau", {}, Array({})), IsOk());
  EXPECT_EQ(fit.Find("posterior", "tau"), nullptr);
  EXPECT_NE(copy.Find("posterior", "tau"), nullptr);
  EXPECT_EQ(copy.Find("posterior", "mu")->array()->origin(),
            fit.Find("posterior", "mu")->array()->origin());
}

// Across.

class DatasetTest : public tests::RoundTrip {
 protected:
  using Metadata = schemas::Dataset;

  absl::Status Attack(std::function<void(Metadata::Builder)> corrupt) {
    return ReadCorrupted(MakeFit(), [&](Letter& letter) { corrupt(letter.metadata<Metadata>()); });
  }
  static Metadata::Variable::Builder Theta(Metadata::Builder dataset) {
    return dataset.getGroups()[0].getVariables()[0];
  }
};

TEST_F(DatasetTest, GroupsCoordinatesVariablesAndAttributesComeOutAsTheyWentIn) {
  const Dataset fit = MakeFit();
  absl::StatusOr<Dataset> got = Fetch(fit);
  ASSERT_THAT(got, IsOk());
  ExpectSame(*got, fit);
  EXPECT_EQ(*(*got->Find("observed_data", "n")->Array<const double>()).At({}), 8);
  EXPECT_EQ(got->FindGroup("posterior")->Extent("school"), 3);
}

TEST_F(DatasetTest, AnEmptyDatasetAndAnEmptyGroupArrive) {
  absl::StatusOr<Dataset> got = Fetch(Dataset());
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(got->groups(), IsEmpty());
  Dataset with_group;
  with_group.AddGroup("nothing");
  with_group.AddGroup("");
  got = Fetch(with_group);
  ASSERT_THAT(got, IsOk());
  ExpectSame(*got, with_group);
}

TEST_F(DatasetTest, VariablesWithoutElementsKeepTheirShape) {
  Dataset dataset;
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {"a", "b"}, Array({3, 0})), IsOk());
  ASSERT_THAT(dataset.AddGroup("g").AddCoordinate("b", Labels{}), IsOk());
  absl::StatusOr<Dataset> got = Fetch(dataset);
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(got->Find("g", "x")->shape(), ElementsAre(3, 0));
  EXPECT_THAT(*got->FindGroup("g")->FindCoordinate("b")->labels(), IsEmpty());
}

TEST_F(DatasetTest, AThousandVariablesLieInOneSlab) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(group.AddVariable(absl::StrCat("v", i), {"d"}, Array({101}, i)), IsOk());
  }
  std::unique_ptr<Letter> letter = Write(dataset);
  EXPECT_EQ(cost_, (Cost{.copies = 1000, .bytes_copied = 1000 * 808, .slabs_opened = 1}));
  EXPECT_EQ(letter->slab_bytes, 1000 * AlignBlockSize(808));
  EXPECT_EQ(AlignBlockSize(letter->used_slab_bytes()), letter->slab_bytes);
  EXPECT_EQ(letter->descriptors.size(), 1u);
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->leases().size(), 1u);
  ExpectSame(*object->get<Dataset>(), dataset);
}

TEST_F(DatasetTest, Behaviour8VariablesInSharedMemoryAreNotCopied) {
  Dataset dataset;
  const NdArray<double> x = *NewSharedArray<double>(main_->pool(), {5, 2});
  for (double& element : x.span()) element = 3;
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {"a", "b"}, *x.Slice(0, 4, -1, -2)), IsOk());
  absl::StatusOr<Dataset> got = Fetch(dataset);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(cost_, Cost{});
  ExpectSame(*got, dataset);
}

TEST_F(DatasetTest, Behaviour10AVariableKeepsItsMemoryWhenTheDatasetIsGone) {
  std::optional<NdArray<const double>> theta;
  WeakBuffer watch;
  {
    absl::StatusOr<Object> object = Send(MakeFit());
    ASSERT_THAT(object, IsOk());
    ASSERT_EQ(object->buffers().size(), 1u);
    watch = object->buffers()[0];
    theta = *object->get<Dataset>()->Find("posterior", "theta")->Array<const double>();
  }
  main_.reset();
  worker_.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ((*theta)(1, 3, 2), 23);
  theta.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(DatasetTest, AnythingElseIsNoDataset) {
  EXPECT_THAT(FetchAs<Dataset>(7), StatusIs(kInvalid, "it is an integer, wanted a dataset"));
}

TEST_F(DatasetTest, TheSenderRefusesTextsThatAreNotUtf8) {
  const auto refused = StatusIs(kInvalid, HasSubstr("not UTF-8"));
  Dataset dataset;
  dataset.attributes().Set("a", "\xff");
  EXPECT_THAT(WriteFails(dataset), refused);
  dataset = Dataset();
  dataset.AddGroup("\xff");
  EXPECT_THAT(WriteFails(dataset), refused);
  dataset = Dataset();
  dataset.AddGroup("g").attributes().Set("\xff", 1);
  EXPECT_THAT(WriteFails(dataset), refused);
  dataset = Dataset();
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("\xff", {}, Array({})), IsOk());
  EXPECT_THAT(WriteFails(dataset), refused);
  dataset = Dataset();
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {"\xff"}, Array({2})), IsOk());
  EXPECT_THAT(WriteFails(dataset), StatusIs(kInvalid, AllOf(HasSubstr("variable 'x' of group 'g'"),
                                                            HasSubstr("not UTF-8"))));
  dataset = Dataset();
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {}, Array({}), {{"a", "\xff"}}), IsOk());
  EXPECT_THAT(WriteFails(dataset), refused);
  dataset = Dataset();
  ASSERT_THAT(dataset.AddGroup("g").AddCoordinate("x", Labels{"ok", "\xff"}), IsOk());
  EXPECT_THAT(WriteFails(dataset), StatusIs(kInvalid, HasSubstr("item 1")));
}

TEST_F(DatasetTest, TheSenderRefusesMoreGroupsThanTheReceiverTakes) {
  Dataset dataset;
  for (int i = 0; i < 4097; ++i) dataset.AddGroup(absl::StrCat("g", i));
  EXPECT_THAT(WriteFails(dataset), StatusIs(kInvalid, HasSubstr("at most 4096 groups")));
}

// The metadata, field by field.

TEST_F(DatasetTest, MoreGroupsThanAreAllowedAreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder dataset) { dataset.initGroups(4097); }),
              StatusIs(kInvalid, HasSubstr("groups: more than 4096")));
}

TEST_F(DatasetTest, NamesThatComeTwiceAreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getGroups()[1].setName("posterior"); }),
              StatusIs(kInvalid, "dataset: group 'posterior' comes twice"));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).setName("mu"); }),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'mu' already")));
  EXPECT_THAT(
      Attack([](Metadata::Builder d) { d.getGroups()[0].getCoordinates()[0].setName("draw"); }),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'draw' already")));
}

TEST_F(DatasetTest, NamesThatAreNotUtf8AreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getGroups()[0].setName("\xff"); }),
              StatusIs(kInvalid, HasSubstr("a group's name is not UTF-8")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).setName("\xff"); }),
              StatusIs(kInvalid, HasSubstr("a variable's name is not UTF-8")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).getDimensions().set(1, "\xff"); }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta' of group 'posterior'"),
                                       HasSubstr("a dimension's name is not UTF-8"))));
}

TEST_F(DatasetTest, DimensionsThatBreakTheRulesAreRefused) {
  const auto set_dimensions = [this](const std::vector<const char*>& names) {
    return Attack([&](Metadata::Builder d) {
      auto list = Theta(d).initDimensions(static_cast<unsigned>(names.size()));
      for (unsigned i = 0; i < list.size(); ++i) list.set(i, names[i]);
    });
  };
  EXPECT_THAT(set_dimensions({"chain", "draw", "school"}), IsOk());
  EXPECT_THAT(set_dimensions({"chain", "draw"}),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta' of group 'posterior'"),
                                       HasSubstr("2 dimensions"))));
  EXPECT_THAT(set_dimensions({}), StatusIs(kInvalid, HasSubstr("0 dimensions")));
  EXPECT_THAT(set_dimensions({"chain", "draw", "chain"}),
              StatusIs(kInvalid, HasSubstr("'chain' comes twice")));
  EXPECT_THAT(set_dimensions({"chain", "school", "draw"}),
              StatusIs(kInvalid, HasSubstr("its extent along 'school' is 4")));
  EXPECT_THAT(set_dimensions(std::vector<const char*>(33, "d")),
              StatusIs(kInvalid, HasSubstr("too many dimensions")));
}

TEST_F(DatasetTest, AttributesThatAreNoMapAreRefused) {
  const auto no_map = StatusIs(kInvalid, HasSubstr("wanted a map"));
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.initAttributes().setSigned(1); }), no_map);
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getGroups()[0].initAttributes().initList(0); }),
              no_map);
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).initAttributes().setText("x"); }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta' of group 'posterior'"),
                                       HasSubstr("wanted a map"))));
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.initAttributes().setNothing(); }), IsOk());
}

TEST_F(DatasetTest, AttributesThatAreMalformedAreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.initAttributes().setTextBlock(0); }),
              StatusIs(kInvalid, HasSubstr("where there are no blocks")));
  EXPECT_THAT(Attack([](Metadata::Builder d) {
                auto entries = d.initAttributes().initMap(2);
                entries[0].setKey("k");
                entries[1].setKey("k");
              }),
              StatusIs(kInvalid, HasSubstr("'k' comes twice")));
}

TEST_F(DatasetTest, DataThatIsNeitherAnArrayNorTextsIsRefused) {
  // The payload of a coordinate's label, a value, in the place of an array.
  EXPECT_THAT(
      Attack([](Metadata::Builder d) {
        auto labels = d.getGroups()[0].getCoordinates()[0].getData();
        Theta(d).setData(labels.getMetadata().getAs<schemas::Sequence>().getItems()[0].asReader());
      }),
      StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta' of group 'posterior'"),
                               HasSubstr("wanted an array, or a list of texts"))));
  // A list of something else.
  EXPECT_THAT(Attack([](Metadata::Builder d) {
                d.getGroups()[0]
                    .getCoordinates()[0]
                    .getData()
                    .getMetadata()
                    .getAs<schemas::Sequence>()
                    .getItems()[1]
                    .getMetadata()
                    .getAs<schemas::Value>()
                    .setSigned(1);
              }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'school'"), HasSubstr("wanted"))));
}

TEST_F(DatasetTest, AMalformedArrayIsNamed) {
  EXPECT_THAT(Attack([](Metadata::Builder d) {
                Theta(d).getData().getMetadata().getAs<schemas::NdArray>().getExtents().set(0, -2);
              }),
              StatusIs(kInvalid,
                       "dataset: variable 'theta' of group 'posterior': ndarray: extent -2 of axis "
                       "0 is negative"));
}

TEST_F(DatasetTest, MetadataOfAnotherFormIsRefused) {
  EXPECT_THAT(ReadCorrupted(MakeFit(),
                            [](Letter& letter) {
                              letter.payload().getMetadata().setAs<capnp::Text>("no struct");
                            }),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed message")));
}

}  // namespace
}  // namespace slabpipe
