// Small files that are there whole or not at all.
//
//   absl::Status written = WriteFileAtomically("/home/me/.config/x.json", text);
//   absl::StatusOr<std::string> text = ReadSmallFile("/home/me/.config/x.json", 1 << 20);
//
// Safe to use from several threads and processes at once: of several writers the last one wins, and
// a reader sees what one of them has written.

#ifndef SLABPIPE_SESSION_ATOMIC_FILE_H_
#define SLABPIPE_SESSION_ATOMIC_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

// Writes a temporary file beside it, brings it to the disk, and renames it; on any error before
// that the old file stays as it was. Makes the folder if need be (0700). The file is its owner's
// alone (0600). If `path` is a link to a file, that is replaced and the link stays. A process that
// is killed meanwhile leaves a file ".<name>.XXXXXX", which nobody reads.
// RESOURCE_EXHAUSTED for a full disk, quota or limit; PERMISSION_DENIED, ... as the system says.
// The message names the file.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents);

// NOT_FOUND; RESOURCE_EXHAUSTED if it has more than `max_bytes`; others as the system says.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes);

// NOT_FOUND if it is not there.
absl::Status RemoveFile(const std::string& path);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ATOMIC_FILE_H_
