// The part of DuckDB's C API that this example calls, as function pointers, so that nothing is
// linked with DuckDB and no header of it is needed. What the functions do and who frees what:
// duckdb.org/docs/current/clients/c/api. DuckdbLibrary (duckdb_library.h) makes a DuckdbApi.
//
//   const DuckdbApi& duckdb = library.api();
//   DuckdbOwned<DuckdbDatabase> database(duckdb.close);
//   if (duckdb.open_ext(nullptr, database.out(), config, &error) != kDuckdbSuccess) ...
//
// The Arrow functions are marked unstable in DuckDB's header; their signatures are those of 1.4
// and 1.5.

#ifndef SLABPIPE_EXAMPLES_SQL_DUCKDB_API_H_
#define SLABPIPE_EXAMPLES_SQL_DUCKDB_API_H_

#include <cstddef>
#include <cstdint>

#include "slabpipe/codec/arrow_abi.h"

namespace sql {

// Handles: pointers to what only DuckDB knows.
using DuckdbDatabase = struct DuckdbDatabaseTag*;
using DuckdbConnection = struct DuckdbConnectionTag*;
using DuckdbConfig = struct DuckdbConfigTag*;
using DuckdbError = struct DuckdbErrorTag*;
using DuckdbType = struct DuckdbTypeTag*;
using DuckdbChunk = struct DuckdbChunkTag*;
using DuckdbVector = struct DuckdbVectorTag*;
using DuckdbSelection = struct DuckdbSelectionTag*;
using DuckdbArrowOptions = struct DuckdbArrowOptionsTag*;
using DuckdbArrowSchema = struct DuckdbArrowSchemaTag*;
using DuckdbTableFunction = struct DuckdbTableFunctionTag*;
using DuckdbBindInfo = struct DuckdbBindInfoTag*;
using DuckdbInitInfo = struct DuckdbInitInfoTag*;
using DuckdbFunctionInfo = struct DuckdbFunctionInfoTag*;

using DuckdbDelete = void (*)(void* data);
using DuckdbBind = void (*)(DuckdbBindInfo info);
using DuckdbInit = void (*)(DuckdbInitInfo info);
using DuckdbScan = void (*)(DuckdbFunctionInfo info, DuckdbChunk output);

using DuckdbState = int;
inline constexpr DuckdbState kDuckdbSuccess = 0;

// duckdb_type: the ids that are told apart here.
inline constexpr int kDuckdbUint8 = 6;
inline constexpr int kDuckdbUint16 = 7;
inline constexpr int kDuckdbVarchar = 17;

// duckdb_error_type, likewise.
inline constexpr int kDuckdbErrorInterrupt = 29;
inline constexpr int kDuckdbErrorFatal = 30;
inline constexpr int kDuckdbErrorInternal = 31;
inline constexpr int kDuckdbErrorOutOfMemory = 33;

// duckdb_result, which is passed by value.
struct DuckdbResult {
  uint64_t deprecated_column_count = 0;
  uint64_t deprecated_row_count = 0;
  uint64_t deprecated_rows_changed = 0;
  void* deprecated_columns = nullptr;
  char* deprecated_error_message = nullptr;
  void* internal_data = nullptr;
};
static_assert(sizeof(DuckdbResult) == 48);

// duckdb_string_t, an element of a VARCHAR vector: up to 12 bytes lie in it, more lie elsewhere.
struct DuckdbString {
  uint32_t length;
  char prefix_or_bytes[4];
  union {
    const char* pointer;
    char more_bytes[8];
  };

  const char* data() const { return length <= 12 ? prefix_or_bytes : pointer; }
};
static_assert(sizeof(DuckdbString) == 16);

// F(name, returns, parameters): the function duckdb_<name>.
#define SQL_DUCKDB_FUNCTIONS(F)                                                             \
  F(free, void, (void* pointer))                                                            \
  F(vector_size, uint64_t, ())                                                              \
  /* Databases and connections */                                                           \
  F(create_config, DuckdbState, (DuckdbConfig * out))                                       \
  F(set_config, DuckdbState, (DuckdbConfig config, const char* name, const char* value))    \
  F(destroy_config, void, (DuckdbConfig * config))                                          \
  F(open_ext, DuckdbState,                                                                  \
    (const char* path, DuckdbDatabase* out, DuckdbConfig config, char** error))             \
  F(close, void, (DuckdbDatabase * database))                                               \
  F(connect, DuckdbState, (DuckdbDatabase database, DuckdbConnection * out))                \
  F(disconnect, void, (DuckdbConnection * connection))                                      \
  /* Queries and results */                                                                 \
  F(query, DuckdbState, (DuckdbConnection connection, const char* sql, DuckdbResult* out))  \
  F(destroy_result, void, (DuckdbResult * result))                                          \
  F(result_error, const char*, (DuckdbResult * result))                                     \
  F(result_error_type, int, (DuckdbResult * result))                                        \
  F(column_count, uint64_t, (DuckdbResult * result))                                        \
  F(column_name, const char*, (DuckdbResult * result, uint64_t column))                     \
  F(column_logical_type, DuckdbType, (DuckdbResult * result, uint64_t column))              \
  F(fetch_chunk, DuckdbChunk, (DuckdbResult result))                                        \
  F(error_data_message, const char*, (DuckdbError error))                                   \
  F(destroy_error_data, void, (DuckdbError * error))                                        \
  /* Arrow */                                                                               \
  F(result_get_arrow_options, DuckdbArrowOptions, (DuckdbResult * result))                  \
  F(destroy_arrow_options, void, (DuckdbArrowOptions * options))                            \
  F(to_arrow_schema, DuckdbError,                                                           \
    (DuckdbArrowOptions options, DuckdbType * types, const char** names, uint64_t columns,  \
     ArrowSchema* out))                                                                     \
  F(data_chunk_to_arrow, DuckdbError,                                                       \
    (DuckdbArrowOptions options, DuckdbChunk chunk, ArrowArray * out))                      \
  F(schema_from_arrow, DuckdbError,                                                         \
    (DuckdbConnection connection, ArrowSchema * schema, DuckdbArrowSchema * out))           \
  F(data_chunk_from_arrow, DuckdbError,                                                     \
    (DuckdbConnection connection, ArrowArray * array, DuckdbArrowSchema schema,             \
     DuckdbChunk * out))                                                                    \
  F(destroy_arrow_converted_schema, void, (DuckdbArrowSchema * schema))                     \
  /* Types, vectors, chunks */                                                              \
  F(get_type_id, int, (DuckdbType type))                                                    \
  F(create_enum_type, DuckdbType, (const char** names, uint64_t count))                     \
  F(enum_internal_type, int, (DuckdbType type))                                             \
  F(destroy_logical_type, void, (DuckdbType * type))                                        \
  F(destroy_data_chunk, void, (DuckdbChunk * chunk))                                        \
  F(data_chunk_get_vector, DuckdbVector, (DuckdbChunk chunk, uint64_t column))              \
  F(data_chunk_set_size, void, (DuckdbChunk chunk, uint64_t rows))                          \
  F(vector_get_column_type, DuckdbType, (DuckdbVector vector))                              \
  F(vector_get_data, void*, (DuckdbVector vector))                                          \
  F(vector_get_validity, uint64_t*, (DuckdbVector vector))                                  \
  F(vector_ensure_validity_writable, void, (DuckdbVector vector))                           \
  F(vector_reference_vector, void, (DuckdbVector to, DuckdbVector from))                    \
  F(vector_copy_sel, void,                                                                  \
    (DuckdbVector from, DuckdbVector to, DuckdbSelection selection, uint64_t from_count,    \
     uint64_t from_offset, uint64_t to_offset))                                             \
  F(validity_set_row_invalid, void, (uint64_t * validity, uint64_t row))                    \
  F(create_selection_vector, DuckdbSelection, (uint64_t size))                              \
  F(destroy_selection_vector, void, (DuckdbSelection selection))                            \
  F(selection_vector_get_data_ptr, uint32_t*, (DuckdbSelection selection))                  \
  /* Table functions */                                                                     \
  F(create_table_function, DuckdbTableFunction, ())                                         \
  F(destroy_table_function, void, (DuckdbTableFunction * function))                         \
  F(table_function_set_name, void, (DuckdbTableFunction function, const char* name))        \
  F(table_function_set_extra_info, void,                                                    \
    (DuckdbTableFunction function, void* info, DuckdbDelete destroy))                       \
  F(table_function_set_bind, void, (DuckdbTableFunction function, DuckdbBind bind))         \
  F(table_function_set_init, void, (DuckdbTableFunction function, DuckdbInit init))         \
  F(table_function_set_function, void, (DuckdbTableFunction function, DuckdbScan scan))     \
  F(table_function_supports_projection_pushdown, void,                                      \
    (DuckdbTableFunction function, bool pushdown))                                          \
  F(register_table_function, DuckdbState,                                                   \
    (DuckdbConnection connection, DuckdbTableFunction function))                            \
  F(bind_get_extra_info, void*, (DuckdbBindInfo info))                                      \
  F(bind_add_result_column, void, (DuckdbBindInfo info, const char* name, DuckdbType type)) \
  F(bind_set_bind_data, void, (DuckdbBindInfo info, void* data, DuckdbDelete destroy))      \
  F(bind_set_cardinality, void, (DuckdbBindInfo info, uint64_t rows, bool is_exact))        \
  F(bind_set_error, void, (DuckdbBindInfo info, const char* message))                       \
  F(init_get_bind_data, void*, (DuckdbInitInfo info))                                       \
  F(init_get_column_count, uint64_t, (DuckdbInitInfo info))                                 \
  F(init_get_column_index, uint64_t, (DuckdbInitInfo info, uint64_t index))                 \
  F(init_set_init_data, void, (DuckdbInitInfo info, void* data, DuckdbDelete destroy))      \
  F(init_set_max_threads, void, (DuckdbInitInfo info, uint64_t threads))                    \
  F(function_get_init_data, void*, (DuckdbFunctionInfo info))                               \
  F(function_set_error, void, (DuckdbFunctionInfo info, const char* message))

// The functions, each under its name without duckdb_.
struct DuckdbApi {
  const char* (*version)() = nullptr;  // duckdb_library_version
#define SQL_DUCKDB_MEMBER(name, returns, parameters) returns(*name) parameters = nullptr;
  SQL_DUCKDB_FUNCTIONS(SQL_DUCKDB_MEMBER)
#undef SQL_DUCKDB_MEMBER
};

// A handle, or null, that is destroyed with it by the function given.
template <typename Handle>
class DuckdbOwned {
 public:
  explicit DuckdbOwned(void (*destroy)(Handle*), Handle handle = nullptr)
      : destroy_(destroy), handle_(handle) {}
  DuckdbOwned(DuckdbOwned&& other) : destroy_(other.destroy_), handle_(other.handle_) {
    other.handle_ = nullptr;
  }
  DuckdbOwned& operator=(DuckdbOwned&&) = delete;
  ~DuckdbOwned() {
    if (handle_ != nullptr) destroy_(&handle_);
  }

  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  void (*destroy_)(Handle*);
  Handle handle_;
};

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_DUCKDB_API_H_
