// The eight schools: the data, and what their posterior is known to be.
//
// Rubin (1981), as in Gelman et al., "Bayesian Data Analysis", 3rd ed., section 5.5: eight schools
// each ran a coaching programme and estimated its effect on a test's score. y[j] is school j's
// estimate, sigma[j] its standard error, both in points of the test.
//
//   const Data data = EightSchools();
//   for (int j = 0; j < kNumSchools; ++j) {
//     std::cout << kSchoolNames[j] << ": " << data.y[j] << " +- " << data.sigma[j] << "\n";
//   }
//   const ReferenceSummary* mu = FindReference("mu");  // mu->mean is 4.4105
//
// Everything here is constant and lives as long as the program.

#ifndef SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_DATA_H_
#define SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_DATA_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace eight_schools {

// The data of a hierarchical normal model, for any number of schools: borrowed, one element a
// school. The sampler checks it, see sampler.h.
struct Data {
  absl::Span<const double> y;
  absl::Span<const double> sigma;
};

inline constexpr int64_t kNumSchools = 8;

// The schools that the literature calls A to H, in that order, named as in ArviZ's InferenceData.
inline constexpr std::array<absl::string_view, kNumSchools> kSchoolNames = {
    "Choate",    "Deerfield",     "Phillips Andover", "Phillips Exeter",
    "Hotchkiss", "Lawrenceville", "St. Paul's",       "Mt. Hermon"};

inline constexpr std::array<double, kNumSchools> kY = {28, 8, -3, 7, -1, 1, 18, 12};
inline constexpr std::array<double, kNumSchools> kSigma = {15, 10, 16, 11, 9, 11, 10, 18};

// How many nearly independent draws the reference posterior was computed from.
inline constexpr int64_t kReferenceDraws = 10000;

// One parameter of the reference posterior.
struct ReferenceSummary {
  absl::string_view parameter;  // "mu", "tau", or "theta[1]" to "theta[8]", which count from 1
  double mean;
  double sd;
  double q05;
  double q50;
  double q95;

  // The Monte Carlo standard error of `mean`: sd / sqrt(kReferenceDraws).
  constexpr double McseMean() const { return sd / 100; }
};

// The published posterior of the model in sampler.h given kY and kSigma. Source: posteriordb
// (stan-dev), reference posterior eight_schools-eight_schools_noncentered: 10 chains of 1000 draws,
// thinned until they are nearly independent, so that a mean is known to about sd / 100.
inline constexpr std::array<ReferenceSummary, kNumSchools + 2> kReferencePosterior = {{
    {"theta[1]", 6.1505, 5.6159, -1.6806, 5.5892, 16.3427},
    {"theta[2]", 4.9396, 4.6456, -2.2180, 4.7730, 12.8377},
    {"theta[3]", 3.9059, 5.2807, -4.9140, 4.1061, 11.8460},
    {"theta[4]", 4.7960, 4.7709, -2.6703, 4.6958, 12.6392},
    {"theta[5]", 3.6144, 4.6147, -4.2646, 3.8206, 10.6056},
    {"theta[6]", 4.0511, 4.7962, -3.8651, 4.1639, 11.5247},
    {"theta[7]", 6.3172, 5.0029, -0.8542, 5.7954, 15.3073},
    {"theta[8]", 4.8840, 5.3177, -3.3171, 4.7873, 13.5550},
    {"mu", 4.4105, 3.3093, -0.9361, 4.3651, 9.8358},
    {"tau", 3.6021, 3.1985, 0.2567, 2.7471, 9.7365},
}};

// kY and kSigma as the sampler takes them.
Data EightSchools();

// The reference posterior of `parameter`, named as in ReferenceSummary, or nullptr if there is
// none.
const ReferenceSummary* FindReference(absl::string_view parameter);

}  // namespace eight_schools

#endif  // SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_DATA_H_
