// DuckdbLibrary: DuckDB's shared library, found and loaded while the program runs. Nothing is
// linked with DuckDB, so everything builds where it is missing.
//
//   absl::StatusOr<const DuckdbLibrary*> library = DuckdbLibrary::Open();
//   if (!library.ok()) return library.status();   // says where it was looked for
//   std::cout << (*library)->version();           // "v1.5.6"
//
// Looked for: the file that the environment's SLABPIPE_DUCKDB names; if that is not set,
// slabpipe/duckdb/libduckdb.so in $XDG_CACHE_HOME, or in ~/.cache, where setup.sh puts it.
//
// Errors: NOT_FOUND (no such file; the message says how to get it), FAILED_PRECONDITION (a file
// that can't be loaded, or lacks a function that is needed).
//
// Thread-safe. A process has one, that of the first call that finds it. It stays loaded until the
// process ends: Arrow arrays that DuckDB made are released by its code, however late.

#ifndef SLABPIPE_EXAMPLES_SQL_DUCKDB_LIBRARY_H_
#define SLABPIPE_EXAMPLES_SQL_DUCKDB_LIBRARY_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "slabpipe/examples/sql/duckdb_api.h"

namespace sql {

class DuckdbLibrary {
 public:
  static absl::StatusOr<const DuckdbLibrary*> Open();

  const DuckdbApi& api() const { return api_; }
  const std::string& path() const { return path_; }
  const char* version() const { return api_.version(); }

 private:
  explicit DuckdbLibrary(std::string path) : path_(std::move(path)) {}

  static absl::StatusOr<const DuckdbLibrary*> Load(const std::string& path);

  std::string path_;
  DuckdbApi api_;
};

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_DUCKDB_LIBRARY_H_
