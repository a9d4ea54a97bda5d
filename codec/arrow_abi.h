// The structs of the Arrow C Data Interface and the C Stream Interface, as other libraries see
// them. Layout, flags and meaning of the fields: Apache Arrow, "The Arrow C data interface" and
// "The Arrow C stream interface", arrow.apache.org/docs/format/CDataInterface.html. arrow.h makes
// and takes them.
//
// The macros around them are those that the specification asks for: several libraries that bring
// these definitions can be used in one source file, and the first one's count.

#ifndef SLABPIPE_CODEC_ARROW_ABI_H_
#define SLABPIPE_CODEC_ARROW_ABI_H_

#include <stdint.h>  // NOLINT: as C has it

extern "C" {

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

// A type, by name. Null `release`: this one has been released, or moved elsewhere.
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

// Values of a type that a schema tells. `release` as above.
struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#endif  // ARROW_C_DATA_INTERFACE

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

// Arrays of one type, one after the other. The functions return 0 or an errno value.
struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};

#endif  // ARROW_C_STREAM_INTERFACE

}  // extern "C"

#endif  // SLABPIPE_CODEC_ARROW_ABI_H_
