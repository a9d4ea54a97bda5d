#include "slabpipe/bench/harness/request.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "slabpipe/bench/harness/clock.h"

namespace slabpipe::bench {
namespace {

std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += ' ';
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

absl::StatusOr<Request> ParseRequest(absl::string_view line) {
  const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
  Request request;
  int64_t budget_ms = 0;
  if (fields.size() != 5 || !absl::SimpleAtoi(fields[1], &request.bytes) || request.bytes < 0 ||
      !absl::SimpleAtoi(fields[2], &request.count) || request.count < 1 ||
      !absl::SimpleAtoi(fields[4], &budget_ms) || budget_ms < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", line, "' is not CASE BYTES COUNT MODE BUDGET_MS"));
  }
  request.name = fields[0];
  request.mode = fields[3];
  request.budget_ns = budget_ms * kNsPerMs;
  return request;
}

std::string ToJson(const absl::StatusOr<Measurement>& measurement) {
  if (!measurement.ok()) {
    const bool unsupported = measurement.status().code() == absl::StatusCode::kUnimplemented;
    return absl::StrCat("{\"", unsupported ? "unsupported" : "error",
                        "\": ", Quoted(measurement.status().message()), "}");
  }
  std::string json = "{\"samples\": ";
  absl::StrAppend(&json, measurement->samples.ToJson(), ", \"numbers\": {");
  const char* separator = "";
  for (const auto& [name, value] : measurement->numbers) {
    absl::StrAppend(&json, separator, Quoted(name), ": ", absl::StrFormat("%.6g", value));
    separator = ", ";
  }
  absl::StrAppend(&json, "}, \"notes\": {");
  separator = "";
  for (const auto& [name, text] : measurement->notes) {
    absl::StrAppend(&json, separator, Quoted(name), ": ", Quoted(text));
    separator = ", ";
  }
  absl::StrAppend(&json, "}}");
  return json;
}

}  // namespace slabpipe::bench
