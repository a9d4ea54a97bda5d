#include "slabpipe/session/remote_error.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

using TextList = capnp::List<capnp::Text>;

// A list from the peer is shown to people; nobody reads more.
constexpr unsigned kMaxLines = 256;
constexpr size_t kMaxMessageBytes = size_t{64} << 10;

std::string ToString(capnp::Text::Reader text) { return std::string(text.cStr(), text.size()); }

void WriteLines(const std::vector<std::string>& lines, TextList::Builder out) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, lines[i].c_str());
}

std::vector<std::string> ReadLines(TextList::Reader in) {
  std::vector<std::string> lines;
  for (unsigned i = 0; i < std::min(in.size(), kMaxLines); ++i) lines.push_back(ToString(in[i]));
  return lines;
}

std::vector<RemoteError::Cause> ReadCauses(capnp::List<schemas::Error::Cause>::Reader in) {
  std::vector<RemoteError::Cause> causes;
  for (unsigned i = 0; i < std::min(in.size(), kMaxLines); ++i) {
    causes.push_back({.type = ToString(in[i].getType()), .message = ToString(in[i].getMessage())});
  }
  return causes;
}

// Anything that is no code of an error counts as UNKNOWN.
absl::StatusCode ToCode(uint16_t number) {
  const bool known = number > 0 && number <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  return known ? static_cast<absl::StatusCode>(number) : absl::StatusCode::kUnknown;
}

}  // namespace

RemoteError ToRemoteError(const absl::Status& status) {
  RemoteError error;
  error.code = status.code();
  error.message = std::string(status.message());
  return error;
}

void WriteError(const RemoteError& error, schemas::Error::Builder out) {
  out.setCode(static_cast<uint16_t>(error.code));
  // Cut off where a message could not carry it.
  out.setMessage(error.message.substr(0, kMaxMessageBytes).c_str());
  out.setType(error.type.c_str());
  WriteLines(error.traceback, out.initTraceback(static_cast<unsigned>(error.traceback.size())));
  auto causes = out.initCauses(static_cast<unsigned>(error.causes.size()));
  for (unsigned i = 0; i < causes.size(); ++i) {
    causes[i].setType(error.causes[i].type.c_str());
    causes[i].setMessage(error.causes[i].message.substr(0, kMaxMessageBytes).c_str());
  }
}

RemoteError ReadError(schemas::Error::Reader in) {
  return {.code = ToCode(in.getCode()),
          .message = ToString(in.getMessage()),
          .type = ToString(in.getType()),
          .traceback = ReadLines(in.getTraceback()),
          .causes = ReadCauses(in.getCauses())};
}

absl::Status ToStatus(const RemoteError& error, absl::string_view target) {
  std::string text = absl::StrCat(target, ": ");
  if (!error.type.empty()) absl::StrAppend(&text, error.type, ": ");
  absl::StrAppend(&text, error.message);
  for (const RemoteError::Cause& cause : error.causes) {
    absl::StrAppend(&text, "\n  caused by ", cause.type, cause.type.empty() ? "" : ": ",
                    cause.message);
  }
  if (!error.traceback.empty()) absl::StrAppend(&text, "\n  thrown in the worker at");
  for (const std::string& frame : error.traceback) absl::StrAppend(&text, "\n    ", frame);
  return absl::Status(error.code, text);
}

}  // namespace slabpipe
