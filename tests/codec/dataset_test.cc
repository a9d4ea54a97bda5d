#include "slabpipe/codec/dataset.h"

#include <complex>
#include <cstdint>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/float16.h"
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
using ::testing::Not;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

// Names

TEST(DimensionsTest, CopiesShareTheNames) {
  const Dimensions a = {"chain", "draw"};
  const Dimensions b = a;
  EXPECT_EQ(&a.names(), &b.names());
  EXPECT_EQ(a, (Dimensions{"chain", "draw"}));
  EXPECT_NE(a, (Dimensions{"draw", "chain"}));
  EXPECT_EQ(&Dimensions().names(), &Dimensions{}.names()) << "all scalars share one";
}

TEST(DimensionsTest, AxesAreFoundByName) {
  const Dimensions names = {"chain", "draw"};
  EXPECT_EQ(names.Axis("draw"), 1u);
  EXPECT_EQ(names.Axis("school"), std::nullopt);
  EXPECT_THAT(names.Without(0), ElementsAre("draw"));
  EXPECT_EQ(names.Describe(), "(chain, draw)");
  EXPECT_EQ(Dimensions().Describe(), "()");
}

// Variables

TEST(DatasetVariableTest, ArraysComeAsTheirType) {
  const Dataset fit = MakeFit();
  const DatasetVariable& mu = *fit.Find("posterior", "mu");
  EXPECT_THAT(mu.Array<const double>(), IsOk());
  EXPECT_THAT(mu.Array<const float>(),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'mu'"), HasSubstr("float64"))));
  EXPECT_THAT(mu.View<double>(),
              StatusIs(kInvalid,
                       "variable 'mu': it is an array of float64, wanted a column: take "
                       "it with Array<T>()"));
  EXPECT_EQ(mu.TypeName(), "float64");
  EXPECT_EQ(mu.size(), 8);
}

TEST(DatasetVariableTest, ColumnsComeAsViews) {
  const Dataset fit = MakeFit();
  const DatasetVariable& day = *fit.FindGroup("observed_data")->FindCoordinate("day");
  EXPECT_EQ((*day.View<absl::Time>())[1],
            absl::FromCivil(absl::CivilDay(2026, 11, 2), absl::UTCTimeZone()));
  EXPECT_THAT(day.View<double>(), StatusIs(kInvalid, HasSubstr("variable 'day'")));
  EXPECT_THAT(day.Array<const double>(),
              StatusIs(kInvalid,
                       "variable 'day': it is a column of timestamp[s, UTC], wanted an "
                       "array: take it with View<T>()"));
  const DatasetVariable& grade = *fit.Find("observed_data", "grade");
  EXPECT_EQ((*grade.View<absl::string_view>())[1], std::nullopt);
  EXPECT_EQ((*grade.View<absl::string_view>())[2], "fair");
  EXPECT_THAT(fit.Find("observed_data", "note")->shape(), ElementsAre(2, 3));
}

TEST(DatasetVariableTest, TextsComeFromColumnsAndArrays) {
  const Dataset fit = MakeFit();
  EXPECT_THAT(fit.FindGroup("posterior")->FindCoordinate("school")->Texts(),
              tests::IsOkAndHolds(ElementsAre("Choate", "Deerfield", "Zürich")));
  const DatasetVariable fixed = {
      .name = "f", .dimensions = {"f"}, .data = *TextArray({"p", "qrs"})};
  EXPECT_THAT(fixed.Texts(), tests::IsOkAndHolds(ElementsAre("p", "qrs")));
  EXPECT_THAT(fit.Find("posterior", "mu")->Texts(), StatusIs(kInvalid, HasSubstr("'mu'")));
  EXPECT_THAT(fit.Find("observed_data", "grade")->Texts(),
              StatusIs(kInvalid, "variable 'grade': text 1 is missing"));
}

// Groups

TEST(DatasetGroupTest, FindsWhatIsThereAndNothingElse) {
  const Dataset fit = MakeFit();
  ASSERT_NE(fit.Find("posterior", "theta"), nullptr);
  EXPECT_THAT(fit.Find("posterior", "theta")->shape(), ElementsAre(2, 4, 3));
  EXPECT_EQ(fit.Find("posterior", "school"), nullptr) << "a coordinate is no data variable";
  EXPECT_EQ(fit.Find("posterior", "tau"), nullptr);
  EXPECT_EQ(fit.Find("prior", "theta"), nullptr);
  const DatasetGroup& posterior = *fit.FindGroup("posterior");
  EXPECT_EQ(posterior.FindVariable("mu")->name, "mu");
  EXPECT_EQ(posterior.FindCoordinate("theta"), nullptr);
  EXPECT_EQ(posterior.Extent("chain"), 2);
  EXPECT_EQ(posterior.Extent("school"), 3);
  EXPECT_EQ(posterior.Extent("nowhere"), -1);
  ASSERT_EQ(posterior.dimensions().size(), 3u);
  EXPECT_EQ(posterior.dimensions()[1].name, "draw");
  EXPECT_EQ(posterior.dimensions()[1].extent, 4);
}

TEST(DatasetGroupTest, ArraysAndColumnsAreHeldNotCopied) {
  DatasetGroup group("g");
  const NdArray<double> x = Counting({3});
  ASSERT_THAT(group.AddVariable("x", {"d"}, x), IsOk());
  x(1) = 99;
  EXPECT_EQ((*group.FindVariable("x")->Array<const double>())(1), 99);
  const Column texts = *ToColumn({"a", "b", "c"});
  ASSERT_THAT(group.AddVariable("texts", {"d"}, texts), IsOk());
  EXPECT_EQ(group.FindVariable("texts")->column()->data(), texts.data());
}

TEST(DatasetGroupTest, TheRulesOfDimensionsHold) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("x", {"a", "b"}, Counting({2, 3})), IsOk());
  EXPECT_THAT(group.AddVariable("y", {"a"}, Counting({2, 3})),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'y' of group 'g'"), HasSubstr("(2, 3)"),
                                       HasSubstr("1 dimensions"))));
  EXPECT_THAT(group.AddVariable("y", {"a", "b", "c"}, Counting({2, 3})), StatusIs(kInvalid));
  EXPECT_THAT(group.AddVariable("y", {"b"}, Counting({2})),
              StatusIs(kInvalid, HasSubstr("its extent along 'b' is 2, but that dimension has 3")));
  EXPECT_THAT(group.AddVariable("y", {"c", "c"}, Counting({2, 2})),
              StatusIs(kInvalid, HasSubstr("dimension 'c' comes twice")));
  EXPECT_THAT(group.AddCoordinate("a", Labels{"one"}),
              StatusIs(kInvalid, AllOf(HasSubstr("variable 'a'"), HasSubstr("'a' is 1"))));
  EXPECT_THAT(group.AddCoordinate("a", Counting({2, 2})), StatusIs(kInvalid));
  EXPECT_THAT(group.AddCoordinate("a", Counting({})), StatusIs(kInvalid));
  EXPECT_THAT(group.AddCoordinate("a", {"a", "b"}, Counting({2, 3})),
              StatusIs(kInvalid, HasSubstr("this one has (a, b)")));
  // What was refused has left nothing behind.
  EXPECT_EQ(group.Extent("c"), -1);
  EXPECT_EQ(group.FindVariable("y"), nullptr);
  EXPECT_EQ(group.dimensions().size(), 2u);
  EXPECT_THAT(group.AddVariable("y", {"c"}, Counting({7})), IsOk());
}

TEST(DatasetGroupTest, AColumnHasAsManyValuesAsItsShapeSays) {
  DatasetGroup group("g");
  const Column five = *ToColumn({"a", "b", "c", "d", "e"});
  EXPECT_THAT(group.AddVariable("x", {"a", "b"}, ShapedColumn(five, {2, 3})),
              StatusIs(kInvalid,
                       "variable 'x' of group 'g': its shape is (2, 3), but it has 5 "
                       "values"));
  EXPECT_THAT(group.AddVariable("x", {"a"}, ShapedColumn(five, {-5})), StatusIs(kInvalid));
  const int64_t most = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(group.AddVariable("x", {"a", "b"}, ShapedColumn(five, {most, most})),
              StatusIs(kInvalid));
  EXPECT_THAT(group.AddVariable("x", {"a", "b"}, ShapedColumn(five, {1, 5})), IsOk());
}

TEST(DatasetGroupTest, ANameIsTakenOnce) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("x", {"x"}, Counting({2})), IsOk());
  const auto taken =
      StatusIs(absl::StatusCode::kAlreadyExists, AllOf(HasSubstr("'g'"), HasSubstr("'x' already")));
  EXPECT_THAT(group.AddVariable("x", {"x"}, Counting({2})), taken);
  EXPECT_THAT(group.AddCoordinate("x", Labels{"a", "b"}), taken);
  EXPECT_EQ(group.FindCoordinate("x"), nullptr);
}

TEST(DatasetGroupTest, LabelsAreUtf8) {
  DatasetGroup group("g");
  EXPECT_THAT(
      group.AddCoordinate("x", Labels{"ok", "\xff"}),
      StatusIs(kInvalid, AllOf(HasSubstr("variable 'x' of group 'g'"), HasSubstr("UTF-8"))));
}

TEST(DatasetGroupTest, AnExtentOfZeroIsAnExtent) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("none", {"d"}, Counting({0})), IsOk());
  EXPECT_EQ(group.Extent("d"), 0);
  EXPECT_THAT(group.AddVariable("one", {"d"}, Counting({1})), StatusIs(kInvalid));
  EXPECT_THAT(group.AddCoordinate("d", Labels{}), IsOk());
}

// Datasets

TEST(DatasetObjectTest, AGroupIsMadeOnce) {
  Dataset dataset;
  DatasetGroup& a = dataset.AddGroup("a");
  for (int i = 0; i < 100; ++i) dataset.AddGroup(absl::StrCat("g", i));
  EXPECT_EQ(&dataset.AddGroup("a"), &a);
  EXPECT_EQ(dataset.groups().size(), 101u);
}

TEST(DatasetObjectTest, GroupsOfOtherDatasetsAreAdded) {
  Dataset dataset;
  ASSERT_THAT(dataset.Add(*MakeFit().FindGroup("posterior")), IsOk());
  EXPECT_NE(dataset.Find("posterior", "mu"), nullptr);
  EXPECT_THAT(dataset.Add(DatasetGroup("posterior")),
              StatusIs(absl::StatusCode::kAlreadyExists, "there is a group 'posterior' already"));
}

TEST(DatasetObjectTest, ACopyIsItsOwnButForTheArrays) {
  Dataset fit = MakeFit();
  Dataset copy = fit;
  ASSERT_THAT(copy.AddGroup("posterior").AddVariable("tau", {}, Counting({})), IsOk());
  EXPECT_EQ(fit.Find("posterior", "tau"), nullptr);
  EXPECT_NE(copy.Find("posterior", "tau"), nullptr);
  EXPECT_EQ(copy.Find("posterior", "mu")->array()->origin(),
            fit.Find("posterior", "mu")->array()->origin());
}

TEST(DatasetObjectTest, WhatIsEqualIsTold) {
  EXPECT_TRUE(SameDatasets(MakeFit(), MakeFit()));
  const auto differs = [](auto change) {
    Dataset other = MakeFit();
    change(other);
    return !SameDatasets(MakeFit(), other);
  };
  EXPECT_TRUE(differs([](Dataset& d) { d.attributes().Set("a", 1); }));
  EXPECT_TRUE(differs([](Dataset& d) { d.AddGroup("posterior").attributes().Set("a", 1); }));
  EXPECT_TRUE(differs([](Dataset& d) { d.AddGroup("more"); }));
  EXPECT_TRUE(differs([](Dataset& d) {
    EXPECT_THAT(d.AddGroup("posterior").AddVariable("more", {}, Counting({})), IsOk());
  }));
  const DatasetVariable mu = *MakeFit().Find("posterior", "mu");
  DatasetVariable other = mu;
  EXPECT_TRUE(SameVariables(mu, other));
  other.dimensions = {"draw", "chain"};
  EXPECT_FALSE(SameVariables(mu, other));
  other = mu;
  other.data = Counting({2, 4}, 51);
  EXPECT_FALSE(SameVariables(mu, other));
  other = mu;
  other.attributes.Set("unit", "m");
  EXPECT_FALSE(SameVariables(mu, other));
}

// For people

TEST(DatasetTextTest, LooksAsXarraysDo) {
  std::ostringstream out;
  out << MakeFit();
  EXPECT_EQ(
      out.str(),
      "<dataset of 2 groups>\n"
      "Attributes:\n"
      "    sampler: slice\n"
      "    settings: {\"seed\": 7}\n"
      "\n"
      "<group posterior>\n"
      "Dimensions:  (school: 3, draw: 4, chain: 2)\n"
      "Coordinates:\n"
      "  * school  (school) text 'Choate' 'Deerfield' 'Zürich'\n"
      "  * draw    (draw) float64 100 101 102 103\n"
      "    lucky   (chain, draw) bool false false false false false false true false\n"
      "Data variables:\n"
      "    theta   (chain, draw, school) float64 0 1 2 3 ... 20 21 22 23\n"
      "    mu      (chain, draw) float64 50 51 52 53 54 55 56 57\n"
      "Attributes:\n"
      "    created_by: test\n"
      "\n"
      "<group observed_data>\n"
      "Dimensions:  (day: 2, school: 3)\n"
      "Coordinates:\n"
      "  * day     (day) timestamp[s, UTC] 2026-11-01T00:00:00+00:00 2026-11-02T00:00:00+00:00\n"
      "  * school  (school) text 'Choate' 'Deerfield' 'Zürich'\n"
      "    region  text 'north'\n"
      "Data variables:\n"
      "    y       (school) float64 0 1 2\n"
      "    n       float64 8\n"
      "    grade   (school) categorical[text, ordered] 'good' null 'fair'\n"
      "    note    (day, school) text 'a' '' 'cc' 'd' 'eee' 'f'\n");
}

TEST(DatasetTextTest, LinesAreNoLongerThanAskedFor) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("x", {"d"}, Counting({1000}, 1e6 + 0.5)), IsOk());
  ASSERT_THAT(group.AddCoordinate("d", Labels(1000, std::string(100, 'x'))), IsOk());
  const std::string text = group.ToText({.width = 60});
  EXPECT_THAT(text, HasSubstr("1e+06 1e+06 1e+06 ... 1.001e+06 1.001e+06\n"));
  for (size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
    EXPECT_LE(text.find('\n', begin) - begin, 60u) << text;
  }
}

TEST(DatasetTextTest, LongListsAreCut) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("g");
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(group.AddVariable(absl::StrCat("v", i), {absl::StrCat("d", i)}, Counting({1}, i)),
                IsOk());
    group.attributes().Set(absl::StrCat("a", i), i);
    dataset.AddGroup(absl::StrCat("more", i));
  }
  const std::string text = dataset.ToText({.entries = 3});
  EXPECT_THAT(text, AllOf(HasSubstr("(d0: 1, d1: 1, d2: 1, ...)"),
                          HasSubstr("v2  (d2) float64 2\n    ... (5 altogether)\n"),
                          HasSubstr("a2: 2\n    ... (5 altogether)\n"), HasSubstr("<group more1>"),
                          Not(HasSubstr("<group more2>")), HasSubstr("    ... (6 altogether)\n")));
}

TEST(DatasetTextTest, WhatWouldBreakALineIsEscaped) {
  DatasetGroup group("a\nb");
  ASSERT_THAT(group.AddCoordinate("c\nd", Labels{"e\nf"}), IsOk());
  group.attributes().Set("g\nh", "i\nj");
  EXPECT_EQ(group.ToText(),
            "<group a\\nb>\n"
            "Dimensions:  (c\\nd: 1)\n"
            "Coordinates:\n"
            "  * c\\nd  (c\\nd) text 'e\\nf'\n"
            "Data variables:\n"
            "    none\n"
            "Attributes:\n"
            "    g\\nh: i\\nj\n");
}

TEST(DatasetTextTest, ElementsOfAllTypesAreShown) {
  DatasetGroup group("g");
  const auto add = [&](const char* name, AnyNdArray array) {
    EXPECT_THAT(group.AddVariable(name, {name}, std::move(array)), IsOk());
  };
  const std::vector<uint8_t> bytes = {0, 255};
  const std::vector<std::complex<double>> complexes = {{1, -2}};
  const std::vector<Float16> halves = {Float16(1.5f)};
  add("u8", NdArray<const uint8_t>::Borrow(bytes));
  add("c", NdArray<const std::complex<double>>::Borrow(complexes));
  add("h", NdArray<const Float16>::Borrow(halves));
  add("t", *TextArray({"é", "bc"}));
  add("none", Counting({0}));
  const std::string text = group.ToText();
  EXPECT_THAT(text, AllOf(HasSubstr("(u8) uint8 0 255\n"), HasSubstr("(c) complex128 1-2i\n"),
                          HasSubstr("(h) float16 1.5\n"), HasSubstr("(t) text[2] 'é' 'bc'\n"),
                          HasSubstr("(none) float64\n")));
}

TEST(DatasetTest, ACoordinateOfADimensionsNameIsAlongIt) {
  DatasetGroup group("g");
  ASSERT_THAT(group.AddVariable("v", {"x", "y"}, *NdArray<double>::Create({2, 3})), IsOk());
  EXPECT_THAT(group.AddCoordinate("y", {"x"}, *NdArray<double>::Create({2})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not along it alone")));
  ASSERT_THAT(group.AddCoordinate("z", {}, *NdArray<double>::Create({})), IsOk());
  EXPECT_THAT(group.AddVariable("w", {"z"}, *NdArray<double>::Create({4})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("coordinate 'z'")));
}

TEST(DatasetTest, RefusesEndlessColumnsThatTakeNoBytes) {
  const Column endless = *Column::FromData(std::make_shared<const ColumnData>(ColumnData{
      .type = ColumnType::kNull, .length = int64_t{1} << 40, .null_count = int64_t{1} << 40}));
  DatasetGroup group("g");
  EXPECT_THAT(group.AddVariable("x", {"a"}, endless),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("take no bytes")));
}

TEST(DatasetTest, AVariableMayBeMovedFromAndFilledAgain) {
  DatasetGroup group("g");
  DatasetVariable variable;
  for (const char* name : {"a", "b"}) {
    variable.name = name;
    variable.data = *NdArray<double>::Create({});
    ASSERT_THAT(group.Add(false, std::move(variable)), IsOk());
  }
  EXPECT_EQ(group.variables().size(), 2u);
}

}  // namespace
}  // namespace slabpipe
