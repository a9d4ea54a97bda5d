#include "slabpipe/session/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

constexpr size_t kBarColumns = 20;
constexpr size_t kUsualColumns = 80;
constexpr char kToStartOfLine[] = "\r\x1b[K";

size_t ColumnsOf(std::FILE* out) {
  winsize size = {};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualColumns;
  return size.ws_col;
}

// "1:02:03", "2:03".
std::string Clock(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds < 3600) return absl::StrFormat("%d:%02d", seconds / 60, seconds % 60);
  return absl::StrFormat("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

// The part that is done, from 0 to 1; nullopt if that can't be said.
std::optional<double> Fraction(const Progress& progress) {
  if (!(progress.total > 0) || !std::isfinite(progress.total) || !std::isfinite(progress.done)) {
    return std::nullopt;
  }
  return std::clamp(progress.done / progress.total, 0.0, 1.0);
}

// Draws while it lives.
class Line {
 public:
  Line(std::string title, std::FILE* out)
      : title_(std::move(title)), out_(out), start_(absl::Now()) {}
  ~Line() {
    if (drawn_) std::fputs("\n", out_);
  }
  void Draw(const Progress& progress) {
    const std::string line = ProgressLine(title_, progress, absl::Now() - start_, ColumnsOf(out_));
    const std::string text = absl::StrCat(kToStartOfLine, line);
    std::fwrite(text.data(), 1, text.size(), out_);
    std::fflush(out_);
    drawn_ = true;
  }

 private:
  const std::string title_;
  std::FILE* const out_;
  const absl::Time start_;
  bool drawn_ = false;
};

}  // namespace

std::string ProgressLine(absl::string_view title, const Progress& progress, absl::Duration elapsed,
                         size_t width) {
  std::string line = PrintableText(title, width);
  if (const std::optional<double> fraction = Fraction(progress)) {
    const auto full = static_cast<size_t>(std::floor(*fraction * kBarColumns));
    absl::StrAppendFormat(&line, " %3d%% [%s%s]  %g/%g", static_cast<int>(*fraction * 100),
                          std::string(full, '#'), std::string(kBarColumns - full, ' '),
                          progress.done, progress.total);
    if (*fraction > 0 && *fraction < 1) {
      absl::StrAppend(&line, "  ", Clock(elapsed * ((1 - *fraction) / *fraction)), " left");
    } else {
      absl::StrAppend(&line, "  ", Clock(elapsed));
    }
  } else {
    absl::StrAppendFormat(&line, "  %g  %s", progress.done, Clock(elapsed));
  }
  if (!progress.text.empty()) absl::StrAppend(&line, "  ", PrintableText(progress.text, width));
  return CutText(line, width);
}

ProgressCallback ProgressBar(std::string title, std::FILE* out) {
  if (::isatty(::fileno(out)) == 0) return [](const Progress&) {};
  return [line = std::make_shared<Line>(std::move(title), out)](const Progress& progress) {
    line->Draw(progress);
  };
}

}  // namespace slabpipe
