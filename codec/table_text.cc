// Tables as people expect to see them: the first rows, columns side by side.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

constexpr absl::string_view kGap = "  ";

// A column of text: its heading, and a cell a row.
struct Strip {
  std::vector<std::string> lines;
  bool to_the_right = false;
};

bool IsNumeric(const ColumnType& type) {
  return (type.kind() >= ColumnType::kInt8 && type.kind() <= ColumnType::kFloat64) ||
         type.kind() == ColumnType::kDecimal128 || type.kind() == ColumnType::kDecimal256;
}

absl::flat_hash_set<absl::string_view> IndexNames(const Table& table) {
  return {table.index_columns().begin(), table.index_columns().end()};
}

std::vector<const TableColumn*> IndexFirst(const Table& table) {
  std::vector<const TableColumn*> ordered;
  for (const std::string& name : table.index_columns()) ordered.push_back(table.Find(name));
  const absl::flat_hash_set<absl::string_view> index = IndexNames(table);
  for (const TableColumn& column : table.columns()) {
    if (!index.contains(column.name)) ordered.push_back(&column);
  }
  return ordered;
}

Strip Dots(int64_t rows) {
  return {.lines = std::vector<std::string>(static_cast<size_t>(rows) + 1, "...")};
}

Strip RangeStrip(const Table& table, int64_t rows, size_t cell_width) {
  const RangeIndex& range = table.range_index();
  Strip strip = {.lines = {PrintableText(range.name, cell_width)}};
  for (int64_t row = 0; row < rows; ++row) {
    const uint64_t label = static_cast<uint64_t>(range.start) +
                           static_cast<uint64_t>(row) * static_cast<uint64_t>(range.step);
    strip.lines.push_back(absl::StrCat(static_cast<int64_t>(label)));
  }
  return strip;
}

Strip ColumnStrip(const TableColumn& column, int64_t rows, size_t cell_width) {
  Strip strip = {.lines = {PrintableText(column.name, cell_width)},
                 .to_the_right = IsNumeric(column.values.type())};
  for (int64_t row = 0; row < rows; ++row) {
    strip.lines.push_back(PrintableText(column.values.CellText(row), cell_width));
  }
  return strip;
}

std::string SideBySide(const std::vector<Strip>& strips, size_t lines) {
  std::vector<size_t> widths;
  for (const Strip& strip : strips) {
    size_t& width = widths.emplace_back(0);
    for (const std::string& line : strip.lines) width = std::max(width, TextWidth(line));
  }
  std::string text;
  for (size_t line = 0; line < lines; ++line) {
    std::string row;
    for (size_t i = 0; i < strips.size(); ++i) {
      const std::string& cell = strips[i].lines[line];
      const std::string padding(widths[i] - TextWidth(cell), ' ');
      absl::StrAppend(&row, i == 0 ? "" : kGap, strips[i].to_the_right ? padding : "", cell,
                      strips[i].to_the_right ? "" : padding);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, row, "\n");
  }
  return text;
}

}  // namespace

std::string Table::ToText(const PrintOptions& options) const {
  const int64_t rows = std::clamp<int64_t>(options.rows, 0, row_count_);
  std::vector<Strip> strips;
  if (index_columns_.empty()) strips.push_back(RangeStrip(*this, rows, options.cell_width));
  const std::vector<const TableColumn*> ordered = IndexFirst(*this);
  for (size_t i = 0; i < std::min(ordered.size(), options.columns); ++i) {
    strips.push_back(ColumnStrip(*ordered[i], rows, options.cell_width));
  }
  if (ordered.size() > options.columns) strips.push_back(Dots(rows));
  std::string text = SideBySide(strips, static_cast<size_t>(rows) + 1);
  if (rows < row_count_) absl::StrAppend(&text, "...\n");
  absl::StrAppend(&text, "[", row_count_, row_count_ == 1 ? " row x " : " rows x ", column_count(),
                  column_count() == 1 ? " column]\n" : " columns]\n");
  return text;
}

std::string Table::Describe() const {
  constexpr size_t kNameWidth = 200, kTypeWidth = 2000;
  const absl::flat_hash_set<absl::string_view> index = IndexNames(*this);
  std::string text;
  for (const TableColumn& column : columns()) {
    absl::StrAppend(&text, PrintableText(column.name, kNameWidth), ": ",
                    PrintableText(column.values.type().name(), kTypeWidth),
                    column.nullable ? "" : ", not null",
                    index.contains(column.name) ? ", index" : "", "\n");
  }
  return text;
}

std::ostream& operator<<(std::ostream& stream, const Table& table) {
  return stream << table.ToText();
}

}  // namespace slabpipe
