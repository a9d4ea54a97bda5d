#include "slabpipe/session/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {
namespace {

namespace fs = std::filesystem;

absl::Status FileError(int error_number, absl::string_view doing, absl::string_view path) {
  const absl::Status status = absl::ErrnoToStatus(error_number, absl::StrCat(doing, " ", path));
  if (error_number != EFBIG) return status;
  return absl::ResourceExhaustedError(absl::StrCat(status.message(), " (see ulimit -f)"));
}

absl::Status MakeFolder(const fs::path& folder) {
  if (folder.empty() || ::access(folder.c_str(), F_OK) == 0) return absl::OkStatus();
  if (absl::Status parent = MakeFolder(folder.parent_path()); !parent.ok()) return parent;
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return FileError(errno, "can't make the folder", folder.string());
}

absl::Status WriteAll(int file, absl::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(file, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, "can't write", path);
    contents.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file) != 0) return FileError(errno, "can't write", path);
  return absl::OkStatus();
}

// What a rename, or a removal, has changed is on the disk when this returns.
absl::Status SyncFolder(const fs::path& folder) {
  const UniqueFd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.valid() && (::fsync(opened.get()) == 0 || errno == EINVAL)) return absl::OkStatus();
  return FileError(errno, "done, but may be undone by a crash of the machine: can't sync",
                   folder.string());
}

fs::path FolderOf(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

// The file itself where `path` is a link to it.
fs::path BehindLinks(const std::string& path) {
  std::error_code error;
  const fs::path behind = fs::canonical(path, error);
  return error ? fs::path(path) : behind;
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents) {
  const fs::path target = BehindLinks(path);
  const fs::path folder = FolderOf(target);
  if (absl::Status made = MakeFolder(folder); !made.ok()) return made;
  std::string temporary = absl::StrCat((folder / ".").string(), target.filename().string());
  temporary += ".XXXXXX";
  const UniqueFd file(::mkostemp(temporary.data(), O_CLOEXEC));  // 0600
  if (!file.valid()) return FileError(errno, "can't write", path);
  absl::Cleanup remove = [&] { ::unlink(temporary.c_str()); };
  if (absl::Status written = WriteAll(file.get(), contents, path); !written.ok()) return written;
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    return FileError(errno, "can't write", path);
  }
  std::move(remove).Cancel();
  return SyncFolder(folder);
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // it may be a pipe
  if (!file.valid()) return FileError(errno, "can't read", path);
  std::string contents(max_bytes + 1, '\0');
  size_t size = 0;
  while (size < contents.size()) {
    const ssize_t got = ::read(file.get(), contents.data() + size, contents.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "can't read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(path, " has more than ", max_bytes, " bytes"));
  }
  contents.resize(size);
  return contents;
}

absl::Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return FileError(errno, "can't remove", path);
  return SyncFolder(FolderOf(path));
}

}  // namespace slabpipe
