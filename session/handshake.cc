#include "slabpipe/session/handshake.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe {
namespace {

std::string ToString(capnp::Text::Reader text) { return std::string(text.cStr(), text.size()); }

void WriteFeatures(const std::vector<std::string>& features,
                   capnp::List<capnp::Text>::Builder out) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, features[i].c_str());
}

std::vector<std::string> ReadFeatures(capnp::List<capnp::Text>::Reader in) {
  std::vector<std::string> features;
  for (const capnp::Text::Reader feature : in) features.push_back(ToString(feature));
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
  }
}

TargetInfo ReadTarget(schemas::Target::Reader in) {
  TargetInfo target = {.name = ToString(in.getName()),
                       .documentation = ToString(in.getDocumentation()),
                       .parameters = {},
                       .result = ToString(in.getResult()),
                       .item_type = ToString(in.getItemType())};
  for (const schemas::Target::Parameter::Reader parameter : in.getParameters()) {
    target.parameters.push_back({.name = ToString(parameter.getName()),
                                 .type = ToString(parameter.getType()),
                                 .optional = parameter.getOptional()});
  }
  return target;
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
  out.setRing(welcome.ring);
  auto targets = out.initTargets(static_cast<unsigned>(welcome.targets.size()));
  for (unsigned i = 0; i < targets.size(); ++i) WriteTarget(welcome.targets[i], targets[i]);
}

absl::StatusOr<WelcomeInfo> ReadWelcome(schemas::Message::Reader message, SegmentKind segments) {
  if (!message.isWelcome()) {
    return absl::DataLossError("the worker's first message is no welcome");
  }
  const schemas::Welcome::Reader in = message.getWelcome();
  WelcomeInfo welcome = {.protocol_version = in.getProtocolVersion(),
                         .software = ToString(in.getLibrary()),
                         .features = ReadFeatures(in.getFeatures()),
                         .refusal = ToString(in.getRefusal()),
                         .targets = {},
                         .ring = in.getRing()};
  if (!welcome.refusal.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("the worker refuses: ", welcome.refusal));
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
  for (const schemas::Target::Reader target : in.getTargets()) {
    welcome.targets.push_back(ReadTarget(target));
  }
  return welcome;
}

}  // namespace slabpipe
