#include "slabpipe/tests/testing/small_disk.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace slabpipe::tests {

bool MountSmallDisk(const std::string& folder) {
  const uid_t user = ::getuid();
  const gid_t group = ::getgid();
  std::filesystem::create_directories(folder);
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << user << " " << user << " 1";
  std::ofstream("/proc/self/gid_map") << group << " " << group << " 1";
  return ::mount("none", folder.c_str(), "tmpfs", 0, "size=64k") == 0;
}

void FillUp(const std::string& folder) {
  std::ofstream file(folder + "/full");
  const std::string page(4096, 'x');
  while (file.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
  }
}

}  // namespace slabpipe::tests
