// A codec for a type of a library's: Eigen::MatrixXd, sent as the array that it is.

#ifndef MATRIX_CODEC_H_
#define MATRIX_CODEC_H_

#include <Eigen/Core>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/ndarray.h"

// A matrix has its elements in itself, so it comes as Eigen::MatrixXd, not as a Leased one.
template <>
inline constexpr bool slabpipe::kOwnsItsBytes<Eigen::MatrixXd> = true;

class MatrixCodec : public slabpipe::CodecFor<Eigen::MatrixXd> {
 public:
  absl::string_view name() const override { return "eigen.MatrixXd"; }
  absl::Status Prepare(const Eigen::MatrixXd& matrix, slabpipe::Sizer& sizer) const override {
    absl::StatusOr<Array> array = View(matrix);
    return array.ok() ? sizer.AddChild(*array) : array.status();
  }
  absl::Status Encode(const Eigen::MatrixXd& matrix, slabpipe::Encoder& encoder) const override {
    absl::StatusOr<Array> array = View(matrix);
    if (!array.ok()) return array.status();
    if (absl::Status s = encoder.InitChildren(1); !s.ok()) return s;
    return encoder.SetChild(0, *array);
  }
  absl::StatusOr<Eigen::MatrixXd> Decode(slabpipe::Decoder& decoder) const override {
    absl::StatusOr<Array> array = decoder.Child<Array>(0);
    if (!array.ok()) return array.status();
    if (array->rank() != 2) {
      return absl::InvalidArgumentError(absl::StrCat("a matrix of ", array->rank(), " axes"));
    }
    Eigen::MatrixXd matrix(array->shape()[0], array->shape()[1]);
    if (array->empty()) return matrix;  // it may say that it has 2^50 columns, of nothing
    for (Eigen::Index j = 0; j < matrix.cols(); ++j) {
      for (Eigen::Index i = 0; i < matrix.rows(); ++i) matrix(i, j) = (*array)(i, j);
    }
    return matrix;
  }

 private:
  using Array = slabpipe::NdArray<const double>;
  // Eigen's matrices are column-major.
  static absl::StatusOr<Array> View(const Eigen::MatrixXd& matrix) {
    return Array::Borrow(absl::MakeConstSpan(matrix.data(), static_cast<size_t>(matrix.size())),
                         {matrix.rows(), matrix.cols()}, slabpipe::Order::kColumnMajor);
  }
};

#endif  // MATRIX_CODEC_H_
