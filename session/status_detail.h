// StatusDetail: a value that goes along with a status, for those that ask for it.
//
//   SetStatusDetail(status, "slabpipe.WorkerLoss", "worker 1234", loss);
//   std::shared_ptr<const WorkerLoss> again =
//       GetStatusDetail<WorkerLoss>(status, "slabpipe.WorkerLoss");
//
// A payload of a status is bytes, and a printed status shows all of them. So the payload is a short
// text, and the value lies beside it, in this process, as long as any copy of the payload lives:
//
//   UNAVAILABLE: ... [slabpipe.WorkerLoss='worker 1234 #17']

#ifndef SLABPIPE_SESSION_STATUS_DETAIL_H_
#define SLABPIPE_SESSION_STATUS_DETAIL_H_

#include <memory>
#include <typeindex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

// Thread-safe. Nothing happens to a status that is OK.
void SetStatusDetailOfType(absl::Status& status, absl::string_view name, absl::string_view text,
                           std::shared_ptr<const void> value, std::type_index type);
// Null if the status has no such payload, or one whose value is of another type or not known here:
// one that somebody has put together from its bytes.
std::shared_ptr<const void> GetStatusDetailOfType(const absl::Status& status,
                                                  absl::string_view name, std::type_index type);

template <typename T>
void SetStatusDetail(absl::Status& status, absl::string_view name, absl::string_view text,
                     T value) {
  SetStatusDetailOfType(status, name, text, std::make_shared<const T>(std::move(value)), typeid(T));
}
template <typename T>
std::shared_ptr<const T> GetStatusDetail(const absl::Status& status, absl::string_view name) {
  return std::static_pointer_cast<const T>(GetStatusDetailOfType(status, name, typeid(T)));
}

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_STATUS_DETAIL_H_
