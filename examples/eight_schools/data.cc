#include "slabpipe/examples/eight_schools/data.h"

namespace eight_schools {

Data EightSchools() { return {.y = kY, .sigma = kSigma}; }

const ReferenceSummary* FindReference(absl::string_view parameter) {
  for (const ReferenceSummary& reference : kReferencePosterior) {
    if (reference.parameter == parameter) return &reference;
  }
  return nullptr;
}

}  // namespace eight_schools
