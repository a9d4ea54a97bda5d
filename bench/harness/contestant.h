// RunContestant: the loop of a program that the driver measures. See request.h for the protocol.
//
//   int main() {
//     return RunContestant({{"small", MeasureSmall}, {"in-copied", MeasureArray}});
//   }

#ifndef SLABPIPE_BENCH_HARNESS_CONTESTANT_H_
#define SLABPIPE_BENCH_HARNESS_CONTESTANT_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "slabpipe/bench/harness/request.h"

namespace slabpipe::bench {

using MeasureFunction = std::function<absl::StatusOr<Measurement>(const Request& request)>;

// Answers lines of stdin until it ends. Returns main()'s exit code. stdout is the protocol's; what
// the program itself has to say goes to stderr. Ends with its parent.
int RunContestant(const std::map<std::string, MeasureFunction>& cases);

// Has the kernel end this process when the one that started it is gone. For contestants and the
// workers of peers that do not see to it themselves.
void DieWithParent();

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_CONTESTANT_H_
