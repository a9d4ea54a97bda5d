#include "slabpipe/session/argument_wire.h"

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/text_wire.h"

namespace slabpipe {
namespace {

using Models = absl::InlinedVector<AnyRef, 8>;

// Calls `done` while the models of all arguments are there: each is there while its visit lasts.
absl::Status VisitAll(absl::Span<const ArgumentRef> arguments, Models& models,
                      absl::FunctionRef<absl::Status()> done) {
  if (arguments.empty()) return done();
  return arguments[0].visit(arguments[0].value, [&](AnyRef model) {
    models.push_back(model);
    return VisitAll(arguments.subspan(1), models, done);
  });
}

absl::Status Encode(absl::Span<const ArgumentRef> arguments, const Models& models,
                    ValueMessage& message, schemas::Request::Builder request) {
  const auto in_argument = [&](size_t i, const absl::Status& status) {
    const capnp::Text::Reader target = request.asReader().getTarget();
    return absl::Status(status.code(),
                        absl::StrCat(target.cStr(), ": argument ", i + 1, ": ", status.message()));
  };
  for (size_t i = 0; i < models.size(); ++i) {
    absl::Status status = message.Prepare(models[i]);
    if (!status.ok()) return in_argument(i, status);
  }
  if (absl::Status status = message.OpenSlab(); !status.ok()) return status;
  auto list = request.initArguments(static_cast<unsigned>(arguments.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const absl::string_view name = arguments[i].name;
    if (!name.empty()) {
      WriteText(name, [&](unsigned bytes) { return list[i].initName(bytes); });
    }
    absl::Status status = message.Encode(models[i], list[i].initPayload());
    if (!status.ok()) return in_argument(i, status);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteArguments(absl::Span<const ArgumentRef> arguments, ValueMessage& message,
                            schemas::Request::Builder request) {
  Models models;
  return VisitAll(arguments, models, [&] { return Encode(arguments, models, message, request); });
}

}  // namespace slabpipe
