#include "slabpipe/examples/eight_schools/sampler.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eight_schools {
namespace {

// About a millisecond's work.
constexpr int64_t kDrawsBetweenReports = 1024;

constexpr double kMuPriorSd = 5;      // mu ~ normal(0, kMuPriorSd)
constexpr double kTauPriorScale = 5;  // tau ~ half-Cauchy(0, kTauPriorScale)

// Data within these limits keep every product below far from overflow.
constexpr double kMaxMagnitude = 1e30;
constexpr double kMinSigma = 1e-30;

// The slice sampler's first interval, in units of log tau. The posterior's standard deviation there
// is of order 1, whatever the scale of the data. The value costs or saves evaluations, no more.
constexpr double kSliceWidth = 3;

// The most widths that stepping out may make of it (Neal's m). It bounds the work of a step; the
// slice of a posterior is a few widths wide.
constexpr int kMaxSliceWidths = 32;

double Square(double x) { return x * x; }

// The model given its data, and its conditional distributions. Not thread-safe: it has a scratch.
class Model {
 public:
  explicit Model(const Data& data);

  int64_t num_schools() const { return static_cast<int64_t>(y_.size()); }

  // The posterior of tau and of mu given tau, at one value of tau.
  struct TauPoint {
    double log_tau;
    double log_density;  // of log tau given y, up to a constant
    double mu_mean;      // mu given tau and y is normal(mu_mean, mu_sd)
    double mu_sd;
  };
  TauPoint AtLogTau(double log_tau);

  // Draws theta given mu, tau and y, one element a school, and returns log p(y, theta, mu, tau).
  double DrawTheta(const TauPoint& point, double mu, RandomStream& random,
                   absl::Span<double> theta) const;

 private:
  absl::Span<const double> y_;
  std::vector<double> sigma_squared_;
  std::vector<double> weight_;  // scratch: 1 / Var(y[j] | mu, tau)
  double log_constant_;         // what log p(y, theta, mu, tau) has besides the draw
};

Model::Model(const Data& data) : y_(data.y), weight_(data.y.size()) {
  const double log_two_pi = std::log(2 * std::numbers::pi);
  // The constants of the priors: normal(0, kMuPriorSd) and half-Cauchy(0, kTauPriorScale).
  log_constant_ =
      -0.5 * log_two_pi - std::log(kMuPriorSd) + std::log(2 / (std::numbers::pi * kTauPriorScale));
  sigma_squared_.reserve(data.sigma.size());
  for (const double sigma : data.sigma) {
    sigma_squared_.push_back(Square(sigma));
    // Of school j's two normal densities, one of y[j] and one of theta[j].
    log_constant_ -= log_two_pi + std::log(sigma);
  }
}

// With theta integrated out, y[j] ~ normal(mu, sqrt(v[j])), v[j] = sigma[j]^2 + tau^2. With
// w[j] = 1 / v[j], s = kMuPriorSd and P = 1 / s^2 + sum w[j],
//
//   mu | tau, y ~ normal(m, 1 / sqrt(P)),   m = sum w[j] y[j] / P
//   p(y | tau) = c (s^2 P prod v[j])^(-1/2) exp(-(m^2 / s^2 + sum w[j] (y[j] - m)^2) / 2)
//
// (BDA 3, equations 5.20 and 5.21, with the prior of mu as one more observation of it: 0 +- s). The
// sum of squares about m is the usual quadratic form without its cancellation. The density of
// log tau is p(y | tau) p(tau) tau.
Model::TauPoint Model::AtLogTau(double log_tau) {
  const double tau_squared = Square(std::exp(log_tau));
  double precision = 1 / Square(kMuPriorSd);
  double weighted_y = 0;
  double log_weights = 0;     // log of prod w[j], of which ...
  double weight_product = 1;  // ... this is a part: one log for many schools.
  for (size_t j = 0; j < y_.size(); ++j) {
    const double weight = 1 / (sigma_squared_[j] + tau_squared);
    weight_[j] = weight;
    precision += weight;
    weighted_y += weight * y_[j];
    weight_product *= weight;
    if (!(weight_product > 1e-100 && weight_product < 1e100)) {
      log_weights += std::log(weight_product);
      weight_product = 1;
    }
  }
  log_weights += std::log(weight_product);

  const double mean = weighted_y / precision;
  double squares = Square(mean / kMuPriorSd);
  for (size_t j = 0; j < y_.size(); ++j) squares += weight_[j] * Square(y_[j] - mean);

  const double log_likelihood = 0.5 * (log_weights - std::log(precision) - squares);
  const double log_prior = -std::log1p(tau_squared / Square(kTauPriorScale));
  return {.log_tau = log_tau,
          .log_density = log_likelihood + log_prior + log_tau,
          .mu_mean = mean,
          .mu_sd = 1 / std::sqrt(precision)};
}

// With v[j] as above (BDA 3, equation 5.17, for the standardised (theta[j] - mu) / tau, which stays
// exact as tau goes to 0):
//
//   (theta[j] - mu) / tau | mu, tau, y ~ normal(tau (y[j] - mu) / v[j], sigma[j] / sqrt(v[j]))
double Model::DrawTheta(const TauPoint& point, double mu, RandomStream& random,
                        absl::Span<double> theta) const {
  const double tau = std::exp(point.log_tau);
  double squares = Square(mu / kMuPriorSd);
  for (size_t j = 0; j < y_.size(); ++j) {
    const double weight = 1 / (sigma_squared_[j] + Square(tau));
    const double standardised =
        tau * weight * (y_[j] - mu) + std::sqrt(sigma_squared_[j] * weight) * random.Normal();
    theta[j] = mu + tau * standardised;
    squares += Square(standardised) + Square(y_[j] - theta[j]) / sigma_squared_[j];
  }
  return log_constant_ - 0.5 * squares - static_cast<double>(num_schools()) * point.log_tau -
         std::log1p(Square(tau / kTauPriorScale));
}

// One Markov chain over log tau. Borrows the model.
class Chain {
 public:
  // Starts at a tau from its prior: the half-Cauchy distribution's inverse.
  Chain(Model& model, const RandomStream& random) : model_(model), random_(random) {
    const double tau = kTauPriorScale * std::tan(0.5 * std::numbers::pi * random_.Uniform());
    point_ = model_.AtLogTau(std::log(tau));
  }

  // Moves log tau by one step of the slice sampler. Returns how often it evaluated the density.
  int32_t Step();

  // Draws the rest given tau, and writes the whole as row `row` of `out`.
  void Write(int64_t row, const DrawBuffers& out);

 private:
  // The interval around log tau that the next value is looked for in. Counts its evaluations.
  struct Interval {
    double left;
    double right;
  };
  Interval StepOut(double level, int32_t& evaluations);

  Model& model_;
  RandomStream random_;
  Model::TauPoint point_;
};

// Neal (2003), figure 3: widths are added on either side until the ends are outside the slice. The
// limit is split between the sides at random, which keeps the step reversible.
Chain::Interval Chain::StepOut(double level, int32_t& evaluations) {
  const double left = point_.log_tau - kSliceWidth * random_.Uniform();
  Interval interval = {.left = left, .right = left + kSliceWidth};
  int left_steps = static_cast<int>(kMaxSliceWidths * random_.Uniform());
  int right_steps = kMaxSliceWidths - 1 - left_steps;
  const auto inside = [&](double log_tau) {
    ++evaluations;
    return model_.AtLogTau(log_tau).log_density > level;
  };
  for (; left_steps > 0 && inside(interval.left); --left_steps) interval.left -= kSliceWidth;
  for (; right_steps > 0 && inside(interval.right); --right_steps) interval.right += kSliceWidth;
  return interval;
}

// Neal (2003), figures 1 and 5: a level below the density, then points from the interval, which
// shrinks to each that is outside the slice.
int32_t Chain::Step() {
  int32_t evaluations = 0;
  const double level = point_.log_density - random_.Exponential();
  Interval interval = StepOut(level, evaluations);
  while (true) {
    const double log_tau = interval.left + (interval.right - interval.left) * random_.Uniform();
    const Model::TauPoint candidate = model_.AtLogTau(log_tau);
    ++evaluations;
    // SUBTLE: `>=` ends the loop, at the latest when the interval has shrunk to the point that the
    // step came from: there the density is at least the level, even where rounding makes them
    // equal.
    if (candidate.log_density >= level) {
      point_ = candidate;
      return evaluations;
    }
    (log_tau < point_.log_tau ? interval.left : interval.right) = log_tau;
  }
}

void Chain::Write(int64_t row, const DrawBuffers& out) {
  const int64_t schools = model_.num_schools();
  const double mu = point_.mu_mean + point_.mu_sd * random_.Normal();
  out.mu[row] = mu;
  out.tau[row] = std::exp(point_.log_tau);
  out.lp[row] = model_.DrawTheta(point_, mu, random_, out.theta.subspan(row * schools, schools));
}

absl::Status CheckData(const Data& data) {
  if (data.y.empty()) return absl::InvalidArgumentError("data: y is empty, want a school or more");
  if (data.sigma.size() != data.y.size()) {
    return absl::InvalidArgumentError(absl::StrCat("data: sigma has ", data.sigma.size(),
                                                   " elements, want ", data.y.size(), " like y"));
  }
  for (size_t j = 0; j < data.y.size(); ++j) {
    if (!(std::abs(data.y[j]) <= kMaxMagnitude)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "data: y[", j, "] is ", data.y[j], ", want a finite number within +-", kMaxMagnitude));
    }
    if (!(data.sigma[j] >= kMinSigma && data.sigma[j] <= kMaxMagnitude)) {
      return absl::InvalidArgumentError(absl::StrCat("data: sigma[", j, "] is ", data.sigma[j],
                                                     ", want a positive number within [", kMinSigma,
                                                     ", ", kMaxMagnitude, "]"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAtLeast(absl::string_view option, int64_t value, int64_t minimum) {
  if (value >= minimum) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("options: ", option, " is ", value, ", want at least ", minimum));
}

absl::Status CheckOptions(const SamplerOptions& options) {
  absl::Status status = CheckAtLeast("chains", options.chains, 1);
  status.Update(CheckAtLeast("draws", options.draws, 1));
  status.Update(CheckAtLeast("warmup", options.warmup, 0));
  return status;
}

// Checks a buffer of `size` elements against the shape [chains][draws][last]. The product can't
// overflow unnoticed: no buffer has as many elements as it is then clamped to.
absl::Status CheckSize(absl::string_view buffer, size_t size, const SamplerOptions& options,
                       int64_t last) {
  int64_t want;
  if (__builtin_mul_overflow(options.chains, options.draws, &want) ||
      __builtin_mul_overflow(want, last, &want)) {
    want = std::numeric_limits<int64_t>::max();
  }
  if (size == static_cast<size_t>(want)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("buffers: ", buffer, " has ", size, " elements, want ", want, " (",
                   options.chains, " chains x ", options.draws, " draws x ", last, ")"));
}

absl::Status CheckBuffers(const DrawBuffers& out, const SamplerOptions& options,
                          int64_t num_schools) {
  absl::Status status = CheckSize("mu", out.mu.size(), options, 1);
  status.Update(CheckSize("tau", out.tau.size(), options, 1));
  status.Update(CheckSize("theta", out.theta.size(), options, num_schools));
  status.Update(CheckSize("lp", out.lp.size(), options, 1));
  status.Update(CheckSize("n_evaluations", out.n_evaluations.size(), options, 1));
  return status;
}

}  // namespace

absl::Status Sample(const Data& data, const SamplerOptions& options, const DrawBuffers& out) {
  if (absl::Status status = CheckData(data); !status.ok()) return status;
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  Model model(data);
  if (absl::Status status = CheckBuffers(out, options, model.num_schools()); !status.ok()) {
    return status;
  }
  RandomStream stream(options.seed);
  for (int64_t chain_index = 0; chain_index < options.chains; ++chain_index) {
    Chain chain(model, stream);
    stream.Jump();
    for (int64_t i = 0; i < options.warmup; ++i) chain.Step();
    const int64_t first_row = chain_index * options.draws;
    for (int64_t row = first_row; row < first_row + options.draws; ++row) {
      if (row % kDrawsBetweenReports == 0 && options.progress != nullptr &&
          !options.progress(row, options.chains * options.draws)) {
        return absl::CancelledError(absl::StrCat("stopped after ", row, " draws"));
      }
      out.n_evaluations[row] = chain.Step();
      chain.Write(row, out);
    }
  }
  return absl::OkStatus();
}

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
// 2014), as the authors of xoshiro256++ recommend. It gives four different words, so not all are 0.
RandomStream::RandomStream(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

uint64_t RandomStream::Next() {
  const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

// Next's map of the state is linear over the field of two elements: its 2^128th power is a
// polynomial of it, whose coefficients these are (Blackman and Vigna). The test computes the power
// by squaring the map's matrix 128 times.
void RandomStream::Jump() {
  constexpr State kPolynomial = {0x180ec6d33cfd0aba, 0xd5a61266f0c9392c, 0xa9582618e03fc9aa,
                                 0x39abdc4529b1661c};
  State sum = {};
  for (const uint64_t coefficients : kPolynomial) {
    for (int bit = 0; bit < 64; ++bit) {
      if ((coefficients >> bit) & 1) {
        for (size_t i = 0; i < sum.size(); ++i) sum[i] ^= state_[i];
      }
      Next();
    }
  }
  state_ = sum;
  has_spare_ = false;
}

double RandomStream::Exponential() { return -std::log(Uniform()); }

double RandomStream::Normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2 * std::log(Uniform()));
  const double angle = 2 * std::numbers::pi * Uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

}  // namespace eight_schools
