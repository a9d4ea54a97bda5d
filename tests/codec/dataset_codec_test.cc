#include "slabpipe/codec/dataset_codec.h"

#include <capnp/any.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/codec/test_datasets.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Cost;
using ::slabpipe::tests::Counting;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::MakeFit;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

class DatasetCodecTest : public tests::RoundTrip {
 protected:
  using Metadata = schemas::Dataset;

  void ExpectComesOutAsItWentIn(const Dataset& dataset) {
    const absl::StatusOr<Dataset> got = Fetch(dataset);
    ASSERT_THAT(got, IsOk());
    EXPECT_TRUE(SameDatasets(*got, dataset)) << *got << "\n wanted\n" << dataset;
    EXPECT_EQ(got->ToText(), dataset.ToText());
  }
  const std::byte* Origin(const Dataset& dataset, absl::string_view variable) {
    return dataset.Find("g", variable)->array()->origin();
  }

  absl::Status Attack(std::function<void(Metadata::Builder)> corrupt) {
    return ReadCorrupted(MakeFit(), [&](Letter& letter) { corrupt(letter.metadata<Metadata>()); });
  }
  static Metadata::Group::Builder Posterior(Metadata::Builder d) { return d.getGroups()[0]; }
  static Metadata::Variable::Builder Theta(Metadata::Builder d) {
    return Posterior(d).getVariables()[0];
  }
  static Metadata::Variable::Builder School(Metadata::Builder d) {
    return Posterior(d).getCoordinates()[0];
  }
  static Metadata::Form::Builder FormOf(Metadata::Builder d, Metadata::Variable::Builder variable) {
    return Posterior(d).getForms()[variable.getForm()];
  }
};

// ---- What goes in comes out

TEST_F(DatasetCodecTest, GroupsCoordinatesVariablesAndAttributesComeOutAsTheyWentIn) {
  ExpectComesOutAsItWentIn(MakeFit());
  EXPECT_EQ(cost_.slabs_opened, 1u);
}

TEST_F(DatasetCodecTest, WhatIsDecodedSelectsAndIsSentOnWithoutACopy) {
  const absl::StatusOr<Dataset> got = Fetch(MakeFit());
  ASSERT_THAT(got, IsOk());
  for (const absl::StatusOr<Dataset>& part :
       {absl::StatusOr<Dataset>(*got), got->SelectAt("school", 1), got->Slice("draw", 3, -1, -2),
        got->SelectAt("day", 1), got->SelectRange("draw", 101, 102)}) {
    ASSERT_THAT(part, IsOk());
    const absl::StatusOr<Object> back = SendFrom(*worker_, *main_, *part);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(SameDatasets(*back->get<Dataset>(), *part));
    // What SelectAt has copied of a column of two dimensions was in private memory.
    if (part->Find("observed_data", "note")->in_shared_memory()) {
      EXPECT_EQ(cost_, Cost());
    }
  }
}

TEST_F(DatasetCodecTest, AnEmptyDatasetAndAnEmptyGroupArrive) {
  ExpectComesOutAsItWentIn(Dataset());
  Dataset with_group;
  with_group.AddGroup("nothing");
  with_group.AddGroup("");
  ExpectComesOutAsItWentIn(with_group);
}

TEST_F(DatasetCodecTest, VariablesWithoutElementsKeepTheirShape) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  ASSERT_THAT(group.AddVariable("x", {"a", "b"}, Counting({3, 0})), IsOk());
  ASSERT_THAT(group.AddVariable("t", {"b", "a"}, ShapedColumn(*ToColumn(Labels{}), {0, 3})),
              IsOk());
  ASSERT_THAT(group.AddCoordinate("b", Labels{}), IsOk());
  ExpectComesOutAsItWentIn(dataset);
  EXPECT_EQ(cost_, Cost());
}

TEST_F(DatasetCodecTest, LayoutsAreKept) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  const AnyNdArray cube = Counting({2, 3, 4});
  ASSERT_THAT(group.AddVariable("transposed", {"c", "b", "a"}, cube.Transpose()), IsOk());
  ASSERT_THAT(group.AddVariable("permuted", {"b", "a", "c"}, *cube.Transpose({1, 0, 2})), IsOk());
  ASSERT_THAT(group.AddVariable("gaps", {"a", "b2", "c"}, *cube.Slice(1, 2, -1, -2)), IsOk());
  const absl::StatusOr<Dataset> got = Fetch(dataset);
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(SameDatasets(*got, dataset));
  EXPECT_TRUE(got->Find("g", "transposed")->array()->IsColumnMajor());
  EXPECT_EQ(got->Find("g", "permuted")->array()->strides(),
            dataset.Find("g", "permuted")->array()->strides());
  EXPECT_TRUE(got->Find("g", "gaps")->array()->IsRowMajor()) << "gaps of private memory are closed";
}

TEST_F(DatasetCodecTest, AllElementTypesArriveAlignedHoweverSmall) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  int number = 0;
  for (int kind = 0; kind < ElementType::kBytes; ++kind) {
    const ElementType type = static_cast<ElementType::Kind>(kind);
    for (const int64_t extent : {1, 3, 100}) {
      const std::string name = absl::StrCat("v", number++);
      ASSERT_THAT(
          group.AddVariable(name, {absl::StrCat("d", extent)}, *AnyNdArray::Create(type, {extent})),
          IsOk());
    }
  }
  const absl::StatusOr<Dataset> got = Fetch(dataset);
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(SameDatasets(*got, dataset));
  for (const DatasetVariable& variable : got->FindGroup("g")->variables()) {
    const auto place = reinterpret_cast<uintptr_t>(variable.array()->origin());
    const size_t alignment = variable.array()->size_bytes() >= kBlockAlignmentBytes
                                 ? kBlockAlignmentBytes
                                 : variable.array()->element_type().alignment_bytes();
    EXPECT_EQ(place % alignment, 0u) << variable.name;
  }
}

// ---- Memory

TEST_F(DatasetCodecTest, AThousandVariablesLieInOneSlab) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(group.AddVariable(absl::StrCat("v", i), {"d"}, Counting({101}, i)), IsOk());
  }
  std::unique_ptr<Letter> letter = Write(dataset);
  EXPECT_EQ(cost_, (Cost{.copies = 1000, .bytes_copied = 1000 * 808, .slabs_opened = 1}));
  EXPECT_EQ(letter->slab_bytes, 1000 * AlignBlockSize(808));
  EXPECT_EQ(AlignBlockSize(letter->used_slab_bytes()), letter->slab_bytes);
  EXPECT_EQ(letter->table().getRefs().size(), 1u);
  EXPECT_EQ(letter->descriptors.size(), 1u);
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->leases().size(), 1u);
  EXPECT_TRUE(SameDatasets(*object->get<Dataset>(), dataset));
}

TEST_F(DatasetCodecTest, AHundredThousandScalarsCostOneSlabAndAShortMessageEach) {
  constexpr int kCount = 100000;
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  for (int i = 0; i < kCount; ++i) {
    ASSERT_THAT(group.AddVariable(absl::StrCat("v", i), {}, Counting({}, i)), IsOk());
  }
  const auto expect_small = [&](Letter& letter) {
    EXPECT_EQ(letter.table().getRefs().size(), 1u);
    const size_t bytes = letter.Flatten().asBytes().size();
    EXPECT_LE(bytes, 50u * kCount) << "32, a name of 8, and where it lies";
  };
  std::unique_ptr<Letter> letter = Write(dataset);
  EXPECT_EQ(letter->slab_bytes, AlignBlockSize(8 * kCount));
  EXPECT_EQ(cost_, (Cost{.copies = kCount, .bytes_copied = 8 * kCount, .slabs_opened = 1}));
  expect_small(*letter);
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  const Dataset got = *object->get<Dataset>();
  EXPECT_TRUE(SameDatasets(got, dataset));
  // And back, without a copy.
  letter = WriteFrom(*worker_, got);
  EXPECT_EQ(cost_, Cost());
  expect_small(*letter);
  ASSERT_THAT(main_->Read(*letter), IsOk());
}

TEST_F(DatasetCodecTest, Behaviour8VariablesInSharedMemoryAreNotCopied) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  const NdArray<double> x = *NewSharedArray<double>(main_->pool(), {5, 2});
  for (double& element : x.span()) element = 3;
  ASSERT_THAT(group.AddVariable("x", {"a", "b"}, *x.Slice(0, 4, -1, -2)), IsOk());
  ASSERT_THAT(group.AddCoordinate("b", *ToColumn({"p", "q"})->Copy(SharedMemory(main_->pool()))),
              IsOk());
  ExpectComesOutAsItWentIn(dataset);
  EXPECT_EQ(cost_, Cost());
  EXPECT_EQ(Fetch(dataset)->Find("g", "x")->array()->strides(), (Extents{-32, 8}));
}

TEST_F(DatasetCodecTest, PrivateAndSharedMemoryGoTogether) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  for (int i = 0; i < 20; ++i) {
    const NdArray<double> shared = *NewSharedArray<double>(main_->pool(), {i + 1});
    for (double& element : shared.span()) element = i;
    const Dimensions dimensions = {absl::StrCat("d", i)};
    ASSERT_THAT(group.AddVariable(absl::StrCat("s", i), dimensions, shared), IsOk());
    ASSERT_THAT(group.AddVariable(absl::StrCat("p", i), dimensions, Counting({i + 1})), IsOk());
    ASSERT_THAT(group.AddVariable(absl::StrCat("t", i), dimensions,
                                  *ToColumn(Labels(static_cast<size_t>(i) + 1, "text"))),
                IsOk());
  }
  ExpectComesOutAsItWentIn(dataset);
  EXPECT_EQ(cost_.copies, 21u) << "20 arrays, and the columns' block";
}

TEST_F(DatasetCodecTest, VariablesThatShareMemoryDoSoOnTheOtherSide) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  const AnyNdArray own = Counting({4, 5}), shared = *NewSharedArray<double>(main_->pool(), {4, 5});
  const Column texts = *ToColumn({"a", "b", "c", "d"});
  for (const char* suffix : {"1", "2"}) {
    ASSERT_THAT(group.AddVariable(absl::StrCat("own", suffix), {"a", "b"}, own), IsOk());
    ASSERT_THAT(group.AddVariable(absl::StrCat("shared", suffix), {"a", "b"}, shared), IsOk());
    ASSERT_THAT(group.AddVariable(absl::StrCat("texts", suffix), {"a"}, texts), IsOk());
  }
  // In the same place, but another view.
  ASSERT_THAT(group.AddVariable("row", {"b"}, *own.Select(0, 0)), IsOk());
  const absl::StatusOr<Dataset> got = Fetch(dataset);
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(SameDatasets(*got, dataset));
  EXPECT_EQ(cost_.copies, 3u) << "own1, row, and the columns' block";
  EXPECT_EQ(Origin(*got, "own1"), Origin(*got, "own2"));
  EXPECT_EQ(Origin(*got, "shared1"), Origin(*got, "shared2"));
  EXPECT_NE(Origin(*got, "own1"), Origin(*got, "row"));
  EXPECT_EQ(got->Find("g", "texts1")->column()->data(), got->Find("g", "texts2")->column()->data());
}

TEST_F(DatasetCodecTest, ElementsThatAreShownAgainAreWrittenOut) {
  Dataset dataset;
  const NdArray<double> one = *NewSharedArray<double>(main_->pool(), {1});
  const AnyNdArray repeated(one.element_type(), {{3}, {0}}, one.buffer(), one.origin());
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {"d"}, repeated), IsOk());
  ExpectComesOutAsItWentIn(dataset);
  EXPECT_EQ(cost_.bytes_copied, 24u);
}

TEST_F(DatasetCodecTest, Behaviour10AVariableKeepsItsMemoryWhenTheDatasetIsGone) {
  std::optional<NdArray<const double>> theta;
  std::optional<ColumnView<absl::string_view>> school;
  WeakBuffer watch;
  {
    absl::StatusOr<Object> object = Send(MakeFit());
    ASSERT_THAT(object, IsOk());
    ASSERT_EQ(object->buffers().size(), 1u);
    watch = object->buffers()[0];
    theta = *object->get<Dataset>()->Find("posterior", "theta")->Array<const double>();
    school = *object->get<Dataset>()
                  ->FindGroup("posterior")
                  ->FindCoordinate("school")
                  ->View<absl::string_view>();
  }
  main_.reset();
  worker_.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ((*theta)(1, 3, 2), 23);
  EXPECT_EQ((*school)[2], "Zürich");
  theta.reset();
  EXPECT_FALSE(watch.expired());
  school.reset();
  EXPECT_TRUE(watch.expired());
}

// ---- What the sender refuses

TEST_F(DatasetCodecTest, AnythingElseIsNoDataset) {
  EXPECT_THAT(FetchAs<Dataset>(7), StatusIs(kInvalid, "it is an integer, wanted a dataset"));
}

TEST_F(DatasetCodecTest, TheSenderRefusesTextsThatAreNotUtf8) {
  const auto refused = StatusIs(kInvalid, HasSubstr("not UTF-8"));
  const auto in_variable = StatusIs(
      kInvalid, AllOf(HasSubstr("group 'g'"), HasSubstr("variable 'x'"), HasSubstr("not UTF-8")));
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
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("\xff", {}, Counting({})), IsOk());
  EXPECT_THAT(WriteFails(dataset), refused);
  dataset = Dataset();
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {"\xff"}, Counting({2})), IsOk());
  EXPECT_THAT(WriteFails(dataset),
              StatusIs(kInvalid, AllOf(HasSubstr("group 'g'"), HasSubstr("a dimension"),
                                       HasSubstr("not UTF-8"))));
  dataset = Dataset();
  ASSERT_THAT(dataset.AddGroup("g").AddVariable("x", {}, Counting({}), {{"a", "\xff"}}), IsOk());
  EXPECT_THAT(WriteFails(dataset), in_variable);
}

// ---- The metadata, field by field

TEST_F(DatasetCodecTest, NamesThatComeTwiceAreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getGroups()[1].setName("posterior"); }),
              StatusIs(kInvalid, "dataset: group 'posterior' comes twice"));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).setName("mu"); }),
              StatusIs(kInvalid, HasSubstr("'mu' already")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).setName("school"); }),
              StatusIs(kInvalid, HasSubstr("'school' already")));
  EXPECT_THAT(
      Attack([](Metadata::Builder d) { Posterior(d).getDimensions()[1].setName("school"); }),
      StatusIs(kInvalid,
               "dataset: group 'posterior': dimensions: the name 'school' comes "
               "twice"));
}

TEST_F(DatasetCodecTest, NamesThatAreNotUtf8AreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getGroups()[0].setName("\xff"); }),
              StatusIs(kInvalid, HasSubstr("a group's name is not UTF-8")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).setName("\xff"); }),
              StatusIs(kInvalid, HasSubstr("a variable's name is not UTF-8")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Posterior(d).getDimensions()[1].setName("\xff"); }),
              StatusIs(kInvalid, "dataset: group 'posterior': a dimension's name is not UTF-8"));
}

TEST_F(DatasetCodecTest, ErrorsShowNamesBoundedAndWithoutControlCharacters) {
  const auto is_safe = [](const absl::Status& status) {
    return !status.ok() && status.message().size() < 1000 &&
           !absl::StrContains(status.message(), "\x1b");
  };
  const std::string name(1000, '\x1b');
  EXPECT_PRED1(is_safe, Attack([&](Metadata::Builder d) {
                 Posterior(d).getDimensions()[0].setName(name);
                 Posterior(d).getDimensions()[1].setName(name);
               }));
  EXPECT_PRED1(is_safe, Attack([&](Metadata::Builder d) {
                 Posterior(d).getDimensions()[1].setName(name);
                 Posterior(d).getDimensions()[1].setExtent(-1);
               }));
  Dataset dataset;
  dataset.AddGroup(name + "\xff");
  EXPECT_PRED1(is_safe, WriteFails(dataset));
}

TEST_F(DatasetCodecTest, ExtentsThatDoNotMatchAreRefused) {
  const auto set_extent = [this](int64_t extent) {
    return Attack([&](Metadata::Builder d) { Posterior(d).getDimensions()[1].setExtent(extent); });
  };
  EXPECT_THAT(set_extent(4), IsOk());
  EXPECT_THAT(set_extent(-1), StatusIs(kInvalid,
                                       "dataset: group 'posterior': dimension 'draw': "
                                       "extent -1 is negative"));
  EXPECT_THAT(set_extent(4000),
              StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'draw': extents: an "
                                                 "array of shape (4000,) is larger than its block "
                                                 "of "))));
  EXPECT_THAT(set_extent(int64_t{1} << 61),
              StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'draw'"),
                                       HasSubstr("address space"))));
  // Of a column.
  EXPECT_THAT(Attack([](Metadata::Builder d) { Posterior(d).getDimensions()[0].setExtent(2); }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'school' of group 'posterior'"),
                                       HasSubstr("its shape is (2,), but it has 3 values"))));
}

TEST_F(DatasetCodecTest, DimensionsThatBreakTheRulesAreRefused) {
  const auto set_dimensions = [this](const std::vector<uint32_t>& numbers) {
    return Attack([&](Metadata::Builder d) {
      auto list = FormOf(d, Theta(d)).initDimensions(static_cast<unsigned>(numbers.size()));
      for (unsigned i = 0; i < list.size(); ++i) list.set(i, numbers[i]);
    });
  };
  // school, draw, chain
  EXPECT_THAT(set_dimensions({2, 1, 0}), IsOk());
  EXPECT_THAT(set_dimensions({2, 1, 3}),
              StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'theta': form "),
                                       HasSubstr("dimensions: number 3 of 3"))));
  EXPECT_THAT(set_dimensions({2, 1, 2}),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta' of group 'posterior'"),
                                       HasSubstr("'chain' comes twice"))));
  EXPECT_THAT(set_dimensions(std::vector<uint32_t>(33, 0)),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta'"),
                                       HasSubstr("dimensions: there are 33, at most 32"))));
}

TEST_F(DatasetCodecTest, ALongNameIsNotCopiedForEachForm) {
  EXPECT_THAT(Attack([](Metadata::Builder d) {
                Posterior(d).getDimensions()[0].setName(std::string(256, 'x').c_str());
              }),
              StatusIs(kInvalid, HasSubstr("dimensions: a name of 256 bytes, at most 255")));
}

TEST_F(DatasetCodecTest, FormsThatAreNotThereAreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).setForm(99); }),
              StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'theta': form: "),
                                       HasSubstr("number 99 of"))));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Posterior(d).disownForms(); }),
              StatusIs(kInvalid, HasSubstr("variable 'school': form: number 0 of 0")));
}

TEST_F(DatasetCodecTest, ElementTypesThatAreNoneAreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) {
                FormOf(d, Theta(d)).setElementType(static_cast<schemas::ElementType>(99));
              }),
              StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'theta'"),
                                       HasSubstr("elementType"))));
  EXPECT_THAT(Attack([](Metadata::Builder d) {
                FormOf(d, Theta(d)).setElementType(schemas::ElementType::TEXT);
                FormOf(d, Theta(d)).setElementBytes(3);
              }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta'"), HasSubstr("elementBytes"))));
}

TEST_F(DatasetCodecTest, PlacesOutsideTheBlockAreRefused) {
  EXPECT_THAT(
      Attack([](Metadata::Builder d) { Theta(d).setBlock(7); }),
      StatusIs(kInvalid, "dataset: group 'posterior': variable 'theta': block: number 7 of 2"));
  for (const uint64_t offset :
       {uint64_t{100000}, uint64_t{1} << 63, std::numeric_limits<uint64_t>::max() - 7}) {
    EXPECT_THAT(Attack([&](Metadata::Builder d) { Theta(d).getData().setRowMajor(offset); }),
                StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'theta'"),
                                         HasSubstr("lies outside the block's"))));
    EXPECT_THAT(Attack([&](Metadata::Builder d) { Theta(d).getData().setColumnMajor(offset); }),
                StatusIs(kInvalid, HasSubstr("lies outside the block's")));
  }
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).getData().setRowMajor(4); }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta'"),
                                       HasSubstr("byteOffset 4 is no multiple of 8"))));
  // The end of the block is as far as one may go.
  const auto offset_of = [](Metadata::Builder d) { return Theta(d).getData().getRowMajor(); };
  EXPECT_THAT(Attack([&](Metadata::Builder d) {
                Theta(d).getData().setRowMajor(offset_of(d) + 100000 * 8);
              }),
              StatusIs(kInvalid));
}

TEST_F(DatasetCodecTest, StridesThatLeadOutsideAreRefused) {
  const auto set_strides = [this](const std::vector<int64_t>& strides, uint64_t offset = 0) {
    return Attack([&](Metadata::Builder d) {
      Theta(d).getData().setStrided(offset);
      auto list = Theta(d).getDetails().initStrides(static_cast<unsigned>(strides.size()));
      for (unsigned i = 0; i < list.size(); ++i) list.set(i, strides[i]);
    });
  };
  EXPECT_THAT(set_strides({96, 24, 8}), IsOk());
  EXPECT_THAT(set_strides({-96, -24, -8}, 184), IsOk());
  EXPECT_THAT(set_strides({-96, 24, 8}),
              StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'theta'"),
                                       HasSubstr("lies outside the block's"))));
  EXPECT_THAT(set_strides({96, 24}),
              StatusIs(kInvalid, HasSubstr("variable 'theta': strides: 2 for 3 dimensions")));
  EXPECT_THAT(set_strides({96, 24, 4}), StatusIs(kInvalid, HasSubstr("no multiple of 8")));
  EXPECT_THAT(set_strides({96, 24, 0}), StatusIs(kInvalid, HasSubstr("is 0")));
  const int64_t most = std::numeric_limits<int64_t>::max() / 8 * 8;
  EXPECT_THAT(set_strides({most, most, 8}), StatusIs(kInvalid));
  EXPECT_THAT(set_strides(std::vector<int64_t>(100000, 8)), StatusIs(kInvalid));
}

TEST_F(DatasetCodecTest, ColumnsThatAreNotThereOrMalformedAreRefused) {
  EXPECT_THAT(
      Attack([](Metadata::Builder d) { School(d).getData().setColumn(6); }),
      StatusIs(kInvalid, "dataset: group 'posterior': variable 'school': column: number 6 of 6"));
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.disownColumns(); }),
              StatusIs(kInvalid, HasSubstr("variable 'school': column: number 0 of 0")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { School(d).getData().setColumn(3); }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'school'"), HasSubstr("has 1 values"))));
  EXPECT_THAT(Attack([](Metadata::Builder d) { Theta(d).getData().setColumn(0); }),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'theta'"), HasSubstr("has 3 values"))));
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getColumns().getNodes()[0].setLength(4); }),
              StatusIs(kInvalid, HasSubstr("dataset: columns: column 'school': ")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getColumns().getBuffers()[0].setBlock(9); }),
              StatusIs(kInvalid, HasSubstr("column 'school': block: number 9 of 2")));
}

TEST_F(DatasetCodecTest, ACoordinateAlongItsNameHasNoOtherDimension) {
  EXPECT_THAT(
      Attack([](Metadata::Builder d) { Posterior(d).getCoordinates()[2].setName("chain"); }),
      StatusIs(kInvalid, AllOf(HasSubstr("variable 'chain' of group 'posterior'"),
                               HasSubstr("has (chain, draw)"))));
}

TEST_F(DatasetCodecTest, AttributesThatAreNoMapAreRefused) {
  const auto no_map = StatusIs(kInvalid, AllOf(HasSubstr("attributes"), HasSubstr("wanted a map")));
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.initAttributes().setSigned(1); }), no_map);
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.getGroups()[0].initAttributes().initList(0); }),
              no_map);
  EXPECT_THAT(
      Attack([](Metadata::Builder d) { Theta(d).getDetails().initAttributes().setText("x"); }),
      StatusIs(kInvalid, AllOf(HasSubstr("group 'posterior': variable 'theta'"),
                               HasSubstr("attributes: "), HasSubstr("wanted a map"))));
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.initAttributes().setNothing(); }), IsOk());
}

TEST_F(DatasetCodecTest, AttributesThatAreMalformedAreRefused) {
  EXPECT_THAT(Attack([](Metadata::Builder d) { d.initAttributes().setTextBlock(0); }),
              StatusIs(kInvalid, HasSubstr("where there are no blocks")));
  EXPECT_THAT(Attack([](Metadata::Builder d) {
                auto entries = d.initAttributes().initMap(2);
                entries[0].setKey("k");
                entries[1].setKey("k");
              }),
              StatusIs(kInvalid, HasSubstr("'k' comes twice")));
}

// A list of nothings takes no room however long it is.
TEST_F(DatasetCodecTest, ListsOfNothingDoNotBecomeAMillionObjects) {
  const auto many = [this](auto struct_of, unsigned pointer) {
    return Attack([&](Metadata::Builder d) {
      capnp::toAny(struct_of(d))
          .getPointerSection()[pointer]
          .initAsAnyList(capnp::ElementSize::VOID, 1u << 20);
    });
  };
  const auto refused = StatusIs(absl::StatusCode::kDataLoss);
  EXPECT_THAT(many([](Metadata::Builder d) { return d; }, 0), refused) << "groups";
  for (unsigned pointer = 1; pointer <= 4; ++pointer) {
    EXPECT_THAT(many([](Metadata::Builder d) { return Posterior(d); }, pointer), refused)
        << "dimensions, forms, coordinates, variables: " << pointer;
  }
}

TEST_F(DatasetCodecTest, MetadataOfAnotherFormIsRefused) {
  EXPECT_THAT(ReadCorrupted(MakeFit(),
                            [](Letter& letter) {
                              letter.payload().getMetadata().setAs<capnp::Text>("no struct");
                            }),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed message")));
}

}  // namespace
}  // namespace slabpipe
