#include "slabpipe/bench/harness/array_work.h"

#include "absl/strings/str_cat.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kPeriod = 8;

}  // namespace

void FillPattern(absl::Span<double> x) {
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i % kPeriod);
}

std::vector<double> PatternArray(size_t elements) {
  std::vector<double> x(elements);
  FillPattern(absl::MakeSpan(x));
  return x;
}

double Sum(absl::Span<const double> x) {
  // Sums of their own for neighbours, so that an addition does not wait for the one before it.
  double sums[kPeriod] = {};
  size_t i = 0;
  for (; i + kPeriod <= x.size(); i += kPeriod) {
    for (size_t lane = 0; lane < kPeriod; ++lane) sums[lane] += x[i + lane];
  }
  double sum = 0;
  for (; i < x.size(); ++i) sum += x[i];
  for (const double lane : sums) sum += lane;
  return sum;
}

double PatternSum(size_t elements, double tag) {
  constexpr double kSumOfPeriod = kPeriod * (kPeriod - 1) / 2;
  const size_t rest = elements % kPeriod;
  const double sum = static_cast<double>(elements / kPeriod) * kSumOfPeriod;
  return sum + (rest == 0 ? 0 : static_cast<double>(rest * (rest - 1)) / 2) + tag;
}

absl::Status CheckLook(double seen, double expected) {
  if (seen == expected) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the array that arrived is another: ", seen, " instead of ", expected));
}

absl::Status CheckAnswer(const Small& answer, uint64_t number) {
  if (IsWhole(answer) && answer.number == number + 1) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("small call ", number, " was answered with ", answer.number));
}

}  // namespace slabpipe::bench
