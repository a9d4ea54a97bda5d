#include "slabpipe/session/error_wire.h"

#include <algorithm>
#include <string>
#include <vector>

namespace slabpipe {
namespace {

using TextList = capnp::List<capnp::Text>;
using CauseList = capnp::List<schemas::Error::Cause>;

// What is shown to people; nobody reads more.
constexpr size_t kMaxEntries = 256;
constexpr size_t kMaxTextBytes = size_t{64} << 10;
constexpr size_t kMaxLineBytes = size_t{4} << 10;  // of a traceback, and of a type's name

std::string ToString(capnp::Text::Reader text, size_t limit) {
  return std::string(text.cStr(), std::min<size_t>(text.size(), limit));
}

std::string Cut(const std::string& text, size_t limit) { return text.substr(0, limit); }

template <typename List>
unsigned CountOf(const List& list) {
  return static_cast<unsigned>(std::min<size_t>(list.size(), kMaxEntries));
}

void WriteLines(const std::vector<std::string>& lines, TextList::Builder out) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, Cut(lines[i], kMaxLineBytes).c_str());
}

std::vector<std::string> ReadLines(TextList::Reader in) {
  std::vector<std::string> lines;
  for (unsigned i = 0; i < CountOf(in); ++i) lines.push_back(ToString(in[i], kMaxLineBytes));
  return lines;
}

std::vector<RemoteError::Cause> ReadCauses(CauseList::Reader in) {
  std::vector<RemoteError::Cause> causes;
  for (unsigned i = 0; i < CountOf(in); ++i) {
    causes.push_back({.type = ToString(in[i].getType(), kMaxLineBytes),
                      .message = ToString(in[i].getMessage(), kMaxTextBytes),
                      .traceback = ReadLines(in[i].getTraceback())});
  }
  return causes;
}

// Anything that is no code of an error counts as UNKNOWN.
absl::StatusCode ToCode(uint16_t number) {
  const bool known = number > 0 && number <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  return known ? static_cast<absl::StatusCode>(number) : absl::StatusCode::kUnknown;
}

}  // namespace

void WriteError(const RemoteError& error, schemas::Error::Builder out) {
  out.setCode(static_cast<uint16_t>(error.code));
  out.setMessage(Cut(error.message, kMaxTextBytes).c_str());
  out.setType(Cut(error.type, kMaxLineBytes).c_str());
  WriteLines(error.traceback, out.initTraceback(CountOf(error.traceback)));
  auto causes = out.initCauses(CountOf(error.causes));
  for (unsigned i = 0; i < causes.size(); ++i) {
    const RemoteError::Cause& cause = error.causes[i];
    causes[i].setType(Cut(cause.type, kMaxLineBytes).c_str());
    causes[i].setMessage(Cut(cause.message, kMaxTextBytes).c_str());
    WriteLines(cause.traceback, causes[i].initTraceback(CountOf(cause.traceback)));
  }
}

RemoteError ReadError(schemas::Error::Reader in) {
  return {.code = ToCode(in.getCode()),
          .message = ToString(in.getMessage(), kMaxTextBytes),
          .type = ToString(in.getType(), kMaxLineBytes),
          .traceback = ReadLines(in.getTraceback()),
          .causes = ReadCauses(in.getCauses())};
}

}  // namespace slabpipe
