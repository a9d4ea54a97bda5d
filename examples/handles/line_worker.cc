// A worker with objects that main works on: lines, each fitted to points by least squares.

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/worker.h"

using Doubles = slabpipe::NdArray<const double>;

// The line y = slope * x + intercept through all points that were added.
class Line {
 public:
  void Add(double x, double y) {
    ++points_;
    const double from_mean = x - mean_x_;
    mean_x_ += from_mean / static_cast<double>(points_);
    mean_y_ += (y - mean_y_) / static_cast<double>(points_);
    spread_ += from_mean * (x - mean_x_);
    together_ += from_mean * (y - mean_y_);
  }
  int64_t points() const { return points_; }
  double slope() const { return spread_ > 0 ? together_ / spread_ : 0; }
  double At(double x) const { return mean_y_ + slope() * (x - mean_x_); }

 private:
  int64_t points_ = 0;
  double mean_x_ = 0, mean_y_ = 0;
  double spread_ = 0;    // sum of the squares of x about its mean
  double together_ = 0;  // the same of x and y
};

absl::Status Add(Line& line, const Doubles& x, const Doubles& y) {
  if (x.rank() != 1 || y.rank() != 1 || x.size() != y.size()) {
    return absl::InvalidArgumentError("x and y are to be of one axis, and of one length");
  }
  for (int64_t i = 0; i < x.size(); ++i) line.Add(x(i), y(i));
  return absl::OkStatus();
}

absl::StatusOr<slabpipe::Handle<Line>> Fit(const Doubles& x, const Doubles& y) {
  auto line = std::make_unique<Line>();
  if (absl::Status added = Add(*line, x, y); !added.ok()) return added;
  const std::string text = absl::StrCat("fitted to ", line->points(), " points");
  return slabpipe::Handle<Line>(std::move(line), text);
}

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.Register("lines.fit", Fit, "The line through points, by least squares.", {"x", "y"});
  worker.Register("lines::Line.add", Add, "Adds points.", {"self", "x", "y"});
  worker.Register("lines::Line.slope", &Line::slope, "", {"self"});
  worker.Register("lines::Line.at", &Line::At, "The line's y at x.", {"self", "x"});
  return worker.Serve();
}
