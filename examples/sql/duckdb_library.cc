#include "slabpipe/examples/sql/duckdb_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sql {
namespace {

constexpr char kHowToGet[] =
    "examples/sql/setup.sh (./demo --example sql runs it) gets it; or set SLABPIPE_DUCKDB to the "
    "path of a libduckdb.so, 1.5 or later";

const char* Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

std::string CacheFolder() {
  if (const char* cache = Environment("XDG_CACHE_HOME")) return cache;
  if (const char* home = Environment("HOME")) return absl::StrCat(home, "/.cache");
  return "";
}

// Where the library should be; "" if the environment doesn't say.
std::string LibraryPath() {
  if (const char* named = Environment("SLABPIPE_DUCKDB")) return named;
  const std::string cache = CacheFolder();
  return cache.empty() ? "" : absl::StrCat(cache, "/slabpipe/duckdb/libduckdb.so");
}

absl::Status Resolve(void* loaded, const std::string& path, const char* name, void** function) {
  *function = dlsym(loaded, name);
  if (*function != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, " has no function ", name, ": DuckDB 1.5 or later is needed"));
}

}  // namespace

absl::StatusOr<const DuckdbLibrary*> DuckdbLibrary::Open() {
  static std::mutex mutex;
  static const DuckdbLibrary* opened = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (opened != nullptr) return opened;
  const std::string path = LibraryPath();
  if (path.empty()) {
    return absl::NotFoundError(
        absl::StrCat("DuckDB: none of SLABPIPE_DUCKDB, XDG_CACHE_HOME, HOME is set; ", kHowToGet));
  }
  absl::StatusOr<const DuckdbLibrary*> library = Load(path);
  if (library.ok()) opened = *library;
  return library;
}

absl::StatusOr<const DuckdbLibrary*> DuckdbLibrary::Load(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("DuckDB: there is no file ", path, "; ", kHowToGet));
  }
  void* loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("DuckDB can't be loaded: ", dlerror()));
  }
  std::unique_ptr<DuckdbLibrary> library(new DuckdbLibrary(path));
  absl::Status resolved = Resolve(loaded, path, "duckdb_library_version",
                                  reinterpret_cast<void**>(&library->api_.version));
#define SQL_DUCKDB_RESOLVE(name, returns, parameters) \
  resolved.Update(                                    \
      Resolve(loaded, path, "duckdb_" #name, reinterpret_cast<void**>(&library->api_.name)));
  SQL_DUCKDB_FUNCTIONS(SQL_DUCKDB_RESOLVE)
#undef SQL_DUCKDB_RESOLVE
  if (!resolved.ok()) return resolved;
  return library.release();  // never deleted: see the header
}

}  // namespace sql
