#include "slabpipe/tests/faults/matrix.h"

#include <ctype.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"

namespace slabpipe::tests {
namespace {

class Printer : public ::testing::Environment {
  void TearDown() override { std::fputs(TheMatrix().ToText().c_str(), stdout); }
};
[[maybe_unused]] ::testing::Environment* const printer =
    ::testing::AddGlobalTestEnvironment(new Printer());

}  // namespace

std::string Matrix::ToText() const {
  const auto line = [](const auto&... parts) {
    return absl::StrFormat("| %-6s | %-24s | %-18s | %-32s | %10s | %4s | %s\n", parts...);
  };
  std::string text = line("struck", "when", "by", "outcome", "noticed ms", "left", "afterwards");
  for (const Cell& cell : cells_) {
    absl::StrAppend(&text, line(cell.who, cell.phase, cell.fault, cell.outcome,
                                absl::StrFormat("%.2f", static_cast<double>(cell.noticed_us) / 1e3),
                                absl::StrCat(cell.left), cell.after));
  }
  return absl::StrCat(text, cells_.size(), " cells\n");
}

Matrix& TheMatrix() {
  static auto* const matrix = new Matrix();
  return *matrix;
}

std::string ToTestName(std::string words) {
  for (char& c : words) {
    if (!::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return words;
}

}  // namespace slabpipe::tests
