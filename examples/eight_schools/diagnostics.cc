#include "slabpipe/examples/eight_schools/diagnostics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace eight_schools {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The limit of lags: see Diagnose.
constexpr int64_t kMaxProducts = int64_t{1} << 28;
constexpr int64_t kMinLagLimit = 64;

// The spread below which draws count as constant: posterior's, absolute.
constexpr double kConstantSpread = std::numeric_limits<double>::epsilon();

double Square(double x) { return x * x; }

// ---- The normal quantile function

// A quotient of two polynomials, each with its constant term first.
struct RationalFunction {
  std::array<double, 8> numerator;
  std::array<double, 8> denominator;

  double operator()(double x) const { return Value(numerator, x) / Value(denominator, x); }
  static double Value(const std::array<double, 8>& coefficients, double x);
};

double RationalFunction::Value(const std::array<double, 8>& coefficients, double x) {
  return std::accumulate(coefficients.rbegin(), coefficients.rend(), 0.0,
                         [x](double value, double c) { return value * x + c; });
}

// Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics
// 37, 1988, function PPND16: the centre and two parts of a tail.
constexpr RationalFunction kCentre = {
    {3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
     1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
     3.3430575583588128105e+4, 2.5090809287301226727e+3},
    {1, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
     2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
     5.2264952788528545610e+3}};
constexpr RationalFunction kTail = {
    {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
     3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
     2.27238449892691845833e-2, 7.74545014278341407640e-4},
    {1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9}};
constexpr RationalFunction kFarTail = {
    {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
     2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
     2.71155556874348757815e-5, 2.01033439929228813265e-7},
    {1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15}};

// ---- Moments

// The mean, with a second pass for the rounding errors of the first.
double Mean(absl::Span<const double> x) {
  const double n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double rest = 0;
  for (const double value : x) rest += value - mean;
  return mean + rest / n;
}

double SumOfSquaresAbout(absl::Span<const double> x, double centre) {
  double sum = 0;
  for (const double value : x) sum += Square(value - centre);
  return sum;
}

// The variance with divisor n - 1: NaN for a single value.
double Variance(absl::Span<const double> x) {
  return SumOfSquaresAbout(x, Mean(x)) / (static_cast<double>(x.size()) - 1);
}

bool IsConstant(absl::Span<const double> x) {
  const auto [least, most] = std::minmax_element(x.begin(), x.end());
  return *most - *least < kConstantSpread;
}

// ---- Half chains

// Chains cut into halves of one length: row-major, [half chain][draw].
struct HalfChains {
  int64_t count;
  int64_t length;

  int64_t size() const { return count * length; }
  absl::Span<const double> Row(absl::Span<const double> x, int64_t i) const {
    return x.subspan(i * length, length);
  }
  absl::Span<double> Row(absl::Span<double> x, int64_t i) const {
    return x.subspan(i * length, length);
  }
};

// All draws, those of the half chains first. A chain of an odd number of draws has one in the
// middle that is in neither half: these come last.
std::vector<double> GatherHalvesFirst(const DrawsView& view, const HalfChains& halves) {
  std::vector<double> result;
  result.reserve(view.chains * view.draws);
  const auto append = [&](int64_t chain, int64_t first_draw, int64_t count) {
    for (int64_t draw = first_draw; draw < first_draw + count; ++draw) {
      result.push_back(view.values[view.offset + (chain * view.draws + draw) * view.stride]);
    }
  };
  const int64_t middle_draws = view.draws - 2 * halves.length;
  for (int64_t chain = 0; chain < view.chains; ++chain) {
    append(chain, 0, halves.length);
    append(chain, halves.length + middle_draws, halves.length);
  }
  for (int64_t chain = 0; chain < view.chains; ++chain) append(chain, halves.length, middle_draws);
  return result;
}

// ---- Order, ranks, quantiles

// A draw and where it is in what GatherHalvesFirst returned.
struct OrderedDraw {
  double value;
  int64_t index;
};

std::vector<OrderedDraw> Sorted(absl::Span<const double> draws) {
  std::vector<OrderedDraw> order(draws.size());
  for (size_t i = 0; i < draws.size(); ++i) order[i] = {draws[i], static_cast<int64_t>(i)};
  std::sort(order.begin(), order.end(),
            [](const OrderedDraw& a, const OrderedDraw& b) { return a.value < b.value; });
  return order;
}

double Quantile(const std::vector<OrderedDraw>& order, double probability) {
  const double position = probability * static_cast<double>(order.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, order.size() - 1);
  return std::lerp(order[below].value, order[above].value, position - std::floor(position));
}

// The distances from `centre`, in order: the draws below it, backwards, merged with the others.
std::vector<OrderedDraw> Folded(const std::vector<OrderedDraw>& order, double centre) {
  const auto split = std::partition_point(
      order.begin(), order.end(), [&](const OrderedDraw& draw) { return draw.value < centre; });
  auto below = std::make_reverse_iterator(split);
  auto above = split;
  std::vector<OrderedDraw> result;
  result.reserve(order.size());
  while (below != order.rend() || above != order.end()) {
    const bool take_below = above == order.end() || (below != order.rend() &&
                                                     centre - below->value < above->value - centre);
    const OrderedDraw& draw = take_below ? *below++ : *above++;
    result.push_back({std::abs(draw.value - centre), draw.index});
  }
  return result;
}

// Replaces the draws of the half chains by the normal quantiles of their ranks among themselves
// (Blom, 1958). Equal draws share their ranks' mean.
void RankNormalise(const std::vector<OrderedDraw>& order, absl::Span<double> result) {
  const int64_t size = static_cast<int64_t>(result.size());
  int64_t ranked = 0;  // how many draws of the half chains came before
  for (auto first = order.begin(); first != order.end();) {
    const auto last = std::find_if(
        first, order.end(), [&](const OrderedDraw& draw) { return draw.value != first->value; });
    const int64_t equals =
        std::count_if(first, last, [&](const OrderedDraw& draw) { return draw.index < size; });
    const double rank = static_cast<double>(ranked) + 0.5 * static_cast<double>(equals + 1);
    const double z = NormalQuantile((rank - 0.375) / (static_cast<double>(size) + 0.25));
    for (; first != last; ++first) {
      if (first->index < size) result[first->index] = z;
    }
    ranked += equals;
  }
}

// ---- R-hat and effective sample size

// R-hat of the half chains as they are.
double Rhat(absl::Span<const double> x, const HalfChains& halves) {
  if (halves.length < 2 || IsConstant(x)) return kNan;
  std::vector<double> means, variances;
  for (int64_t i = 0; i < halves.count; ++i) {
    means.push_back(Mean(halves.Row(x, i)));
    variances.push_back(Variance(halves.Row(x, i)));
  }
  const double n = static_cast<double>(halves.length);
  return std::sqrt(Variance(means) / Mean(variances) + (n - 1) / n);
}

// The sums of x[i] * x[i + lag] and of x[i] * x[i + lag + 1], in one pass over memory, in lanes
// that a processor can add at the same time. REQUIRES: lag + 2 <= x.size().
std::pair<double, double> LaggedProducts(absl::Span<const double> x, int64_t lag) {
  constexpr int64_t kLanes = 4;
  double even[kLanes] = {};
  double odd[kLanes] = {};
  const int64_t pairs = static_cast<int64_t>(x.size()) - lag - 1;  // terms in the second sum
  const double* const here = x.data();
  const double* const ahead = here + lag;
  int64_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      even[lane] += here[i + lane] * ahead[i + lane];
      odd[lane] += here[i + lane] * ahead[i + lane + 1];
    }
  }
  for (; i < pairs; ++i) {
    even[0] += here[i] * ahead[i];
    odd[0] += here[i] * ahead[i + 1];
  }
  even[0] += here[pairs] * ahead[pairs];
  return {std::accumulate(even, even + kLanes, 0.0), std::accumulate(odd, odd + kLanes, 0.0)};
}

// The autocorrelations of several half chains together, at any lag (Vehtari et al., equation 10):
// 1 - (within - mean autocovariance) / var_plus.
class Autocorrelations {
 public:
  // Borrows `x`, and changes it.
  Autocorrelations(absl::Span<double> x, const HalfChains& halves);

  // At `lag` and `lag + 1`. REQUIRES: lag + 2 <= halves().length.
  std::pair<double, double> AtPair(int64_t lag) const;

  // The estimated variance of the quantity: within and between the half chains.
  double VarPlus() const;

  const HalfChains& halves() const { return halves_; }

  // Replaces each two neighbouring draws of a half chain by their mean. One that is left over goes.
  void Coarsen();

 private:
  void MeasureWithin();

  absl::Span<double> x_;  // each half chain less its mean
  HalfChains halves_;
  double within_;   // the mean of the half chains' variances
  double between_;  // the variance of the half chains' means: coarsening leaves it as it is
};

Autocorrelations::Autocorrelations(absl::Span<double> x, const HalfChains& halves)
    : x_(x), halves_(halves) {
  std::vector<double> means;
  for (int64_t i = 0; i < halves_.count; ++i) {
    const absl::Span<double> row = halves_.Row(x_, i);
    means.push_back(Mean(row));
    for (double& value : row) value -= means.back();
  }
  between_ = Variance(means);
  MeasureWithin();
}

void Autocorrelations::MeasureWithin() {
  within_ = SumOfSquaresAbout(x_, 0) / static_cast<double>(halves_.count * (halves_.length - 1));
}

double Autocorrelations::VarPlus() const {
  const double n = static_cast<double>(halves_.length);
  return within_ * (n - 1) / n + between_;
}

std::pair<double, double> Autocorrelations::AtPair(int64_t lag) const {
  double even = 0, odd = 0;
  for (int64_t i = 0; i < halves_.count; ++i) {
    const auto [even_i, odd_i] = LaggedProducts(halves_.Row(x_, i), lag);
    even += even_i;
    odd += odd_i;
  }
  const double size = static_cast<double>(halves_.size());
  return {1 - (within_ - even / size) / VarPlus(), 1 - (within_ - odd / size) / VarPlus()};
}

void Autocorrelations::Coarsen() {
  const HalfChains coarse = {.count = halves_.count, .length = halves_.length / 2};
  for (int64_t i = 0; i < halves_.count; ++i) {
    // SUBTLE: in place. What is written lies at or before what is read.
    const double* const from = x_.data() + i * halves_.length;
    double* const to = x_.data() + i * coarse.length;
    for (int64_t j = 0; j < coarse.length; ++j) to[j] = 0.5 * (from[2 * j] + from[2 * j + 1]);
  }
  halves_ = coarse;
  x_ = x_.first(coarse.size());
  MeasureWithin();
}

// The integrated autocorrelation time: 1 + 2 sum of the autocorrelations from lag 1 on, up to where
// Geyer's criterion ("Practical Markov chain Monte Carlo", Statistical Science 7, 1992) takes them
// for noise: pairs of lags count while their sum is positive, and none for more than the pair
// before. Nothing if that is not reached within `max_lag`. REQUIRES: 3 draws a half chain or more.
std::optional<double> AutocorrelationTime(const Autocorrelations& autocorrelations,
                                          int64_t max_lag) {
  double even = 1;
  double odd = autocorrelations.AtPair(0).second;
  double least_pair = even + odd;
  double sum = 0;
  int64_t lag = 0;
  while (lag < autocorrelations.halves().length - 5 && even + odd > 0) {
    if (lag >= max_lag) return std::nullopt;
    least_pair = std::min(least_pair, even + odd);
    sum += least_pair;
    lag += 2;
    std::tie(even, odd) = autocorrelations.AtPair(lag);
  }
  // SUBTLE: where not even the first pair counts, posterior still counts lag 0.
  if (lag == 0) sum = 1;
  // The lag after the last pair counts once: less variance for chains that alternate.
  const double next = even > 0 || even + odd >= 0 ? even : 0;
  return 2 * sum - 1 + next;
}

// The effective sample size of the half chains in `x`, which is used up.
double EffectiveSampleSize(absl::Span<double> x, const HalfChains& halves) {
  if (halves.length < 3 || IsConstant(x)) return kNan;
  const double size = static_cast<double>(halves.size());
  const int64_t max_lag = std::max(kMaxProducts / halves.size(), kMinLagLimit);
  Autocorrelations autocorrelations(x, halves);
  const double variance = autocorrelations.VarPlus();  // of the draws, not of means of them
  std::optional<double> time;
  while (!(time = AutocorrelationTime(autocorrelations, max_lag)).has_value()) {
    autocorrelations.Coarsen();
  }
  const double variance_of_mean =
      autocorrelations.VarPlus() * *time / static_cast<double>(autocorrelations.halves().size());
  // Also where that is not positive, as for chains that alternate.
  const double least_variance_of_mean = variance / (size * std::log10(size));
  return variance / std::max(variance_of_mean, least_variance_of_mean);
}

// The effective sample size of the fraction of draws up to `quantile`.
double QuantileEss(absl::Span<const double> draws, double quantile, const HalfChains& halves,
                   absl::Span<double> scratch) {
  if (IsConstant(draws)) return kNan;
  std::transform(draws.begin(), draws.begin() + halves.size(), scratch.begin(),
                 [&](double draw) { return draw <= quantile ? 1.0 : 0.0; });
  return EffectiveSampleSize(scratch, halves);
}

// ---- The whole

absl::Status Check(const DrawsView& view) {
  if (view.chains < 1 || view.draws < 1 || view.stride < 1 || view.offset < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "draws: chains is ", view.chains, ", draws ", view.draws, ", stride ", view.stride,
        ", want at least 1; offset is ", view.offset, ", want at least 0"));
  }
  int64_t count, last;
  if (__builtin_mul_overflow(view.chains, view.draws, &count) ||
      __builtin_mul_overflow(count - 1, view.stride, &last) ||
      __builtin_add_overflow(last, view.offset, &last) ||
      last >= static_cast<int64_t>(view.values.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "draws: ", view.values.size(), " values do not reach ", view.chains, " chains x ",
        view.draws, " draws at stride ", view.stride, " from offset ", view.offset));
  }
  return absl::OkStatus();
}

// Mean, sd and quantiles. The rest is NaN.
Diagnostics Describe(absl::Span<const double> draws, const std::vector<OrderedDraw>& order) {
  return {.mean = Mean(draws),
          .sd = std::sqrt(Variance(draws)),
          .q05 = Quantile(order, 0.05),
          .q50 = Quantile(order, 0.50),
          .q95 = Quantile(order, 0.95),
          .rhat = kNan,
          .ess_bulk = kNan,
          .ess_tail = kNan,
          .ess_mean = kNan,
          .mcse_mean = kNan};
}

// The larger, the smaller of two: NaN if either is.
double MaxOrNan(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double MinOrNan(double a, double b) { return std::isnan(a) || a < b ? a : b; }

}  // namespace

absl::StatusOr<Diagnostics> Diagnose(const DrawsView& view) {
  if (absl::Status status = Check(view); !status.ok()) return status;
  const HalfChains halves = {.count = 2 * view.chains, .length = view.draws / 2};
  std::vector<double> draws = GatherHalvesFirst(view, halves);
  if (!std::all_of(draws.begin(), draws.end(), [](double draw) { return std::isfinite(draw); })) {
    return Diagnostics{kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan};
  }
  const std::vector<OrderedDraw> order = Sorted(draws);
  Diagnostics result = Describe(draws, order);
  if (halves.length < 2) return result;

  std::vector<double> scratch_memory(halves.size());
  const absl::Span<double> scratch = absl::MakeSpan(scratch_memory);
  RankNormalise(Folded(order, result.q50), scratch);
  const double rhat_folded = Rhat(scratch, halves);
  RankNormalise(order, scratch);
  result.rhat = MaxOrNan(Rhat(scratch, halves), rhat_folded);
  result.ess_bulk = EffectiveSampleSize(scratch, halves);
  result.ess_tail = MinOrNan(QuantileEss(draws, result.q05, halves, scratch),
                             QuantileEss(draws, result.q95, halves, scratch));
  result.ess_mean = EffectiveSampleSize(absl::MakeSpan(draws).first(halves.size()), halves);
  result.mcse_mean = result.sd / std::sqrt(result.ess_mean);
  return result;
}

double NormalQuantile(double probability) {
  if (!(probability >= 0 && probability <= 1)) return kNan;
  const double from_centre = probability - 0.5;
  if (std::abs(from_centre) <= 0.425) return from_centre * kCentre(0.180625 - Square(from_centre));
  const double tail = std::min(probability, 1 - probability);
  if (tail == 0) return std::copysign(std::numeric_limits<double>::infinity(), from_centre);
  const double r = std::sqrt(-std::log(tail));
  return std::copysign(r <= 5 ? kTail(r - 1.6) : kFarTail(r - 5), from_centre);
}

}  // namespace eight_schools
