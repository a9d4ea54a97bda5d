// What a worker offers, as text for people.
//
//   std::cout << session.Describe();                      // everything, module by module
//   std::cout << *session.Describe("bayes");              // one module
//   std::cout << *session.Describe("bayes.fit");          // one target
//
//   bayes
//     bayes.fit(data: Table, chains: int = 4, seed: int = 0) -> Dataset
//       Fits the model.
//
// The data is session.targets(). What is printed holds no control characters, whatever the worker
// says.

#ifndef SLABPIPE_SESSION_DESCRIBE_H_
#define SLABPIPE_SESSION_DESCRIBE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/session/target_info.h"

namespace slabpipe {

// All of them, grouped by module (or module::Class), modules and targets in their order. Signatures
// of more than 100 places have one parameter a line.
std::string DescribeTargets(absl::Span<const TargetInfo> targets);

// The target of that name, or those of the module of that name: its functions, its classes, and
// those of modules inside it. NOT_FOUND says which may have been meant.
absl::StatusOr<std::string> DescribeTargets(absl::Span<const TargetInfo> targets,
                                            absl::string_view name);

// OK if some target's module is `scope` (or, of `bayes`, a class of it or a module inside it).
// NOT_FOUND says which may have been meant, or else which there are.
absl::Status FindModule(absl::Span<const TargetInfo> targets, absl::string_view scope);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_DESCRIBE_H_
