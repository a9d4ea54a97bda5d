#include "slabpipe/session/handshake.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/target_name.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe {
namespace {

std::string ToString(capnp::Text::Reader text) { return std::string(text.cStr(), text.size()); }

// A text for people, safe to be printed. What is beyond `limit` is left out.
std::string ReadText(capnp::Text::Reader text, size_t limit) {
  return SafeText({text.cStr(), std::min(text.size(), limit)});
}

void WriteFeatures(const std::vector<std::string>& features,
                   capnp::List<capnp::Text>::Builder out) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, features[i].c_str());
}

// Those that nobody here could know are left out.
std::vector<std::string> ReadFeatures(capnp::List<capnp::Text>::Reader in) {
  constexpr unsigned kMost = 256;
  std::vector<std::string> features;
  for (unsigned i = 0; i < std::min(in.size(), kMost); ++i) {
    if (in[i].size() <= kMaxNameBytes) features.push_back(ToString(in[i]));
  }
  return features;
}

absl::string_view FeatureFor(SegmentKind segments) {
  return segments == SegmentKind::kPosix ? "posix-segments" : "memfd-segments";
}

bool ArePrefixes(const std::string& a, const std::string& b) {
  return IsValidSegmentName(a) && IsValidSegmentName(b) && !absl::StartsWith(a, b) &&
         !absl::StartsWith(b, a);
}

void WriteTarget(const TargetInfo& target, schemas::Target::Builder out) {
  out.setName(target.name.c_str());
  out.setDocumentation(target.documentation.c_str());
  out.setResult(target.result.c_str());
  out.setItemType(target.item_type.c_str());
  auto parameters = out.initParameters(static_cast<unsigned>(target.parameters.size()));
  for (unsigned i = 0; i < parameters.size(); ++i) {
    parameters[i].setName(target.parameters[i].name.c_str());
    parameters[i].setType(target.parameters[i].type.c_str());
    parameters[i].setOptional(target.parameters[i].optional);
    parameters[i].setDefaultValue(target.parameters[i].default_value.c_str());
  }
}

// Texts of the worker's, which go to a terminal sooner or later: without control characters, and
// not copied if they are too long.
class TargetReader {
 public:
  absl::StatusOr<TargetInfo> Read(schemas::Target::Reader in) {
    TargetInfo target;
    Take(in.getName(), kMaxNameBytes, target.name);
    Take(in.getResult(), kMaxTypeNameBytes, target.result);
    Take(in.getItemType(), kMaxTypeNameBytes, target.item_type);
    Take(in.getDocumentation(), kMaxDocumentationBytes, target.documentation, SafeText);
    const auto parameters = in.getParameters();
    if (parameters.size() > kMaxParameters) return TooMuch("a target's parameters", kMaxParameters);
    for (const schemas::Target::Parameter::Reader parameter : parameters) {
      target.parameters.push_back(Read(parameter));
    }
    if (!status_.ok()) return status_;
    if (absl::Status status = CheckTargetInfo(target); !status.ok()) return status;
    return target;
  }

  static absl::Status TooMuch(absl::string_view what, size_t limit) {
    return absl::InvalidArgumentError(absl::StrCat(what, " are more than ", limit));
  }

 private:
  TargetInfo::Parameter Read(schemas::Target::Parameter::Reader in) {
    TargetInfo::Parameter parameter;
    parameter.optional = in.getOptional();
    Take(in.getName(), kMaxNameBytes, parameter.name);
    Take(in.getType(), kMaxTypeNameBytes, parameter.type);
    Take(in.getDefaultValue(), kMaxTypeNameBytes, parameter.default_value);
    return parameter;
  }
  void Take(capnp::Text::Reader in, size_t limit, std::string& out,
            std::string (*make_safe)(absl::string_view) = SafeLine) {
    left_ -= std::min(left_, in.size());
    if (in.size() > limit) status_.Update(TooMuch("the bytes of a text", limit));
    if (left_ == 0) status_.Update(TooMuch("the bytes of all texts", kMaxTargetsBytes));
    if (status_.ok()) out = make_safe({in.cStr(), in.size()});
  }

  size_t left_ = kMaxTargetsBytes + 1;
  absl::Status status_;
};

absl::StatusOr<std::vector<TargetInfo>> ReadTargets(capnp::List<schemas::Target>::Reader in) {
  if (in.size() > kMaxTargets) return TargetReader::TooMuch("its targets", kMaxTargets);
  TargetReader reader;
  std::vector<TargetInfo> targets;
  absl::flat_hash_set<std::string> names;
  for (const schemas::Target::Reader target : in) {
    absl::StatusOr<TargetInfo> read = reader.Read(target);
    if (!read.ok()) return read.status();
    if (!names.insert(read->name).second) {
      return absl::InvalidArgumentError(absl::StrCat("it has two targets '", read->name, "'"));
    }
    targets.push_back(*std::move(read));
  }
  return targets;
}

}  // namespace

std::shared_ptr<SegmentProvider> MakeSegmentProvider(SegmentKind kind) {
  if (kind == SegmentKind::kPosix) return std::make_shared<PosixSegmentProvider>();
  return std::make_shared<MemfdSegmentProvider>();
}

void WriteHello(const HelloInfo& hello, schemas::Hello::Builder out) {
  out.setProtocolVersion(hello.protocol_version);
  out.setLibrary(hello.software.c_str());
  WriteFeatures(hello.features, out.initFeatures(static_cast<unsigned>(hello.features.size())));
  out.setMainPrefix(hello.main_prefix.c_str());
  out.setWorkerPrefix(hello.worker_prefix.c_str());
  out.setSegments(hello.segments == SegmentKind::kPosix ? schemas::Hello::SegmentKind::POSIX
                                                        : schemas::Hello::SegmentKind::MEMFD);
  out.setRing(hello.ring);
  out.setSpinNanoseconds(static_cast<uint64_t>(absl::ToInt64Nanoseconds(hello.spin)));
}

absl::StatusOr<HelloInfo> ReadHello(schemas::Message::Reader message) {
  if (!message.isHello()) return absl::InvalidArgumentError("the first message is no hello");
  const schemas::Hello::Reader in = message.getHello();
  HelloInfo hello = {.protocol_version = in.getProtocolVersion(),
                     .software = ToString(in.getLibrary()),
                     .features = ReadFeatures(in.getFeatures()),
                     .main_prefix = ToString(in.getMainPrefix()),
                     .worker_prefix = ToString(in.getWorkerPrefix()),
                     .segments = in.getSegments() == schemas::Hello::SegmentKind::POSIX
                                     ? SegmentKind::kPosix
                                     : SegmentKind::kMemfd,
                     .ring = in.getRing(),
                     .spin = absl::Nanoseconds(in.getSpinNanoseconds())};
  if (hello.protocol_version != kProtocolVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("this worker (", kLibraryName, ") speaks protocol ", kProtocolVersion,
                     ", main (", hello.software, ") protocol ", hello.protocol_version));
  }
  if (!ArePrefixes(hello.main_prefix, hello.worker_prefix)) {
    return absl::InvalidArgumentError(absl::StrCat("'", hello.main_prefix, "' and '",
                                                   hello.worker_prefix,
                                                   "' can't tell two sides' segments apart"));
  }
  return hello;
}

void WriteWelcome(const WelcomeInfo& welcome, schemas::Welcome::Builder out) {
  out.setProtocolVersion(welcome.protocol_version);
  out.setLibrary(welcome.software.c_str());
  WriteFeatures(welcome.features, out.initFeatures(static_cast<unsigned>(welcome.features.size())));
  out.setRefusal(welcome.refusal.c_str());
  if (!welcome.refusal.empty()) out.setRefusalCode(static_cast<uint16_t>(welcome.refusal_code));
  out.setRing(welcome.ring);
  out.setThreads(welcome.threads);
  auto targets = out.initTargets(static_cast<unsigned>(welcome.targets.size()));
  for (unsigned i = 0; i < targets.size(); ++i) WriteTarget(welcome.targets[i], targets[i]);
}

absl::StatusOr<WelcomeInfo> ReadWelcome(schemas::Message::Reader message, SegmentKind segments) {
  if (!message.isWelcome()) {
    return absl::DataLossError("the worker's first message is no welcome");
  }
  const schemas::Welcome::Reader in = message.getWelcome();
  const bool exhausted =
      in.getRefusalCode() == static_cast<uint16_t>(absl::StatusCode::kResourceExhausted);
  WelcomeInfo welcome = {.protocol_version = in.getProtocolVersion(),
                         .software = ReadText(in.getLibrary(), kMaxNameBytes),
                         .features = ReadFeatures(in.getFeatures()),
                         .refusal = ReadText(in.getRefusal(), kMaxDocumentationBytes),
                         .refusal_code = exhausted ? absl::StatusCode::kResourceExhausted
                                                   : absl::StatusCode::kFailedPrecondition,
                         .targets = {},
                         .ring = in.getRing(),
                         .threads = in.getThreads()};
  if (!welcome.refusal.empty()) {
    return absl::Status(welcome.refusal_code,
                        absl::StrCat("the worker refuses: ", welcome.refusal));
  }
  if (welcome.protocol_version != kProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the worker (", welcome.software, ") speaks protocol ", welcome.protocol_version,
        ", this main (", kLibraryName, ") protocol ", kProtocolVersion));
  }
  const absl::string_view needed = FeatureFor(segments);
  if (std::find(welcome.features.begin(), welcome.features.end(), needed) ==
      welcome.features.end()) {
    return absl::FailedPreconditionError(absl::StrCat("the worker (", welcome.software,
                                                      ") lacks the feature '", needed,
                                                      "', which is asked for"));
  }
  absl::StatusOr<std::vector<TargetInfo>> targets = ReadTargets(in.getTargets());
  if (!targets.ok()) {
    return absl::DataLossError(
        absl::StrCat("the worker's welcome breaks a rule: ", targets.status().message()));
  }
  welcome.targets = *std::move(targets);
  return welcome;
}

}  // namespace slabpipe
