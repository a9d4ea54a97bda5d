// Values in messages: schemas/codecs.capnp, Value.

#ifndef SLABPIPE_CODEC_VALUE_WIRE_H_
#define SLABPIPE_CODEC_VALUE_WIRE_H_

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/schemas/codecs.capnp.h"

namespace slabpipe {

// A text or bytes of at least this length may lie in a block of its own instead of in the message.
inline constexpr size_t kLongTextBytes = 4096;

// Whether `value` can be sent: texts and keys are UTF-8, nesting at most kMaxValueDepth levels, at
// most kMaxValues values and kMaxValueBytes bytes of texts, bytes and keys (codec_limits.h).
// INVALID_ARGUMENT says where it is wrong, as in "at .names[3]".
absl::Status CheckValue(const Value& value);

// Puts a long text or bytes into a block and returns the block's index in the payload.
using LongTextWriter = absl::FunctionRef<absl::StatusOr<uint32_t>(absl::string_view content)>;
// Finds it there. The bytes are checked for their number, and copied, before anything looks at
// them.
using LongTextReader =
    absl::FunctionRef<absl::StatusOr<absl::Span<const std::byte>>(uint32_t block)>;

// REQUIRES: CheckValue(value) is OK.
void WriteValue(const Value& value, schemas::Value::Builder builder);
absl::Status WriteValue(const Value& value, schemas::Value::Builder builder,
                        LongTextWriter write_long);

// The value, checked as CheckValue does. INVALID_ARGUMENT for one that makes no sense or, without
// `find_long`, that needs a block. May throw kj::Exception: call it inside CatchKj.
absl::StatusOr<Value> ReadValue(schemas::Value::Reader reader);
absl::StatusOr<Value> ReadValue(schemas::Value::Reader reader, LongTextReader find_long);

// The same for attributes, which are a map, or nothing if there are none. Errors begin with
// "attributes: ".
absl::Status CheckAttributes(const ValueMap& attributes);
absl::Status ReadAttributes(schemas::Value::Reader in, ValueMap& attributes);

// For names of all kinds in metadata. INVALID_ARGUMENT with `what` if it is not UTF-8.
absl::StatusOr<std::string> ReadName(capnp::Text::Reader text, absl::string_view what);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_VALUE_WIRE_H_
