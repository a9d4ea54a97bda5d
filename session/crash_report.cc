#include "slabpipe/session/crash_report.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "slabpipe/session/crash_handler.h"

namespace slabpipe {
namespace {

std::string Cut(absl::string_view text) {
  return std::string(text.substr(0, kMostCrashFrameBytes));
}

// Takes the next word, and the spaces around it.
absl::string_view TakeWord(absl::string_view& text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  const absl::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  text = absl::StripLeadingAsciiWhitespace(text);
  return word;
}

// Reads line after line, and keeps what the last report says.
class Parser {
 public:
  // Whether the line is part of a report's stack.
  bool Read(absl::string_view line) {
    const bool after_terminate = std::exchange(after_terminate_, false);
    if (ReadSignal(line) || ReadAbseilFrame(line) || ReadSanitizerFrame(line)) return true;
    if (line == kCrashStackBegin) {
      section_ = Section::kAbseil;
      report_.stack.clear();  // of Abseil's, which it comes after: this one sees more
      return true;
    }
    if (line == kCrashStackEnd) return Close();
    if (absl::StartsWith(line, "terminate called ")) {
      found_ = after_terminate_ = true;
      report_ = {.signal = "", .reason = Cut(line), .stack = {}};
    } else if (absl::ConsumePrefix(&line, "  what():  ") && after_terminate) {
      absl::StrAppend(&report_.reason, ": ", Cut(line));
    } else if (absl::StartsWith(line, "==") && absl::StrContains(line, "Sanitizer")) {
      ReadSanitizer(line);
    }
    if (section_ == Section::kSanitizer && line.empty() && !report_.stack.empty()) Close();
    return false;
  }

  std::optional<CrashReport> Take() {
    if (!found_) return std::nullopt;
    return std::move(report_);
  }

 private:
  enum class Section { kNone, kAbseil, kSanitizer };

  bool Close() {
    const bool open = section_ != Section::kNone;
    section_ = Section::kNone;
    return open;
  }

  void Push(absl::string_view frame) {
    if (report_.stack.size() < kMostCrashFrames) report_.stack.push_back(Cut(frame));
  }

  // "*** SIGSEGV received at time=1700000000 on cpu 3 ***"
  bool ReadSignal(absl::string_view line) {
    if (!absl::ConsumePrefix(&line, "*** SIG")) return false;
    const size_t end = line.find(" received at time=");
    if (end == absl::string_view::npos || end > 16) return false;
    const auto name = line.substr(0, end);
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c); })) {
      return false;
    }
    report_.signal = absl::StrCat("SIG", name);
    report_.stack.clear();
    section_ = Section::kAbseil;
    found_ = true;
    return true;
  }

  // "PC: @     0x563c1b1f1c9  (unknown)  f()", "    @     0x7f3edc2a8eec         32  f()", and
  // without the number of bytes in slabpipe's own.
  bool ReadAbseilFrame(absl::string_view line) {
    if (section_ != Section::kAbseil) return false;
    if (!absl::ConsumePrefix(&line, "PC: @ ") && !absl::ConsumePrefix(&line, "    @ ")) {
      return false;
    }
    const absl::string_view address = TakeWord(line);
    absl::string_view rest = line;
    const absl::string_view bytes = TakeWord(rest);
    const bool sized =
        bytes == "(unknown)" ||
        std::all_of(bytes.begin(), bytes.end(), [](unsigned char c) { return std::isdigit(c); });
    const absl::string_view name = sized ? rest : line;
    const bool known = !name.empty() && name != "(unknown)";
    Push(known ? name : address);
    return true;
  }

  // "==123==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000014 ..."
  void ReadSanitizer(absl::string_view line) {
    const size_t error = line.find("==ERROR: ");
    if (error == absl::string_view::npos) return;
    line.remove_prefix(error + absl::string_view("==ERROR: ").size());
    report_ = {.signal = "", .reason = Cut(line), .stack = {}};
    section_ = Section::kSanitizer;
    found_ = true;
  }

  // "    #0 0x55fa4a17d1ca in main /src/x.cc:1"
  bool ReadSanitizerFrame(absl::string_view line) {
    if (section_ != Section::kSanitizer || !absl::ConsumePrefix(&line, "    #")) return false;
    TakeWord(line);  // its number
    const absl::string_view address = TakeWord(line);
    Push(absl::ConsumePrefix(&line, "in ") ? line : address);
    return true;
  }

  Section section_ = Section::kNone;
  bool found_ = false;
  bool after_terminate_ = false;
  CrashReport report_;
};

}  // namespace

std::optional<CrashReport> FindCrashReport(absl::string_view text) {
  Parser parser;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) parser.Read(line);
  return parser.Take();
}

std::string WithoutCrashStacks(absl::string_view text) {
  Parser parser;
  std::string rest;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!parser.Read(line)) absl::StrAppend(&rest, line, "\n");
  }
  if (!rest.empty()) rest.pop_back();  // the last piece had no end of line
  return rest;
}

}  // namespace slabpipe
