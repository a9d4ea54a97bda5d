#include "slabpipe/examples/eight_schools/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/examples/eight_schools/data.h"
#include "slabpipe/examples/eight_schools/diagnostics.h"

namespace eight_schools {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;

double Square(double x) { return x * x; }

// Draws and the memory that they are in.
struct Draws {
  Draws(const Data& data, const SamplerOptions& options)
      : data(data),
        options(options),
        schools(static_cast<int64_t>(data.y.size())),
        rows(options.chains * options.draws),
        mu(rows),
        tau(rows),
        theta(rows * schools),
        lp(rows),
        n_evaluations(rows) {}

  DrawBuffers Buffers() {
    return {.mu = absl::MakeSpan(mu),
            .tau = absl::MakeSpan(tau),
            .theta = absl::MakeSpan(theta),
            .lp = absl::MakeSpan(lp),
            .n_evaluations = absl::MakeSpan(n_evaluations)};
  }

  // theta of school j, not copied. mu, tau and others of that shape: {x, chains, draws}.
  Diagnostics DiagnoseTheta(int64_t j) const {
    return *Diagnose({theta, options.chains, options.draws, schools, j});
  }
  Diagnostics DiagnoseRows(const std::vector<double>& x) const {
    return *Diagnose({x, options.chains, options.draws});
  }

  Data data;
  SamplerOptions options;
  int64_t schools;
  int64_t rows;
  std::vector<double> mu, tau, theta, lp;
  std::vector<int32_t> n_evaluations;
};

Draws Sampled(const Data& data, const SamplerOptions& options) {
  Draws draws(data, options);
  const absl::Status status = Sample(data, options, draws.Buffers());
  EXPECT_TRUE(status.ok()) << status;
  return draws;
}

const SamplerOptions kManyDraws = {.chains = 4, .draws = 25000, .warmup = 100, .seed = 20};

// Other data, so that what holds of eight schools alone is noticed: schools that differ by far more
// than their errors, and a single one.
constexpr std::array<double, 3> kFarApartY = {-40, 3, 55};
constexpr std::array<double, 3> kFarApartSigma = {2, 5, 12};
constexpr std::array<double, 1> kSingleY = {-14};
constexpr std::array<double, 1> kSingleSigma = {4};

std::vector<Data> DataSets() {
  return {EightSchools(), {kFarApartY, kFarApartSigma}, {kSingleY, kSingleSigma}};
}

// ---- The posterior by quadrature: nothing integrated by hand but theta, which given mu and tau is
// a textbook's normal distribution with a normal prior.

// Given mu and tau, theta[j] is normal with this mean and variance.
struct NormalMoments {
  double mean;
  double variance;
};

NormalMoments ThetaGiven(const Data& data, int64_t j, double mu, double tau) {
  const double data_precision = 1 / Square(data.sigma[j]);
  const double prior_precision = 1 / Square(tau);
  const double precision = data_precision + prior_precision;
  return {(data.y[j] * data_precision + mu * prior_precision) / precision, 1 / precision};
}

class ExactPosterior {
 public:
  explicit ExactPosterior(const Data& data) {
    for (double log_tau = -16; log_tau < 9; log_tau += kLogTauStep) {
      for (double mu = -40; mu <= 40; mu += 0.5) {
        const double tau = std::exp(log_tau);
        double density = tau / (1 + Square(tau / 5)) * std::exp(-0.5 * Square(mu / 5));
        for (size_t j = 0; j < data.y.size(); ++j) {
          const double variance = Square(data.sigma[j]) + Square(tau);
          density *= std::exp(-0.5 * Square(data.y[j] - mu) / variance) / std::sqrt(variance);
        }
        points_.push_back({mu, tau, density});
        total_ += density;
      }
    }
  }

  // The posterior expectation of f(mu, tau).
  double Mean(const std::function<double(double, double)>& f) const {
    double sum = 0;
    for (const Point& point : points_) sum += point.density * f(point.mu, point.tau);
    return sum / total_;
  }

  // The first tau not below `tau` that lies between two points: where a probability is exact.
  static double BetweenPoints(double tau) {
    const double steps = std::ceil((std::log(tau) + 16) / kLogTauStep);
    return std::exp(-16 + (steps + 0.5) * kLogTauStep);
  }

 private:
  static constexpr double kLogTauStep = 0x1p-4;
  struct Point {
    double mu;
    double tau;
    double density;
  };
  std::vector<Point> points_;
  double total_ = 0;
};

// Expects the mean of a quantity within 4 standard errors of what it is exactly.
void ExpectMean(const Diagnostics& got, double want) {
  EXPECT_LT(got.rhat, 1.01);
  EXPECT_NEAR(got.mean, want, 4 * got.mcse_mean)
      << "off by " << (got.mean - want) / got.mcse_mean << " MCSE";
}

class PosteriorTest : public testing::TestWithParam<int> {
 protected:
  PosteriorTest()
      : data_(DataSets()[GetParam()]), draws_(Sampled(data_, kManyDraws)), exact_(data_) {}

  // f(mu, tau) of each draw.
  Diagnostics DiagnoseFunction(const std::function<double(double, double)>& f) const {
    std::vector<double> values(draws_.rows);
    std::transform(draws_.mu.begin(), draws_.mu.end(), draws_.tau.begin(), values.begin(), f);
    return draws_.DiagnoseRows(values);
  }

  void ExpectSameMean(const std::function<double(double, double)>& f) const {
    ExpectMean(DiagnoseFunction(f), exact_.Mean(f));
  }

  const Data data_;
  const Draws draws_;
  const ExactPosterior exact_;
};

TEST_P(PosteriorTest, MuAndTauHaveTheirExactMomentsAndCorrelation) {
  ExpectSameMean([](double mu, double) { return mu; });
  ExpectSameMean([](double mu, double) { return mu * mu; });
  ExpectSameMean([](double, double tau) { return tau; });
  ExpectSameMean([](double, double tau) { return std::log(tau); });
  ExpectSameMean([](double, double tau) { return Square(std::log(tau)); });
  ExpectSameMean([](double mu, double tau) { return mu * std::log(tau); });
}

TEST_P(PosteriorTest, TauHasItsExactDistribution) {
  for (const double tau : {0.05, 0.3, 1.0, 3.0, 6.0, 10.0, 30.0, 60.0}) {
    SCOPED_TRACE(tau);
    const double limit = ExactPosterior::BetweenPoints(tau);
    const auto below = [limit](double, double tau) { return tau <= limit ? 1.0 : 0.0; };
    const double want = exact_.Mean(below);
    if (want < 0.001 || want > 0.999) continue;  // too few draws to tell
    ExpectMean(DiagnoseFunction(below), want);
  }
}

TEST_P(PosteriorTest, ThetaHasItsExactMeanAndVariance) {
  for (int64_t j = 0; j < draws_.schools; ++j) {
    SCOPED_TRACE(j);
    ExpectMean(draws_.DiagnoseTheta(j), exact_.Mean([&](double mu, double tau) {
      return ThetaGiven(data_, j, mu, tau).mean;
    }));
    std::vector<double> squares(draws_.rows);
    for (int64_t row = 0; row < draws_.rows; ++row) {
      squares[row] = Square(draws_.theta[row * draws_.schools + j]);
    }
    ExpectMean(draws_.DiagnoseRows(squares), exact_.Mean([&](double mu, double tau) {
      const NormalMoments theta = ThetaGiven(data_, j, mu, tau);
      return Square(theta.mean) + theta.variance;
    }));
  }
}

// theta's normal scores given mu and tau are standard normal, and tell nothing of one another or
// of mu and tau.
TEST_P(PosteriorTest, ThetaGivenMuAndTauFollowsItsClosedForm) {
  const double n = static_cast<double>(draws_.rows);
  double previous_product = 0, mu_product = 0, last_score = 0;
  for (int64_t j = 0; j < draws_.schools; ++j) {
    double sum = 0, squares = 0, within_one = 0;
    for (int64_t row = 0; row < draws_.rows; ++row) {
      const NormalMoments want = ThetaGiven(data_, j, draws_.mu[row], draws_.tau[row]);
      const double theta = draws_.theta[row * draws_.schools + j];
      const double score = (theta - want.mean) / std::sqrt(want.variance);
      sum += score;
      squares += Square(score);
      within_one += std::abs(score) < 1 ? 1 : 0;
      previous_product += score * last_score;
      mu_product += score * (draws_.mu[row] - 4) / 4;
      last_score = score;
    }
    EXPECT_NEAR(sum / n, 0, 4 / std::sqrt(n)) << j;
    EXPECT_NEAR(squares / n, 1, 4 * std::sqrt(2 / n)) << j;
    EXPECT_NEAR(within_one / n, 0.682689, 4 * 0.4655 / std::sqrt(n)) << j;
  }
  const double all = n * static_cast<double>(draws_.schools);
  EXPECT_NEAR(previous_product / all, 0, 4 / std::sqrt(all));
  EXPECT_NEAR(mu_product / all, 0, 8 / std::sqrt(all));
}

TEST_P(PosteriorTest, LpIsTheJointLogDensity) {
  const auto log_normal = [](double x, double mean, double sd) {
    return -0.5 * std::log(2 * std::numbers::pi) - std::log(sd) - 0.5 * Square((x - mean) / sd);
  };
  for (int64_t row = 0; row < draws_.rows; row += 97) {
    const double mu = draws_.mu[row], tau = draws_.tau[row];
    double want =
        log_normal(mu, 0, 5) + std::log(2 / (std::numbers::pi * 5 * (1 + Square(tau / 5))));
    for (int64_t j = 0; j < draws_.schools; ++j) {
      const double theta = draws_.theta[row * draws_.schools + j];
      want += log_normal(theta, mu, tau) + log_normal(data_.y[j], theta, data_.sigma[j]);
    }
    // theta - mu has lost digits where tau is small: as many as tau is below mu.
    EXPECT_NEAR(draws_.lp[row], want, 1e-12 * std::abs(want) * std::max(1.0, 100 / tau)) << row;
  }
}

TEST_P(PosteriorTest, ChainsMixAndTakeFewEvaluations) {
  EXPECT_THAT(draws_.n_evaluations, Each(Ge(2)));
  double sum = 0;
  for (const int32_t evaluations : draws_.n_evaluations) sum += evaluations;
  EXPECT_LT(sum / static_cast<double>(draws_.rows), 8);
  const Diagnostics tau = draws_.DiagnoseRows(draws_.tau);
  EXPECT_LT(tau.rhat, 1.001);
  EXPECT_GT(tau.ess_bulk, 0.3 * static_cast<double>(draws_.rows));
  EXPECT_GT(tau.ess_tail, 0.3 * static_cast<double>(draws_.rows));
}

INSTANTIATE_TEST_SUITE_P(DataSets, PosteriorTest, testing::Values(0, 1, 2));

// ---- Against the published posterior

void ExpectReference(const Diagnostics& got, const std::string& parameter) {
  SCOPED_TRACE(parameter);
  const ReferenceSummary* want = FindReference(parameter);
  ASSERT_NE(want, nullptr);
  EXPECT_LT(got.rhat, 1.01);
  EXPECT_NEAR(got.mean, want->mean, 4 * std::hypot(got.mcse_mean, want->McseMean()));
  EXPECT_NEAR(got.sd, want->sd, 0.04 * want->sd);
  // The reference's own quantiles have standard errors up to 0.03 sd, in the long tails.
  EXPECT_NEAR(got.q05, want->q05, 0.08 * want->sd);
  EXPECT_NEAR(got.q50, want->q50, 0.04 * want->sd);
  EXPECT_NEAR(got.q95, want->q95, 0.08 * want->sd);
}

TEST(SampleTest, AgreesWithThePublishedPosterior) {
  const Draws draws = Sampled(EightSchools(), kManyDraws);
  ExpectReference(draws.DiagnoseRows(draws.mu), "mu");
  ExpectReference(draws.DiagnoseRows(draws.tau), "tau");
  for (int64_t j = 0; j < kNumSchools; ++j) {
    ExpectReference(draws.DiagnoseTheta(j), absl::StrCat("theta[", j + 1, "]"));
  }
}

TEST(DataTest, FindsNoReferenceForOtherParameters) {
  EXPECT_EQ(FindReference("theta[0]"), nullptr);
  EXPECT_EQ(FindReference("theta[9]"), nullptr);
  EXPECT_EQ(FindReference(""), nullptr);
}

// ---- Streams

TEST(SampleTest, IsAFunctionOfTheSeed) {
  const SamplerOptions options = {.chains = 2, .draws = 50, .warmup = 10, .seed = 5};
  const Draws draws = Sampled(EightSchools(), options);
  const Draws again = Sampled(EightSchools(), options);
  EXPECT_EQ(again.mu, draws.mu);
  EXPECT_EQ(again.tau, draws.tau);
  EXPECT_EQ(again.theta, draws.theta);
  EXPECT_EQ(again.lp, draws.lp);
  EXPECT_EQ(again.n_evaluations, draws.n_evaluations);
  const Draws other = Sampled(EightSchools(), {.chains = 2, .draws = 50, .warmup = 10, .seed = 6});
  for (int64_t row = 0; row < draws.rows; ++row) EXPECT_NE(other.mu[row], draws.mu[row]);
}

TEST(SampleTest, EachChainHasDrawsOfItsOwn) {
  std::vector<double> tau = Sampled(EightSchools(), {.chains = 8, .draws = 100}).tau;
  std::sort(tau.begin(), tau.end());
  EXPECT_EQ(std::adjacent_find(tau.begin(), tau.end()), tau.end());
}

TEST(SampleTest, ADrawDependsNeitherOnOtherChainsNorOnLaterDraws) {
  const Draws many = Sampled(EightSchools(), {.chains = 3, .draws = 40, .warmup = 7, .seed = 9});
  const Draws few = Sampled(EightSchools(), {.chains = 2, .draws = 10, .warmup = 7, .seed = 9});
  for (int64_t chain = 0; chain < 2; ++chain) {
    for (int64_t draw = 0; draw < 10; ++draw) {
      EXPECT_EQ(few.mu[chain * 10 + draw], many.mu[chain * 40 + draw]);
      EXPECT_EQ(few.theta[(chain * 10 + draw) * 8 + 7], many.theta[(chain * 40 + draw) * 8 + 7]);
    }
  }
}

TEST(SampleTest, WarmupIsThrownAway) {
  // Without warmup the first draw is one step from where the chain starts, with it many: of as many
  // chains, fewer are still out where tau's prior had put them.
  const auto far_out = [](int64_t warmup) {
    const Draws draws = Sampled({kFarApartY, kFarApartSigma},
                                {.chains = 500, .draws = 1, .warmup = warmup, .seed = 3});
    return std::count_if(draws.tau.begin(), draws.tau.end(), [](double tau) { return tau < 5; });
  };
  EXPECT_GT(far_out(0), far_out(20));
}

TEST(SampleTest, CopesWithExtremeData) {
  for (const double y : {0.0, 1e30, -1e30}) {
    for (const double sigma : {1e-30, 1.0, 1e30}) {
      const std::vector<double> ys = {y, y, 0, -y, 1}, sigmas(5, sigma);
      const Draws draws = Sampled({ys, sigmas}, {.chains = 2, .draws = 200, .warmup = 50});
      for (const std::vector<double>* values : {&draws.mu, &draws.tau, &draws.theta, &draws.lp}) {
        EXPECT_TRUE(std::all_of(values->begin(), values->end(),
                                [](double value) { return std::isfinite(value); }))
            << y << " +- " << sigma;
      }
    }
  }
}

// So many that they determine tau, and that the product of their variances overflows, or
// underflows.
// So many that they determine tau, and that the product of their variances overflows, or
// underflows.
// So many that they determine tau, and that the product of their variances overflows, or
// underflows.
TEST(SampleTest, TakesManySchools) {
  for (const double spread : {1e-5, 2000.0}) {
    std::vector<double> y;
    for (int j = 0; j < 500; ++j) y.push_back(spread * NormalQuantile((j + 0.5) / 500));
    const std::vector<double> sigma(y.size(), spread / 1000);
    const Draws draws = Sampled({y, sigma}, {.chains = 2, .draws = 200, .warmup = 100});
    EXPECT_NEAR(draws.DiagnoseRows(draws.tau).mean, spread, 0.015 * spread);
  }
}

// ---- Misuse

// Sample's status for eight schools, 2 chains and 3 draws, all as it should be but for what `spoil`
// does. Expects no buffer to be touched.
absl::Status StatusOfSpoilt(
    const std::function<void(Data&, SamplerOptions&, DrawBuffers&)>& spoil) {
  Data data = EightSchools();
  SamplerOptions options = {.chains = 2, .draws = 3};
  Draws draws(data, options);
  DrawBuffers buffers = draws.Buffers();
  spoil(data, options, buffers);
  const absl::Status status = Sample(data, options, buffers);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(draws.mu, Each(0));
  EXPECT_THAT(draws.theta, Each(0));
  EXPECT_THAT(draws.n_evaluations, Each(0));
  return status;
}

TEST(SampleTest, RefusesBuffersOfTheWrongSize) {
  const auto message = [](const std::function<void(DrawBuffers&)>& spoil) {
    return std::string(StatusOfSpoilt([&](Data&, SamplerOptions&, DrawBuffers& buffers) {
                         spoil(buffers);
                       }).message());
  };
  EXPECT_EQ(message([](DrawBuffers& out) { out.theta.remove_suffix(1); }),
            "buffers: theta has 47 elements, want 48 (2 chains x 3 draws x 8)");
  EXPECT_THAT(message([](DrawBuffers& out) { out.mu.remove_suffix(1); }),
              HasSubstr("mu has 5 elements, want 6"));
  EXPECT_THAT(message([](DrawBuffers& out) { out.tau = out.theta; }),
              HasSubstr("tau has 48 elements, want 6"));
  EXPECT_THAT(message([](DrawBuffers& out) { out.lp = {}; }),
              HasSubstr("lp has 0 elements, want 6"));
  EXPECT_THAT(message([](DrawBuffers& out) { out.n_evaluations.remove_prefix(2); }),
              HasSubstr("n_evaluations has 4 elements, want 6"));
}

TEST(SampleTest, RefusesOptionsThatAskForNothing) {
  const auto message = [](const SamplerOptions& wrong) {
    return std::string(StatusOfSpoilt([&](Data&, SamplerOptions& options, DrawBuffers&) {
                         options = wrong;
                       }).message());
  };
  EXPECT_EQ(message({.chains = 0}), "options: chains is 0, want at least 1");
  EXPECT_EQ(message({.draws = 0}), "options: draws is 0, want at least 1");
  EXPECT_EQ(message({.warmup = -1}), "options: warmup is -1, want at least 0");
}

TEST(SampleTest, RefusesShapesThatOverflow) {
  const absl::Status status = StatusOfSpoilt([](Data&, SamplerOptions& options, DrawBuffers& out) {
    options = {.chains = int64_t{1} << 62, .draws = 4};  // 2^64 rows, or 0
    out = {};
  });
  EXPECT_THAT(std::string(status.message()), HasSubstr("mu has 0 elements"));
}

TEST(SampleTest, RefusesDataThatIsNoData) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> y(kY.begin(), kY.end()), sigma(kSigma.begin(), kSigma.end());
  const auto message = [&] {
    return std::string(StatusOfSpoilt([&](Data& data, SamplerOptions&, DrawBuffers&) {
                         data = {y, sigma};
                       }).message());
  };
  for (const double bad : {kNan, kInfinity, -kInfinity, 1e31}) {
    y[2] = bad;
    EXPECT_THAT(message(), HasSubstr("data: y[2] is "));
  }
  y[2] = -3;
  for (const double bad : {kNan, kInfinity, 0.0, -1.0, 1e-31, 1e31}) {
    sigma[7] = bad;
    EXPECT_THAT(message(), HasSubstr("data: sigma[7] is "));
  }
  sigma.pop_back();
  EXPECT_EQ(message(), "data: sigma has 7 elements, want 8 like y");
  y.clear();
  EXPECT_EQ(message(), "data: y is empty, want a school or more");
}

// ---- RandomStream

TEST(RandomStreamTest, MakesThePublishedNumbers) {
  RandomStream stream(RandomStream::State{1, 2, 3, 4});
  constexpr std::array<uint64_t, 6> kWant = {
      41943041u,           58720359u, 3588806011781223u, 3591011842654386u, 9228616714210784205u,
      9973669472204895162u};
  for (const uint64_t want : kWant) EXPECT_EQ(stream.Next(), want);
  // SplitMix64's first outputs for this seed, which are the state.
  EXPECT_EQ(RandomStream(1234567).state(),
            (RandomStream::State{6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                 4593380528125082431u}));
}

// The generator's step as a matrix over the field of two elements: column k is where the state with
// only bit k set goes.
using Matrix = std::array<RandomStream::State, 256>;

RandomStream::State Product(const Matrix& matrix, const RandomStream::State& vector) {
  RandomStream::State result = {};
  for (size_t k = 0; k < matrix.size(); ++k) {
    if ((vector[k / 64] >> (k % 64)) & 1) {
      for (size_t i = 0; i < result.size(); ++i) result[i] ^= matrix[k][i];
    }
  }
  return result;
}

TEST(RandomStreamTest, JumpsAheadByTwoToThe128) {
  Matrix matrix;
  for (size_t k = 0; k < matrix.size(); ++k) {
    RandomStream::State bit = {};
    bit[k / 64] = uint64_t{1} << (k % 64);
    RandomStream stream(bit);
    stream.Next();
    matrix[k] = stream.state();
  }
  for (int squarings = 0; squarings < 128; ++squarings) {
    Matrix square;
    for (size_t k = 0; k < matrix.size(); ++k) square[k] = Product(matrix, matrix[k]);
    matrix = square;
  }
  RandomStream stream(17);
  const RandomStream::State want = Product(matrix, stream.state());
  stream.Jump();
  EXPECT_EQ(stream.state(), want);
}

TEST(RandomStreamTest, UniformIsNeitherZeroNorOne) {
  // The next bits are all clear, or all set.
  EXPECT_EQ(RandomStream(RandomStream::State{0, 1, 0, 0}).Uniform(), 0x1p-53);
  EXPECT_EQ(RandomStream(RandomStream::State{0, 0, 0, ~uint64_t{0}}).Uniform(), 1 - 0x1p-53);
}

TEST(RandomStreamTest, NormalAndExponentialHaveTheirMoments) {
  RandomStream stream(4);
  constexpr int kCount = 100000;
  std::vector<double> normal(kCount), exponential(kCount), fourth(kCount);
  for (int i = 0; i < kCount; ++i) {
    normal[i] = stream.Normal();
    fourth[i] = Square(Square(normal[i]));
    exponential[i] = stream.Exponential();
  }
  const Diagnostics z = *Diagnose({normal, 1, kCount});
  EXPECT_NEAR(z.mean, 0, 4 / std::sqrt(kCount));
  EXPECT_NEAR(z.sd, 1, 4 / std::sqrt(2.0 * kCount));
  EXPECT_NEAR(z.q95, 1.6449, 0.03);
  // Pairs of one transformation are independent too.
  EXPECT_NEAR(z.ess_mean, kCount, 0.05 * kCount);
  EXPECT_NEAR(Diagnose({fourth, 1, kCount})->mean, 3, 4 * std::sqrt(96.0 / kCount));
  const Diagnostics e = *Diagnose({exponential, 1, kCount});
  EXPECT_NEAR(e.mean, 1, 4 / std::sqrt(kCount));
  EXPECT_NEAR(e.q95, std::log(20), 0.06);
}

}  // namespace
TEST(SamplerTest, TellsHowFarItIsAndStopsWhenNoMoreAreWanted) {
  std::vector<int64_t> told;
  SamplerOptions options = {.chains = 2, .draws = 5000};
  options.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 10000);
    told.push_back(done);
    return true;
  };
  Sampled(EightSchools(), options);
  EXPECT_GT(told.size(), 5u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  options.progress = [](int64_t done, int64_t) { return done < 2000; };
  Draws draws(EightSchools(), options);
  EXPECT_EQ(Sample(EightSchools(), options, draws.Buffers()).code(), absl::StatusCode::kCancelled);
}

}  // namespace eight_schools
