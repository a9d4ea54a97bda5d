// Least squares in a worker that uses Eigen: fits a polynomial to many points, and to half of them.
// Neither the matrices nor the results are copied. Exit code 0 if the fits are right.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"

namespace {

using slabpipe::NdArray;
using slabpipe::Order;
using slabpipe::Session;

constexpr int64_t kPoints = 200'000;
const std::vector<double> kCoefficients = {1, 2, -3};  // of 1, t, t^2
constexpr double kWobble = 0.25;                       // added to one point, taken from the next

struct Problem {
  NdArray<double> a;  // column-major, as Eigen has it
  NdArray<double> b;
};

// Both lie in shared memory from the start.
absl::StatusOr<Problem> MakeProblem(Session& session) {
  const auto columns = static_cast<int64_t>(kCoefficients.size());
  absl::StatusOr<NdArray<double>> a =
      session.NewArray<double>({kPoints, columns}, Order::kColumnMajor);
  if (!a.ok()) return a.status();
  absl::StatusOr<NdArray<double>> b = session.NewArray<double>({kPoints});
  if (!b.ok()) return b.status();
  for (int64_t i = 0; i < kPoints; ++i) {
    const double t = 2 * static_cast<double>(i) / kPoints - 1;
    (*b)(i) = i % 2 == 0 ? kWobble : -kWobble;
    for (int64_t j = 0; j < columns; ++j) {
      (*a)(i, j) = std::pow(t, j);
      (*b)(i) += kCoefficients[static_cast<size_t>(j)] * (*a)(i, j);
    }
  }
  return Problem{*a, *b};
}

// The first half of the points: views, whose columns lie as far apart as those of the whole.
absl::StatusOr<Problem> FirstHalf(const Problem& all) {
  absl::StatusOr<NdArray<double>> a = all.a.Slice(0, 0, kPoints / 2);
  if (!a.ok()) return a.status();
  absl::StatusOr<NdArray<double>> b = all.b.Slice(0, 0, kPoints / 2);
  if (!b.ok()) return b.status();
  return Problem{*a, *b};
}

// Prints the fit; an error if it is wrong.
absl::Status Fit(Session& session, const Problem& problem) {
  absl::StatusOr<NdArray<const double>> x =
      session.Call<NdArray<const double>>("lsq.solve", problem.a, problem.b);
  if (!x.ok()) return x.status();
  absl::StatusOr<NdArray<const double>> residuals =
      session.Call<NdArray<const double>>("lsq.residuals", problem.a, problem.b, *x);
  if (!residuals.ok()) return residuals.status();
  double largest = 0;
  for (const double residual : *residuals) largest = std::max(largest, std::abs(residual));
  std::cout << problem.a.Describe() << ", columns " << problem.a.strides()[1]
            << " bytes apart: coefficients " << absl::StrJoin(x->ToVector(), ", ")
            << "; largest residual " << largest << "\n";
  const bool right =
      std::equal(x->begin(), x->end(), kCoefficients.begin(), kCoefficients.end(),
                 [](double got, double want) { return std::abs(got - want) < 1e-3; });
  return right && std::abs(largest - kWobble) < 1e-3
             ? absl::OkStatus()
             : absl::InternalError("the fit is not the polynomial that the points come from");
}

absl::Status Run() {
  absl::StatusOr<Session> session = Session::Start({.program = "eigen_worker"});
  if (!session.ok()) return session.status();
  absl::StatusOr<Problem> all = MakeProblem(*session);
  if (!all.ok()) return all.status();
  if (absl::Status status = Fit(*session, *all); !status.ok()) return status;
  absl::StatusOr<Problem> half = FirstHalf(*all);
  if (!half.ok()) return half.status();
  if (absl::Status status = Fit(*session, *half); !status.ok()) return status;

  absl::StatusOr<uint64_t> worker_copies = session->Call<uint64_t>("lsq.copies");
  if (!worker_copies.ok()) return worker_copies.status();
  const uint64_t main_copies = session->stats().pool.copies;
  std::cout << "arrays copied on the way: " << main_copies << " by main, " << *worker_copies
            << " by the worker\n";
  if (main_copies + *worker_copies != 0) return absl::InternalError("something was copied");

  // An error comes back as a status; the worker goes on.
  std::cout
      << "rows as columns: "
      << session->Call<NdArray<const double>>("lsq.solve", all->a.Transpose(), all->b).status()
      << "\n";
  return absl::OkStatus();
}

}  // namespace

int main() {
  absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
