// Column types as the Arrow C Data Interface writes them: format strings and metadata. For arrow.h.

#ifndef SLABPIPE_CODEC_ARROW_TYPE_H_
#define SLABPIPE_CODEC_ARROW_TYPE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/column_type.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/codec/value.h"

struct ArrowSchema;

namespace slabpipe {

// "g", "tsu:UTC", "d:9,2". Of a categorical: that of its indices.
std::string ArrowFormat(const ColumnType& type);

// A schema's type, children and dictionary included. INVALID_ARGUMENT, UNIMPLEMENTED.
absl::StatusOr<ColumnType> TypeOfSchema(const ArrowSchema& schema, int depth = 1);
// And its name, flags and metadata.
absl::StatusOr<TableField> FieldOfSchema(const ArrowSchema& schema, int depth = 1);

using ArrowMetadata = std::vector<std::pair<std::string, std::string>>;

// Counts and lengths as int32, then the bytes. Nothing for no entries.
std::string WriteArrowMetadata(const ArrowMetadata& entries);
// INVALID_ARGUMENT if a count or length is below 0. `encoded` may be null.
absl::StatusOr<ArrowMetadata> ReadArrowMetadata(const char* encoded);

// Attributes as metadata, and back. A key that comes twice keeps its last value.
ArrowMetadata ToArrowMetadata(const ValueMap& attributes);
absl::StatusOr<ValueMap> FromArrowMetadata(const ArrowMetadata& entries);

// A table's attributes and index. An index of columns that are not there is left out.
ArrowMetadata TableMetadata(const Table& table);
absl::Status TakeTableMetadata(const ArrowMetadata& entries, Table& table);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_ARROW_TYPE_H_
