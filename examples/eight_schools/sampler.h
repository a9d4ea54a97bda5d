// Draws from the posterior of the hierarchical normal model
//
//   y[j]     ~ normal(theta[j], sigma[j])      j = 1..J, sigma known
//   theta[j] ~ normal(mu, tau)
//   mu       ~ normal(0, 5)
//   tau      ~ half-Cauchy(0, 5)
//
// into memory that the caller provides, so that it may be memory that another process reads:
//
//   SamplerOptions options = {.chains = 4, .draws = 1000, .warmup = 500, .seed = 7};
//   std::vector<double> mu(4 * 1000), tau(4 * 1000), theta(4 * 1000 * 8), lp(4 * 1000);
//   std::vector<int32_t> n_evaluations(4 * 1000);
//   absl::Status status =
//       Sample(EightSchools(), options,
//              {.mu = absl::MakeSpan(mu), .tau = absl::MakeSpan(tau), .theta = ...});
//
// The method (Gelman et al., "Bayesian Data Analysis", 3rd ed., section 5.4, with a normal prior
// on mu instead of a flat one): theta and mu are integrated out of the posterior, which leaves one
// dimension. log tau makes a slice sampling step there (Neal, "Slice sampling", Annals of
// Statistics 31, 2003), then mu given tau, and theta given mu and tau, are drawn exactly. Unlike a
// sampler of all J + 2 parameters at once it has no funnel to get stuck in: only the draws of tau
// are correlated, and those weakly.
//
// Draws are a function of the data and the seed: independent of the standard library's
// distributions, of how many chains run beside a chain, and of how many draws come after a draw.
// They depend on the last bit of the C library's exp, log, sin, cos, and on whether the compiler
// contracts a * b + c, so another machine may part from this one's chains.

#ifndef SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_SAMPLER_H_
#define SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_SAMPLER_H_

#include <array>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "slabpipe/examples/eight_schools/data.h"

namespace eight_schools {

struct SamplerOptions {
  int64_t chains = 4;     // at least 1
  int64_t draws = 1000;   // kept, for each chain; at least 1
  int64_t warmup = 1000;  // made before those and thrown away, for each chain; at least 0
  uint64_t seed = 0;      // any value
  // Is told now and then how many of the draws that are kept, of all chains, are made; false: no
  // more are wanted.
  std::function<bool(int64_t done, int64_t total)> progress = nullptr;
};

// Where the draws go: borrowed, row-major, each exactly as large as its shape says. They must not
// overlap; that is not detected.
struct DrawBuffers {
  absl::Span<double> mu;     // [chain][draw]
  absl::Span<double> tau;    // [chain][draw]
  absl::Span<double> theta;  // [chain][draw][school]

  // [chain][draw]: log p(y, theta, mu, tau), the joint density at the draw with every constant
  // kept, in the parameters as they stand (no Jacobian of a transformation). The log posterior
  // density is this minus log p(y), which is the same for all draws.
  absl::Span<double> lp;

  // [chain][draw]: how often the slice sampler evaluated its density for the draw.
  absl::Span<int32_t> n_evaluations;
};

// Fills `out`. Each chain starts at a tau from its prior and has its own stream of random numbers.
// Thread-safe: calls share nothing.
//
// INVALID_ARGUMENT, and `out` is as it was, if
//   - data.y is empty, or data.sigma has another size;
//   - a y is not finite, or beyond 1e30 in size;
//   - a sigma is not finite, not positive, or outside [1e-30, 1e30] (squares must not overflow);
//   - options has chains < 1, draws < 1 or warmup < 0;
//   - a buffer has another size than its shape says.
// CANCELLED if `progress` said so: then part of `out` is filled.
absl::Status Sample(const Data& data, const SamplerOptions& options, const DrawBuffers& out);

// A stream of random numbers: xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom
// number generators", ACM Transactions on Mathematical Software 47, 2021), of period 2^256 - 1.
// Copies repeat the original's stream. Not thread-safe. Public for its tests.
class RandomStream {
 public:
  using State = std::array<uint64_t, 4>;

  // The stream of `seed`, which SplitMix64 spreads over the state. Any seed will do.
  explicit RandomStream(uint64_t seed);

  // The stream that starts at `state`. REQUIRES: a bit of it is set.
  explicit RandomStream(const State& state) : state_(state) {}

  // The next 64 random bits.
  uint64_t Next();

  // Moves ahead by 2^128 calls of Next. Streams that are jumps apart don't overlap in practice.
  void Jump();

  // Uniform on the open interval (0, 1), of 52 random bits: never 0, never 1.
  double Uniform() { return (static_cast<double>(Next() >> 12) + 0.5) * 0x1p-52; }

  // Exponential of mean 1.
  double Exponential();

  // Standard normal, by the transformation of Box and Muller (1958).
  double Normal();

  const State& state() const { return state_; }

 private:
  State state_;
  double spare_normal_ = 0;  // Box-Muller makes two at a time: the other one ...
  bool has_spare_ = false;   // ... if there is one.
};

}  // namespace eight_schools

#endif  // SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_SAMPLER_H_
