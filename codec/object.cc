#include "slabpipe/codec/object.h"

#include <cxxabi.h>

#include <cstdlib>

namespace slabpipe {

std::string TypeId::name() const {
  int status = 0;
  char* demangled = abi::__cxa_demangle(info_->type->name(), nullptr, nullptr, &status);
  if (demangled == nullptr) return info_->type->name();
  std::string name(demangled);
  std::free(demangled);
  return name;
}

std::vector<WeakBuffer> Object::buffers() const {
  std::vector<WeakBuffer> buffers;
  for (const std::shared_ptr<const Lease>& lease : leases_) buffers.emplace_back(lease);
  return buffers;
}

}  // namespace slabpipe
