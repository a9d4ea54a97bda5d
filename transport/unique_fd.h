// UniqueFd: owns one file descriptor and closes it.
//
//   slabpipe::UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
//   if (!fd.valid()) return absl::ErrnoToStatus(errno, path);
//
// Move-only. Thread-compatible. Closing ignores errors: nothing that slabpipe closes has unwritten
// data.

#ifndef SLABPIPE_TRANSPORT_UNIQUE_FD_H_
#define SLABPIPE_TRANSPORT_UNIQUE_FD_H_

#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <utility>

namespace slabpipe {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  bool valid() const { return fd_ >= 0; }
  // Borrowed: valid as long as this object holds it. -1 if there is none.
  int get() const { return fd_; }
  // Gives up ownership.
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// Which file, socket or memory object a descriptor stands for: {0, 0} if none. Of those that exist
// at the same time, no two sockets, pipes or memfds have the same.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
inline FileIdentity IdentityOf(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return {};
  return {.device = status.st_dev, .inode = status.st_ino};
}

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_UNIQUE_FD_H_
