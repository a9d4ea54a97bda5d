// Summaries of Markov chains' draws of one scalar quantity, and whether the chains can be believed.
//
//   // theta is [chain][draw][school], 4 chains of 1000 draws of 8 schools: school 3, not copied.
//   absl::StatusOr<Diagnostics> school3 =
//       Diagnose({.values = theta, .chains = 4, .draws = 1000, .stride = 8, .offset = 3});
//   if (school3.ok() && school3->rhat < 1.01 && school3->ess_bulk > 400) {
//     std::cout << school3->mean << " +- " << school3->mcse_mean << "\n";
//   }
//
// Definitions, and what becomes of constant or few draws, are those of Stan and of the R package
// posterior (1.4.0), after Vehtari, Gelman, Simpson, Carpenter and Buerkner, "Rank-normalization,
// folding, and localization: an improved R-hat for assessing convergence of MCMC", Bayesian
// Analysis 16, 2021. Results agree with that package's to rounding, as long as the lags needed are
// within the limit told at Diagnose; but an infinite draw makes all figures NaN, where the package
// ranks it for some.

#ifndef SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_DIAGNOSTICS_H_
#define SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_DIAGNOSTICS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace eight_schools {

// One quantity's draws within a larger array, borrowed: that of chain c and draw d is
// values[offset + (c * draws + d) * stride].
struct DrawsView {
  absl::Span<const double> values;
  int64_t chains = 0;
  int64_t draws = 0;  // of each chain
  int64_t stride = 1;
  int64_t offset = 0;
};

// Figures that the draws do not determine are NaN:
//
//   a draw is infinite or NaN                    all
//   a single draw                                sd
//   fewer than 4 draws a chain                   rhat
//   fewer than 6 draws a chain                   ess_*, mcse_mean
//   all draws are equal                          rhat, ess_*, mcse_mean
//   the draws differ by less than 2.2e-16        ess_tail, ess_mean, mcse_mean: so posterior tells
//                                                'constant'; scale up what is as small as that
//   all draws are equally far from the median    rhat
//   no draw exceeds the 95 % quantile            ess_tail
struct Diagnostics {
  double mean;
  double sd;  // of all draws, with divisor n - 1

  // Quantiles: linear interpolation between the order statistics (type 7 in R, numpy's default).
  double q05;
  double q50;
  double q95;

  // Rank-normalised split R-hat: the larger of those of the draws and of their distances from the
  // median. 1 if the chains agree; below 1.01 is good. Infinite if each half of a chain is
  // constant, but not all of them equal.
  double rhat;

  // Effective sample sizes: how many independent draws would serve as well, to tell of the
  // centre (of the rank-normalised draws), of the tails (the smaller of those of the 5 % and 95 %
  // quantiles), and of the mean. At most n log10(n) for n draws.
  double ess_bulk;
  double ess_tail;
  double ess_mean;

  double mcse_mean;  // Monte Carlo standard error of the mean: sd / sqrt(ess_mean)
};

// Computes them all. Thread-safe.
//
// Time is that of sorting n draws and of summing their products at as many lags as Geyer's
// criterion asks for, for four effective sample sizes. Memory is about 48 bytes a draw.
//
// Chains that mix badly ask for many lags, up to half a chain. The lags are limited to 2^28 / n,
// but not to fewer than 64: to all that there are for 4 chains of 10,000 draws, to 67 for 4 chains
// of a million. If the criterion asks for more, neighbouring draws are replaced by their mean -
// which leaves the mean, and so its effective sample size, what they were - and the criterion is
// asked anew, and so on until it is satisfied. As each time halves the draws and so the work, the
// total stays below twice that of the limit. An effective sample size found in this way is a
// consistent estimate too, in trials a few per cent from the one that all lags give.
//
// INVALID_ARGUMENT if chains, draws or stride is below 1, offset is negative, or the last draw is
// beyond the end of values.
absl::StatusOr<Diagnostics> Diagnose(const DrawsView& view);

// The quantile function of the standard normal distribution, to about 1e-16 relative: -infinity
// at 0, infinity at 1, NaN outside [0, 1].
double NormalQuantile(double probability);

}  // namespace eight_schools

#endif  // SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_DIAGNOSTICS_H_
