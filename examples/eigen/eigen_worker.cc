// The worker: least squares with Eigen. What arrives is seen as Eigen's matrices where it lies, and
// what goes back is computed where main will read it.

#include <Eigen/Dense>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/worker.h"

namespace {

using slabpipe::NdArray;

constexpr int64_t kElementBytes = sizeof(double);

// Columns without gaps, any distance from one to the next; numbers at any distance.
using Matrix = Eigen::Map<const Eigen::MatrixXd, Eigen::Unaligned, Eigen::OuterStride<>>;
using Vector = Eigen::Map<const Eigen::VectorXd, Eigen::Unaligned, Eigen::InnerStride<>>;

// The array as a matrix, not copied. Views of other arrays may have strides that Eigen has not.
absl::StatusOr<Matrix> AsMatrix(const NdArray<const double>& array) {
  if (array.rank() != 2 || array.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(array.Describe(), " is no matrix"));
  }
  const int64_t rows = array.shape()[0], columns = array.shape()[1];
  // Along an axis of extent 1, a stride may be any number.
  const int64_t inner = rows == 1 ? kElementBytes : array.strides()[0];
  const int64_t outer = columns == 1 ? rows * kElementBytes : array.strides()[1];
  if (inner != kElementBytes || outer < rows * inner) {
    return absl::InvalidArgumentError(
        absl::StrCat(array.Describe(), " is not column-major: send Copy(Order::kColumnMajor)"));
  }
  return Matrix(array.data(), rows, columns, Eigen::OuterStride<>(outer / kElementBytes));
}

absl::StatusOr<Vector> AsVector(const NdArray<const double>& array, int64_t size) {
  if (array.rank() != 1 || array.size() != size) {
    return absl::InvalidArgumentError(
        absl::StrCat(array.Describe(), " is no vector of ", size, " numbers"));
  }
  return Vector(array.data(), size, Eigen::InnerStride<>(array.strides()[0] / kElementBytes));
}

// The x for which the squares of a x - b have the least sum.
absl::StatusOr<NdArray<double>> Solve(slabpipe::Worker& worker, const NdArray<const double>& a,
                                      const NdArray<const double>& b) {
  absl::StatusOr<Matrix> matrix = AsMatrix(a);
  if (!matrix.ok()) return matrix.status();
  absl::StatusOr<Vector> right = AsVector(b, matrix->rows());
  if (!right.ok()) return right.status();
  // It works on a matrix of its own: what main has sent may only be read.
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(*matrix);
  if (qr.rank() < matrix->cols()) {
    return absl::InvalidArgumentError(absl::StrCat("the ", matrix->cols(), " columns of ",
                                                   a.Describe(), " have rank ", qr.rank()));
  }
  absl::StatusOr<NdArray<double>> x = worker.NewArray<double>({matrix->cols()});
  if (!x.ok()) return x;
  Eigen::Map<Eigen::VectorXd>(x->data(), x->size()) = qr.solve(*right);
  return x;
}

// b - a x, computed into shared memory.
absl::StatusOr<NdArray<double>> Residuals(slabpipe::Worker& worker, const NdArray<const double>& a,
                                          const NdArray<const double>& b,
                                          const NdArray<const double>& x) {
  absl::StatusOr<Matrix> matrix = AsMatrix(a);
  if (!matrix.ok()) return matrix.status();
  absl::StatusOr<Vector> right = AsVector(b, matrix->rows());
  if (!right.ok()) return right.status();
  absl::StatusOr<Vector> solution = AsVector(x, matrix->cols());
  if (!solution.ok()) return solution.status();
  absl::StatusOr<NdArray<double>> residuals = worker.NewArray<double>({matrix->rows()});
  if (!residuals.ok()) return residuals;
  Eigen::Map<Eigen::VectorXd> r(residuals->data(), residuals->size());
  r = *right;
  r.noalias() -= *matrix * *solution;
  return residuals;
}

}  // namespace

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.Register("lsq.solve",
                  [&worker](const NdArray<const double>& a, const NdArray<const double>& b) {
                    return Solve(worker, a, b);
                  },
                  "The least-squares solution of a x = b.", {"a", "b"});
  worker.Register("lsq.residuals",
                  [&worker](const NdArray<const double>& a, const NdArray<const double>& b,
                            const NdArray<const double>& x) { return Residuals(worker, a, b, x); },
                  "b - a x", {"a", "b", "x"});
  worker.Register(
      "lsq.copies", [&worker] { return worker.pool_stats().copies; },
      "How many values this worker has copied into shared memory.");
  return worker.Serve();
}
