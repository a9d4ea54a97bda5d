#include "slabpipe/examples/eight_schools/diagnostics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eight_schools {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// [chain][draw]
struct Draws {
  int64_t chains;
  int64_t draws;
  std::vector<double> values;

  DrawsView View() const { return {.values = values, .chains = chains, .draws = draws}; }
};

Diagnostics Diagnosed(const Draws& draws) {
  const absl::StatusOr<Diagnostics> result = Diagnose(draws.View());
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(Diagnostics{});
}

std::array<double, 10> AllFigures(const Diagnostics& d) {
  return {d.mean, d.sd,       d.q05,      d.q50,      d.q95,
          d.rhat, d.ess_bulk, d.ess_tail, d.ess_mean, d.mcse_mean};
}

// Normal draws that have the autocorrelation `rho` to the power of the lag; chain c is moved by
// c * shift.
Draws Autoregressive(int64_t chains, int64_t draws, double rho, double shift = 0) {
  std::mt19937_64 random(20210613);
  const auto normal = [&random] {
    return NormalQuantile((static_cast<double>(random() >> 12) + 0.5) * 0x1p-52);
  };
  Draws result = {.chains = chains, .draws = draws, .values = {}};
  for (int64_t chain = 0; chain < chains; ++chain) {
    double x = normal();
    for (int64_t draw = 0; draw < draws; ++draw) {
      result.values.push_back(x + static_cast<double>(chain) * shift);
      x = rho * x + std::sqrt(1 - rho * rho) * normal();
    }
  }
  return result;
}

// ---- The normal quantile function

TEST(NormalQuantileTest, AgreesWithPublishedValues) {
  EXPECT_EQ(NormalQuantile(0.5), 0);
  // The test values that Wichura (1988) gives for PPND16.
  EXPECT_NEAR(NormalQuantile(0.25), -0.6744897501960817, 1e-15);
  EXPECT_NEAR(NormalQuantile(0.001), -3.090232306167814, 4e-15);
  EXPECT_NEAR(NormalQuantile(1e-20), -9.262340089798408, 1e-14);
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 2e-15);
}

TEST(NormalQuantileTest, InvertsTheDistributionFunctionFromTailToTail) {
  for (double x = -37; x <= 0; x += 0.0625) {
    const double probability = 0.5 * std::erfc(-x / std::sqrt(2.0));
    // What erfc's own rounding of the probability amounts to, far out, is below 1e-14 of x.
    EXPECT_NEAR(NormalQuantile(probability), x, 1e-14 * std::max(1.0, -x)) << x;
    if (x >= -5) {
      EXPECT_NEAR(NormalQuantile(1 - probability), -x, 1e-10) << x;
    }
  }
}

TEST(NormalQuantileTest, IsInfiniteAtTheEndsAndNanBeyondThem) {
  EXPECT_EQ(NormalQuantile(0), -kInfinity);
  EXPECT_EQ(NormalQuantile(1), kInfinity);
  EXPECT_TRUE(std::isnan(NormalQuantile(-1e-300)));
  EXPECT_TRUE(std::isnan(NormalQuantile(1.0000001)));
  EXPECT_TRUE(std::isnan(NormalQuantile(kNan)));
}

// ---- Against the R package posterior

// Draws that any language can make to the last bit: the generator of Park and Miller (1988), drawn
// from in the order of the chains, drives an autoregressive chain.
struct GoldenCase {
  std::string name;
  int64_t chains;
  int64_t draws;
  double rho;
  double start = 0;  // of each chain
  double shift = 0;  // of chain c, by c * shift
  double noise = 0;  // how much of what drives the chain is added to it once more
  std::function<double(double)> transform = [](double x) { return x; };
  double tolerance = 1e-10;  // relative
  // What R 4.2.2's mean, sd and quantile, and posterior 1.4.0's rhat, ess_bulk, ess_tail, ess_mean
  // and mcse_mean say of them.
  std::array<double, 10> want;
};

Draws MakeDraws(const GoldenCase& golden) {
  Draws result = {.chains = golden.chains, .draws = golden.draws, .values = {}};
  int64_t state = 1;
  for (int64_t chain = 0; chain < golden.chains; ++chain) {
    double x = golden.start;
    for (int64_t draw = 0; draw < golden.draws; ++draw) {
      state = state * 16807 % 2147483647;
      const double driver = static_cast<double>(state) / 2147483647;
      x = golden.rho * x + driver;
      result.values.push_back(
          golden.transform(x + golden.shift * static_cast<double>(chain) + golden.noise * driver));
    }
  }
  return result;
}

std::vector<GoldenCase> GoldenCases() {
  return {
      {.name = "Correlated",
       .chains = 4,
       .draws = 50,
       .rho = 0.5,
       .want = {0.982014758886532, 0.348009432768433, 0.413702436056862, 0.955189020699303,
                1.51015818048991, 1.06554828342083, 66.1921696359418, 144.898369893338,
                64.2370444268957, 0.0434208419424859}},
      {.name = "TiesShiftedChainsAndAnOddNumberOfDraws",
       .chains = 3,
       .draws = 51,
       .rho = 0.8,
       .shift = 0.1,
       .transform = [](double x) { return std::floor(8 * x); },
       .want = {18.7058823529412, 5.68571889744867, 6, 20, 25.4, 1.26853794359435, 11.0872185865811,
                48.6066987383135, 11.3745868131793, 1.68584471767206}},
      {.name = "OneChainThatAlternates",
       .chains = 1,
       .draws = 30,
       .rho = -0.6,
       .want = {0.295820838257845, 0.317134115537268, -0.25168255048155, 0.363516887299596,
                0.701878018305082, 0.995462653097551, 44.3136376415899, 38.6503067484663,
                44.3136376415899, 0.0476402753011568}},
      {.name = "HalvesOfThreeDraws",
       .chains = 2,
       .draws = 7,
       .rho = 0.9,
       .want = {1.57763773538711, 0.956219743637, 0.0855068799483156, 1.61846135080532,
                2.95558284483508, 2.06467791832221, 6, 6, 6, 0.390375075647599}},
      {.name = "CappedBecauseTheChainsAlternate",
       .chains = 3,
       .draws = 999,
       .rho = -0.97,
       .want = {0.251793232516863, 1.08459733988896, -1.59892504711326, 0.25286882469305,
                2.09730796241872, 1.02676694437073, 10407.8978772451, 357.148220776314,
                10407.8978772451, 0.0106313159195292}},
      {.name = "ChainsThatHaveNotConverged",
       .chains = 4,
       .draws = 200,
       .rho = 0.99,
       .transform = [](double x) { return x * x * x; },
       .want = {33011.8508491618, 25386.2410453694, 118.912570788194, 32008.2223695234,
                74495.5634214477, 1.77444930317356, 6.14274293469528, 25.8664624198244,
                5.21176553689732, 11120.0301441914}},
      {.name = "SoSlowThatDrawsAreAveraged",
       .chains = 4,
       .draws = 30000,
       .rho = 0.999,
       .start = 500,
       .noise = 20,
       .tolerance = 0.03,
       .want = {510.195762610318, 8.06683402652146, 497.093810724272, 510.171919064779,
                523.435331599441, 1.02298354015316, 191.079808245466, 414.833875117433,
                193.441544083832, 0.580000337719512}},
  };
}

class GoldenTest : public testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenTest, AgreesWithThePosteriorPackage) {
  const GoldenCase& golden = GetParam();
  const std::array<double, 10> got = AllFigures(Diagnosed(MakeDraws(golden)));
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], golden.want[i], golden.tolerance * std::abs(golden.want[i]))
        << "figure " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Diagnose, GoldenTest, testing::ValuesIn(GoldenCases()),
                         [](const testing::TestParamInfo<GoldenCase>& info) {
                           return info.param.name;
                         });

// ---- Known values

TEST(DiagnoseTest, MomentsAndQuantilesAreThoseComputedByHand) {
  const Diagnostics figures = Diagnosed({.chains = 1, .draws = 5, .values = {50, 10, 40, 20, 30}});
  EXPECT_EQ(figures.mean, 30);
  EXPECT_DOUBLE_EQ(figures.sd, std::sqrt(250));
  EXPECT_DOUBLE_EQ(figures.q05, 12);  // 0.2 of the way from the first to the second
  EXPECT_EQ(figures.q50, 30);
  EXPECT_DOUBLE_EQ(figures.q95, 48);
}

TEST(DiagnoseTest, MedianOfAnEvenNumberOfDrawsIsBetweenTheMiddleTwo) {
  EXPECT_EQ(Diagnosed({.chains = 2, .draws = 2, .values = {4, 1, 3, 100}}).q50, 3.5);
}

TEST(DiagnoseTest, IndependentDrawsAreWorthThemselves) {
  const Diagnostics figures = Diagnosed(Autoregressive(4, 20000, 0));
  EXPECT_NEAR(figures.rhat, 1, 0.001);
  EXPECT_NEAR(figures.ess_bulk, 80000, 4000);
  EXPECT_NEAR(figures.ess_tail, 80000, 4000);
  EXPECT_NEAR(figures.ess_mean, 80000, 4000);
  EXPECT_NEAR(figures.mcse_mean, 1 / std::sqrt(80000), 1e-4);
  EXPECT_NEAR(figures.mean, 0, 4 * figures.mcse_mean);
}

TEST(DiagnoseTest, AutoregressiveChainsHaveTheirKnownEffectiveSampleSize) {
  for (const double rho : {-0.5, 0.3, 0.5, 0.9}) {
    const Diagnostics figures = Diagnosed(Autoregressive(4, 50000, rho));
    const double want = 200000 * (1 - rho) / (1 + rho);
    EXPECT_NEAR(figures.ess_mean, want, 0.06 * want) << rho;
    EXPECT_NEAR(figures.ess_bulk, want, 0.06 * want) << rho;
    EXPECT_NEAR(figures.rhat, 1, 0.001) << rho;
  }
}

TEST(DiagnoseTest, ShiftedChainsHaveALargeRhat) {
  EXPECT_GT(Diagnosed(Autoregressive(4, 1000, 0, /*shift=*/1)).rhat, 1.4);
  EXPECT_GT(Diagnosed(Autoregressive(4, 1000, 0, /*shift=*/0.3)).rhat, 1.03);
}

TEST(DiagnoseTest, ChainsOfDifferentSpreadHaveALargeRhatThoughTheirMeansAgree) {
  Draws draws = Autoregressive(4, 1000, 0);
  for (int64_t i = 0; i < draws.draws; ++i) draws.values[i] *= 5;  // the first chain
  EXPECT_GT(Diagnosed(draws).rhat, 1.1);
}

TEST(DiagnoseTest, AChainThatDriftsHasALargeRhatByItself) {
  Draws draws = Autoregressive(1, 1000, 0);
  for (int64_t i = 0; i < draws.draws; ++i) draws.values[i] += static_cast<double>(i) / 300;
  EXPECT_GT(Diagnosed(draws).rhat, 1.2);
}

// The criterion wants every lag of these: more than are allowed for 80,000 draws.
TEST(DiagnoseTest, ManyDrawsOfStuckChainsAreWorthAFew) {
  const Diagnostics figures = Diagnosed(Autoregressive(4, 20000, 0.5, /*shift=*/20));
  EXPECT_GT(figures.rhat, 2);
  EXPECT_NEAR(figures.ess_mean, 4, 1);
  EXPECT_NEAR(figures.ess_bulk, 4, 2);
}

TEST(DiagnoseTest, FiguresOfAQuantityBetweenOthersAreThoseOfItsCopy) {
  const Draws draws = Autoregressive(3, 41, 0.4);
  const int64_t stride = 5;
  std::vector<double> between(draws.values.size() * stride, kNan);
  for (size_t i = 0; i < draws.values.size(); ++i) between[2 + i * stride] = draws.values[i];
  // The last draw is the last that is needed: what follows it is not.
  between.resize(between.size() - 2);
  const absl::StatusOr<Diagnostics> figures =
      Diagnose({.values = between, .chains = 3, .draws = 41, .stride = stride, .offset = 2});
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(AllFigures(*figures), AllFigures(Diagnosed(draws)));
}

TEST(DiagnoseTest, MonotoneTransformationsLeaveRanksAndBulkAsTheyAre) {
  Draws draws = Autoregressive(4, 500, 0.5);
  const Diagnostics before = Diagnosed(draws);
  for (double& value : draws.values) value = std::exp(3 * value);
  const Diagnostics after = Diagnosed(draws);
  EXPECT_EQ(after.ess_bulk, before.ess_bulk);
  EXPECT_EQ(after.ess_tail, before.ess_tail);
  EXPECT_NE(after.ess_mean, before.ess_mean);
}

// ---- Edge cases

TEST(DiagnoseTest, ConstantDrawsHaveNeitherRhatNorEffectiveSampleSize) {
  const Diagnostics figures =
      Diagnosed({.chains = 4, .draws = 100, .values = std::vector<double>(400, 2.5)});
  EXPECT_EQ(figures.mean, 2.5);
  EXPECT_EQ(figures.sd, 0);
  EXPECT_EQ(figures.q05, 2.5);
  EXPECT_EQ(figures.q95, 2.5);
  EXPECT_TRUE(std::isnan(figures.rhat));
  EXPECT_TRUE(std::isnan(figures.ess_bulk));
  EXPECT_TRUE(std::isnan(figures.ess_tail));
  EXPECT_TRUE(std::isnan(figures.ess_mean));
  EXPECT_TRUE(std::isnan(figures.mcse_mean));
}

TEST(DiagnoseTest, RhatIsInfiniteIfEachChainIsConstantElsewhere) {
  Draws draws = {.chains = 4, .draws = 10, .values = {}};
  for (int i = 0; i < 40; ++i) draws.values.push_back(i / 10);
  EXPECT_EQ(Diagnosed(draws).rhat, kInfinity);
}

TEST(DiagnoseTest, TailIsUnknownIfNoDrawExceedsTheUpperQuantile) {
  Draws draws = Autoregressive(4, 100, 0);
  for (double& value : draws.values) value = std::min(value, 0.0);
  const Diagnostics figures = Diagnosed(draws);
  EXPECT_TRUE(std::isnan(figures.ess_tail));
  EXPECT_FALSE(std::isnan(figures.ess_bulk));
}

TEST(DiagnoseTest, FewDrawsGiveTheFiguresThatTheyDetermine) {
  const Diagnostics one = Diagnosed({.chains = 1, .draws = 1, .values = {7}});
  EXPECT_EQ(one.mean, 7);
  EXPECT_EQ(one.q05, 7);
  EXPECT_TRUE(std::isnan(one.sd));
  EXPECT_TRUE(std::isnan(one.rhat));
  for (int64_t draws = 1; draws <= 6; ++draws) {
    const Diagnostics figures = Diagnosed(Autoregressive(4, draws, 0));
    EXPECT_FALSE(std::isnan(figures.sd)) << draws;
    EXPECT_EQ(std::isnan(figures.rhat), draws < 4) << draws;
    EXPECT_EQ(std::isnan(figures.ess_bulk), draws < 6) << draws;
    EXPECT_EQ(std::isnan(figures.ess_tail), draws < 6) << draws;
    EXPECT_EQ(std::isnan(figures.ess_mean), draws < 6) << draws;
    EXPECT_EQ(std::isnan(figures.mcse_mean), draws < 6) << draws;
  }
}

TEST(DiagnoseTest, ADrawThatIsNotFiniteMakesAllFiguresNan) {
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    Draws draws = Autoregressive(2, 50, 0);
    draws.values[77] = bad;
    for (const double figure : AllFigures(Diagnosed(draws))) EXPECT_TRUE(std::isnan(figure)) << bad;
  }
}

TEST(DiagnoseTest, DrawsFarFromZeroKeepTheirDigits) {
  Draws draws = Autoregressive(4, 500, 0.3);
  // Multiples of 2^-20, so that adding 2^30 rounds nothing.
  for (double& value : draws.values) value = std::round(value * 0x1p20) * 0x1p-20;
  const Diagnostics near = Diagnosed(draws);
  for (double& value : draws.values) value += 0x1p30;
  const Diagnostics far = Diagnosed(draws);
  EXPECT_NEAR(far.sd, near.sd, 1e-12);
  EXPECT_NEAR(far.ess_mean, near.ess_mean, 1e-4);
  EXPECT_EQ(far.ess_bulk, near.ess_bulk);
}

TEST(DiagnoseTest, RefusesAViewBeyondItsValues) {
  const std::vector<double> values(12);
  const auto status = [&](int64_t chains, int64_t draws, int64_t stride, int64_t offset) {
    return Diagnose({values, chains, draws, stride, offset}).status();
  };
  EXPECT_TRUE(status(2, 6, 1, 0).ok());
  EXPECT_TRUE(status(2, 3, 2, 1).ok());
  EXPECT_TRUE(status(1, 2, 11, 0).ok());
  EXPECT_THAT(std::string(status(2, 6, 1, 1).message()),
              HasSubstr("12 values do not reach 2 chains x 6 draws at stride 1 from offset 1"));
  const int64_t huge = std::numeric_limits<int64_t>::max();
  for (const absl::Status& refused :
       {status(2, 6, 1, 1), status(13, 1, 1, 0), status(2, 3, 2, 2), status(0, 6, 1, 0),
        status(2, 0, 1, 0), status(2, 6, 0, 0), status(2, 6, -1, 11), status(2, 6, 1, -1),
        status(huge, huge, 1, 0), status(2, 6, huge, 0), status(2, 6, 1, huge),
        status(huge, 1, 1, huge)}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
  }
}

}  // namespace
}  // namespace eight_schools
