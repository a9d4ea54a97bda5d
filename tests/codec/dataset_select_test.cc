// Parts of datasets, by label and by position.

#include <algorithm>
#include <complex>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/label_index.h"
#include "slabpipe/tests/codec/test_datasets.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Counting;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::MakeFit;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const auto kInvalid = absl::StatusCode::kInvalidArgument;
const auto kNotFound = absl::StatusCode::kNotFound;

std::vector<double> Numbers(const DatasetVariable& variable) {
  return variable.Array<const double>()->ToVector();
}

// Whether a view lies in the memory of the whole.
bool Shares(const AnyNdArray& view, const AnyNdArray& whole) {
  return view.buffer().data() == whole.buffer().data();
}

// ---- By label

TEST(DatasetSelectTest, ALabelTakesItsDimensionAwayAndStaysAsAScalar) {
  const Dataset fit = MakeFit();
  const absl::StatusOr<Dataset> choate = fit.Select("school", "Deerfield");
  ASSERT_THAT(choate, IsOk());
  const DatasetGroup& posterior = *choate->FindGroup("posterior");
  EXPECT_EQ(posterior.Extent("school"), -1);
  const DatasetVariable& theta = *posterior.FindVariable("theta");
  EXPECT_THAT(theta.dimensions, ElementsAre("chain", "draw"));
  EXPECT_THAT(Numbers(theta), ElementsAre(1, 4, 7, 10, 13, 16, 19, 22));
  EXPECT_TRUE(Shares(*theta.array(), *fit.Find("posterior", "theta")->array()));
  EXPECT_EQ(theta.attributes.at("unit"), Value("points"));
  const DatasetVariable& school = *posterior.FindCoordinate("school");
  EXPECT_THAT(school.dimensions, IsEmpty());
  EXPECT_THAT(school.shape(), IsEmpty());
  EXPECT_THAT(*school.Texts(), ElementsAre("Deerfield"));
  // What does not have the dimension is there as it was.
  EXPECT_TRUE(SameVariables(*posterior.FindVariable("mu"), *fit.Find("posterior", "mu")));
  EXPECT_EQ(posterior.attributes().at("created_by"), Value("test"));
  EXPECT_EQ(choate->attributes(), fit.attributes());
}

TEST(DatasetSelectTest, AllGroupsThatHaveTheDimensionAreSelectedFrom) {
  Dataset fit = MakeFit();
  const Dataset choate = *fit.Select("school", "Choate");
  EXPECT_THAT(Numbers(*choate.Find("observed_data", "y")), ElementsAre(0));
  EXPECT_THAT(*choate.Find("observed_data", "note")->Texts(), ElementsAre("a", "d"));
  const Dataset draw = *fit.Select("draw", 101);
  EXPECT_TRUE(SameVariables(*draw.Find("observed_data", "y"), *fit.Find("observed_data", "y")));
  // One that has the dimension without labels has positions.
  ASSERT_THAT(fit.AddGroup("prior").AddVariable("x", {"school"}, Counting({3})), IsOk());
  EXPECT_THAT(fit.Select("school", "Choate"),
              StatusIs(kNotFound,
                       "dimension 'school' of group 'prior': the text 'Choate' is none "
                       "of its 3 positions, and it has no other labels"));
}

TEST(DatasetSelectTest, LabelsThatAreNotThereAreToldWithThoseThatAre) {
  const DatasetGroup posterior = *MakeFit().FindGroup("posterior");
  EXPECT_THAT(posterior.Select("school", "Chote"),
              StatusIs(kNotFound,
                       "dimension 'school' of group 'posterior': there is no label the "
                       "text 'Chote', but 'Choate', 'Deerfield', 'Zürich'"));
  EXPECT_THAT(posterior.Select("draw", 7), StatusIs(kNotFound, HasSubstr("100, 101, 102, 103")));
  EXPECT_THAT(posterior.Select("year", 7),
              StatusIs(kNotFound,
                       "group 'posterior' has no dimension 'year', but 'school', "
                       "'draw', 'chain'"));
  EXPECT_THAT(MakeFit().Select("year", 7),
              StatusIs(kNotFound,
                       "no group has a dimension 'year'; the groups are 'posterior', "
                       "'observed_data'"));
  DatasetGroup many("g");
  ASSERT_THAT(many.AddCoordinate("x", Counting({100})), IsOk());
  EXPECT_THAT(many.Select("x", -1), StatusIs(kNotFound, HasSubstr("18, 19, ... (100)")));
}

TEST(DatasetSelectTest, ADimensionWithoutLabelsHasItsPositions) {
  const DatasetGroup posterior = *MakeFit().FindGroup("posterior");
  const absl::StatusOr<DatasetGroup> second = posterior.Select("chain", 1);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(Numbers(*second->FindVariable("mu")), ElementsAre(54, 55, 56, 57));
  EXPECT_THAT(posterior.Select("chain", 1u), IsOk());
  for (const Cell& label : {Cell(2), Cell(-1), Cell(~uint64_t{0}), Cell("1"), Cell(1.0), Cell()}) {
    EXPECT_THAT(posterior.Select("chain", label),
                StatusIs(kNotFound, HasSubstr("none of its 2 positions")));
  }
}

TEST(DatasetSelectTest, SeveralLabelsComeInTheirOrder) {
  const DatasetGroup posterior = *MakeFit().FindGroup("posterior");
  const std::vector<Cell> labels = {"Zürich", "Choate", "Choate"};
  const absl::StatusOr<DatasetGroup> some = posterior.SelectEach("school", labels);
  ASSERT_THAT(some, IsOk());
  EXPECT_THAT(*some->FindCoordinate("school")->Texts(), ElementsAre("Zürich", "Choate", "Choate"));
  const DatasetVariable last =
      *some->FindVariable("theta")->SelectAt("draw", 3)->SelectAt("chain", 1);
  EXPECT_THAT(Numbers(last), ElementsAre(23, 21, 21));
  // Evenly spaced, it is a view.
  const std::vector<Cell> even = {"Zürich", "Choate"};
  const absl::StatusOr<DatasetGroup> view = posterior.SelectEach("school", even);
  ASSERT_THAT(view, IsOk());
  EXPECT_TRUE(
      Shares(*view->FindVariable("theta")->array(), *posterior.FindVariable("theta")->array()));
  EXPECT_EQ(posterior.SelectEach("school", {})->Extent("school"), 0);
  const std::vector<Cell> bad = {"Zürich", "Chote"};
  EXPECT_THAT(posterior.SelectEach("school", bad), StatusIs(kNotFound, HasSubstr("Chote")));
}

TEST(DatasetSelectTest, RangesIncludeBothEnds) {
  const DatasetGroup posterior = *MakeFit().FindGroup("posterior");
  const absl::StatusOr<DatasetGroup> range = posterior.SelectRange("draw", 101, 102);
  ASSERT_THAT(range, IsOk());
  EXPECT_THAT(Numbers(*range->FindVariable("mu")), ElementsAre(51, 52, 55, 56));
  EXPECT_EQ(posterior.SelectRange("draw", 100.5, 1000)->Extent("draw"), 3);
  EXPECT_EQ(posterior.SelectRange("draw", 102, 101)->Extent("draw"), 0);
  EXPECT_EQ(posterior.SelectRange("chain", 0, 1)->Extent("chain"), 2);
  EXPECT_THAT(posterior.SelectRange("chain", 0, 2), StatusIs(kNotFound));
  EXPECT_THAT(posterior.SelectRange("draw", "a", "b"), StatusIs(kNotFound));
  EXPECT_EQ(MakeFit().SelectRange("draw", 101, 101)->FindGroup("posterior")->Extent("draw"), 1);
}

TEST(DatasetSelectTest, TimesAreLabels) {
  const Dataset fit = MakeFit();
  const absl::Time second = absl::FromCivil(absl::CivilDay(2026, 11, 2), absl::UTCTimeZone());
  const absl::StatusOr<Dataset> day = fit.Select("day", second);
  ASSERT_THAT(day, IsOk());
  EXPECT_THAT(*day->Find("observed_data", "note")->Texts(), ElementsAre("d", "eee", "f"));
  EXPECT_THAT(fit.Select("day", absl::CivilDay(2026, 11, 2)), IsOk());
  EXPECT_EQ(fit.SelectRange("day", second, absl::InfiniteFuture())
                ->FindGroup("observed_data")
                ->Extent("day"),
            1);
  EXPECT_THAT(fit.Select("day", second + absl::Seconds(1)),
              StatusIs(kNotFound, HasSubstr("2026-11-01T00:00:00+00:00")));
}

// ---- By position

TEST(DatasetSelectTest, PositionsAndSlicesAreViews) {
  const Dataset fit = MakeFit();
  const absl::StatusOr<Dataset> third = fit.SelectAt("school", 2);
  ASSERT_THAT(third, IsOk());
  EXPECT_THAT(Numbers(*third->Find("observed_data", "y")), ElementsAre(2));
  EXPECT_THAT(*third->FindGroup("posterior")->FindCoordinate("school")->Texts(),
              ElementsAre("Zürich"));
  const absl::StatusOr<Dataset> odd = fit.Slice("draw", 3, -1, -2);
  ASSERT_THAT(odd, IsOk());
  EXPECT_THAT(Numbers(*odd->FindGroup("posterior")->FindCoordinate("draw")), ElementsAre(103, 101));
  EXPECT_THAT(Numbers(*odd->Find("posterior", "mu")), ElementsAre(53, 51, 57, 55));
  EXPECT_TRUE(
      Shares(*odd->Find("posterior", "mu")->array(), *fit.Find("posterior", "mu")->array()));
  // Labels still lead to where they are now.
  EXPECT_EQ(*odd->FindGroup("posterior")->PositionOf("draw", 101), 1);
}

TEST(DatasetSelectTest, PositionsOutsideAreRefused) {
  const Dataset fit = MakeFit();
  EXPECT_THAT(fit.SelectAt("school", 3),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "group 'posterior': variable 'school': position 3 is not inside dimension "
                       "'school' of extent 3"));
  EXPECT_THAT(fit.SelectAt("school", -1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(fit.Slice("school", 0, 4), StatusIs(kInvalid, HasSubstr("the range leaves it")));
  EXPECT_THAT(fit.Slice("school", 2, 1), StatusIs(kInvalid));
  EXPECT_THAT(fit.Slice("school", 3, 0, -1), StatusIs(kInvalid));
  EXPECT_THAT(fit.Slice("school", 0, 1, 0), StatusIs(kInvalid, HasSubstr("the step is 0")));
  EXPECT_THAT(fit.Take("school", {0, 3}), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(fit.Take("year", {0}), StatusIs(kNotFound));
  EXPECT_THAT(
      fit.Find("posterior", "mu")->SelectAt("school", 0),
      StatusIs(kNotFound, "variable 'mu': it has no dimension 'school', but (chain, draw)"));
}

// Against the plain definition, for arrays and columns alike.
TEST(DatasetSelectTest, EveryPartHasTheElementsThatItShould) {
  const int64_t kShape[] = {2, 3, 4};
  std::vector<std::string> texts;
  for (int i = 0; i < 24; ++i) texts.push_back(absl::StrCat(i));
  DatasetVariable array = {.name = "x", .dimensions = {"a", "b", "c"}, .data = Counting(kShape)};
  DatasetVariable column = array;
  column.data = ShapedColumn(*ToColumn(texts), {2, 3, 4});
  const auto expect = [&](const char* dimension, std::vector<int64_t> positions) {
    SCOPED_TRACE(absl::StrCat(dimension, ": ", absl::StrJoin(positions, " ")));
    const size_t axis = *array.dimensions.Axis(dimension);
    std::vector<double> wanted;
    for (int64_t i = 0; i < 24; ++i) {
      const int64_t index[] = {i / 12, i / 4 % 3, i % 4};
      if (std::find(positions.begin(), positions.end(), index[axis]) != positions.end()) {
        wanted.push_back(static_cast<double>(i));
      }
    }
    std::vector<std::string> wanted_texts;
    for (const double number : wanted) wanted_texts.push_back(absl::StrCat(number));
    EXPECT_EQ(Numbers(*array.Take(dimension, positions)), wanted);
    EXPECT_EQ(*column.Take(dimension, positions)->Texts(), wanted_texts);
    if (positions.size() == 1) {
      EXPECT_EQ(Numbers(*array.SelectAt(dimension, positions[0])), wanted);
      EXPECT_EQ(*column.SelectAt(dimension, positions[0])->Texts(), wanted_texts);
    }
  };
  for (const char* dimension : {"a", "b", "c"}) {
    const int64_t extent = array.shape()[*array.dimensions.Axis(dimension)];
    for (int64_t subset = 0; subset < (1 << extent); ++subset) {
      std::vector<int64_t> positions;
      for (int64_t i = 0; i < extent; ++i) {
        if ((subset >> i & 1) != 0) positions.push_back(i);
      }
      expect(dimension, positions);
    }
  }
}

TEST(DatasetSelectTest, OnePieceOfAColumnIsAView) {
  const DatasetVariable note = *MakeFit().Find("observed_data", "note");
  EXPECT_EQ(note.SelectAt("day", 1)->column()->data(), note.column()->data());
  EXPECT_NE(note.SelectAt("school", 1)->column()->data(), note.column()->data());
  EXPECT_EQ(note.Slice("school", 0, 3)->column()->data(), note.column()->data());
  EXPECT_THAT(*note.SelectAt("school", 1)->Texts(), ElementsAre("", "eee"));
  EXPECT_EQ(note.SelectAt("school", 1)->attributes.at("by"), Value("hand"));
}

TEST(DatasetSelectTest, EmptyDimensionsHaveEmptyParts) {
  const DatasetVariable none = {.name = "x",
                                .dimensions = {"a", "b"},
                                .data = ShapedColumn(*ToColumn(Labels{}), {0, int64_t{1} << 40})};
  EXPECT_THAT(none.SelectAt("b", 7)->shape(), ElementsAre(0));
  EXPECT_THAT(none.Slice("b", 0, 9, 2)->shape(), ElementsAre(0, 5));
  EXPECT_THAT(none.SelectAt("a", 0), StatusIs(absl::StatusCode::kOutOfRange));
}

// ---- Labels

template <typename T>
VariableData Array(const std::vector<T>& values) {
  return *NdArray<const T>::Borrow(values).Copy();
}

TEST(LabelIndexTest, NumbersAreOneLabelWhateverTheirTypes) {
  const std::vector<double> reals = {-1, 0.5, 3, 1e300, -0.0};
  const LabelIndex index(Array(reals));
  EXPECT_EQ(*index.Find(3), 2);
  EXPECT_EQ(*index.Find(3u), 2);
  EXPECT_EQ(*index.Find(3.0f), 2);
  EXPECT_EQ(*index.Find(0.5), 1);
  EXPECT_EQ(*index.Find(0), 4);
  EXPECT_EQ(*index.Find(1e300), 3);
  EXPECT_THAT(index.Find("3"), StatusIs(kNotFound));
  EXPECT_THAT(index.Find(true), StatusIs(kNotFound));
  const std::vector<uint64_t> large = {~uint64_t{0}, 1, uint64_t{1} << 63};
  const LabelIndex of_large(Array(large));
  EXPECT_EQ(*of_large.Find(~uint64_t{0}), 0);
  EXPECT_EQ(*of_large.Find(9223372036854775808.0), 2);
  EXPECT_THAT(of_large.Find(-1), StatusIs(kNotFound));
  EXPECT_THAT(of_large.Find(18446744073709551616.0), StatusIs(kNotFound)) << "2^64";
}

TEST(LabelIndexTest, ALabelThatComesTwiceIsNotGuessed) {
  const std::vector<int32_t> labels = {1, 2, 1};
  const LabelIndex index(Array(labels));
  EXPECT_EQ(*index.Find(2), 1);
  EXPECT_THAT(index.Find(1), StatusIs(kInvalid, HasSubstr("comes more than once")));
  EXPECT_THAT(index.FindRange(1, 2), StatusIs(kInvalid));
}

TEST(LabelIndexTest, MissingValuesAndNansAreNoLabels) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const LabelIndex index(Array(std::vector<double>{1, nan, nan}));
  EXPECT_EQ(*index.Find(1), 0);
  EXPECT_THAT(index.Find(nan), StatusIs(kInvalid, HasSubstr("is no label")));
  EXPECT_THAT(index.Find(Cell()), StatusIs(kInvalid, HasSubstr("is no label")));
  const LabelIndex of_column(
      *ToColumn(std::vector<std::optional<int64_t>>{std::nullopt, 5, std::nullopt}));
  EXPECT_EQ(*of_column.Find(5), 1);
  EXPECT_EQ(of_column.FindRange(5, 5)->begin, 1);
}

TEST(LabelIndexTest, LabelsOfEveryKindAreFound) {
  const auto find = [](VariableData labels, const Cell& label) {
    return LabelIndex(std::move(labels)).Find(label);
  };
  EXPECT_THAT(find(*TextArray({"ab", "é"}), "é"), tests::IsOkAndHolds(1));
  EXPECT_THAT(find(*BytesArray({"ab", "c"}), "c"), tests::IsOkAndHolds(1));
  EXPECT_THAT(find(Array(std::vector<Float16>{Float16(0.5f)}), 0.5), tests::IsOkAndHolds(0));
  EXPECT_THAT(find(Array(std::vector<float>{1, 2.5}), 2.5), tests::IsOkAndHolds(1));
  const NdArray<bool> truths = *NdArray<bool>::Create({2});
  truths(1) = true;
  EXPECT_THAT(find(truths, true), tests::IsOkAndHolds(1));
  EXPECT_THAT(find(*ToColumn(std::vector<bool>{true, false}), false), tests::IsOkAndHolds(1));
  EXPECT_THAT(find(*ToColumn(std::vector<absl::CivilDay>{absl::CivilDay(2026, 1, 1),
                                                         absl::CivilDay(2026, 1, 2)}),
                   absl::CivilDay(2026, 1, 2)),
              tests::IsOkAndHolds(1));
  EXPECT_THAT(find(*ToColumn(std::vector<absl::Duration>{absl::Seconds(1), absl::Hours(1)}),
                   absl::Minutes(60)),
              tests::IsOkAndHolds(1));
  ColumnBuilder categories(ColumnType::Categorical(ColumnType::Of<int64_t>()));
  for (const int label : {30, 10, 20}) ASSERT_THAT(categories.Append(label), IsOk());
  EXPECT_THAT(find(*categories.Finish(), 20), tests::IsOkAndHolds(2));
}

TEST(LabelIndexTest, WhatHasNoLabelsSaysSo) {
  EXPECT_THAT(LabelIndex(Array(std::vector<std::complex<double>>{{1, 2}})).Find(1),
              StatusIs(kInvalid, HasSubstr("complex128 has no labels")));
  ColumnBuilder lists(ColumnType::List(ColumnType::Of<int64_t>()));
  ASSERT_THAT(lists.AppendNull(), IsOk());
  EXPECT_THAT(LabelIndex(*lists.Finish()).Find(1), StatusIs(kInvalid, HasSubstr("list[int64]")));
}

TEST(LabelIndexTest, RangesOfAscendingLabelsNeedNotBeThere) {
  const LabelIndex index(Array(std::vector<double>{1, 2, 2, 4, 8}));
  const auto range = [&](const Cell& from, const Cell& to) {
    const absl::StatusOr<LabelRange> found = index.FindRange(from, to);
    return found.ok() ? std::pair(found->begin, found->end) : std::pair<int64_t, int64_t>(-1, -1);
  };
  EXPECT_THAT(range(2, 4), Pair(1, 4));
  EXPECT_THAT(range(0, 100), Pair(0, 5));
  EXPECT_THAT(range(3, 3.5), Pair(3, 3));
  EXPECT_THAT(range(8, 1), Pair(4, 4));
  EXPECT_THAT(range(2, 2), Pair(1, 3));
  EXPECT_THAT(range(9, 10), Pair(5, 5));
  const LabelIndex texts(*ToColumn({"b", "d", "f"}));
  EXPECT_EQ(texts.FindRange("a", "e")->end, 2);
  EXPECT_THAT(texts.FindRange("a", 7), StatusIs(kNotFound));
}

TEST(LabelIndexTest, RangesOfOtherLabelsGoFromOneToTheOther) {
  const LabelIndex index(*ToColumn({"c", "a", "b"}));
  EXPECT_EQ(index.FindRange("c", "a")->end, 2);
  EXPECT_EQ(index.FindRange("b", "c")->begin, index.FindRange("b", "c")->end);
  EXPECT_THAT(index.FindRange("aa", "b"), StatusIs(kNotFound));
}

TEST(LabelIndexTest, ThreadsMayLookUpAtOnce) {
  DatasetGroup group("g");
  Labels labels;
  for (int i = 0; i < 1000; ++i) labels.push_back(absl::StrCat("label", i));
  ASSERT_THAT(group.AddCoordinate("x", labels), IsOk());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&group, i] {
      EXPECT_THAT(group.PositionOf("x", absl::StrCat("label", 250 * i)),
                  tests::IsOkAndHolds(250 * i));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(LabelIndexTest, LongCategoriesAreLookedAtOnce) {
  const std::string name(1 << 20, 'x');
  NdArray<int8_t> rows = *NdArray<int8_t>::Create({10000});
  rows(0) = 1;
  const Column categories = *ToColumn(std::vector<std::string>{name, "other"});
  const LabelIndex index{ShapedColumn(*Column::Categorical(rows, categories))};
  EXPECT_THAT(index.Find("other"), IsOk());
  EXPECT_THAT(index.Find(name), StatusIs(kInvalid, HasSubstr("more than once")));
}

TEST(LabelIndexTest, AnEmptyCoordinateHasEmptyRanges) {
  const LabelIndex index{ShapedColumn(*ToColumn(std::vector<double>{}))};
  const absl::StatusOr<LabelRange> range = index.FindRange(0.0, 5.0);
  ASSERT_THAT(range, IsOk());
  EXPECT_EQ(range->begin, range->end);
  EXPECT_THAT(index.Find(0.0), StatusIs(kNotFound));
}

TEST(LabelIndexTest, LabelsOfHalfPrecisionAreFoundInColumns) {
  NdArray<Float16> halves = *NdArray<Float16>::Create({3});
  for (int64_t i = 0; i < 3; ++i) halves(i) = Float16(static_cast<float>(i) / 2);
  const LabelIndex index(ShapedColumn(*Column::FromArray(halves)));
  EXPECT_EQ(index.Find(0.5).value(), 1);
}

TEST(DatasetSelectTest, AnEmptyDimensionCanBeReversed) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("x", {"a"}, *NdArray<double>::Create({0})), IsOk());
  EXPECT_THAT(group.Slice("a", -1, -1, -1), IsOk());
}

TEST(DatasetSelectTest, PartsOfManyVariablesShareTheirNames) {
  DatasetGroup group("g");
  const Dimensions along = {"a", "b"};
  for (const char* name : {"x", "y"}) {
    ASSERT_THAT(group.AddVariable(name, along, *NdArray<double>::Create({2, 3})), IsOk());
  }
  const absl::StatusOr<DatasetGroup> part = group.SelectAt("a", 1);
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(&part->FindVariable("x")->dimensions.names(),
            &part->FindVariable("y")->dimensions.names());
}

}  // namespace
}  // namespace slabpipe
