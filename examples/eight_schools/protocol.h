// What main and the worker of this example agree on: the names of the targets and what the fit is
// made of.

#ifndef SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_PROTOCOL_H_
#define SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_PROTOCOL_H_

namespace eight_schools {

// bayes.fit(data, chains, draws, seed = 1): data is a Dataset with the group observed_data: y and
// sigma along the coordinate school. Returns a Dataset with the groups posterior (mu, tau along
// chain and draw; theta along chain, draw and school), sample_stats (lp, n_evaluations along chain
// and draw), both with the coordinates chain and draw; and observed_data as it came.
inline constexpr char kFitTarget[] = "bayes.fit";

// shm.copies(): how many values the worker has copied into shared memory so far.
inline constexpr char kCopiesTarget[] = "shm.copies";

}  // namespace eight_schools

#endif  // SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_PROTOCOL_H_
