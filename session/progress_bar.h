// ProgressBar: shows on a terminal how far a call is.
//
//   session->Call<Dataset>({.progress = ProgressBar("fitting")}, "bayes.fit", table);
//
//   fitting  42% [########            ]  420/1000  0:12 left  chain 2

#ifndef SLABPIPE_SESSION_PROGRESS_BAR_H_
#define SLABPIPE_SESSION_PROGRESS_BAR_H_

#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "slabpipe/session/call_options.h"

namespace slabpipe {

// A callback that draws a bar, in one line that it draws anew each time, and ends the line when the
// callback is gone: in a call's options, when the call has returned. It draws nothing if `out` is
// no terminal. What the worker says is made safe to print. The callback is to be used for one call.
ProgressCallback ProgressBar(std::string title, std::FILE* out = stderr);

// The line that it shows, `width` columns wide at most, `elapsed` after the start. Without a total:
// what is done, and no bar.
std::string ProgressLine(absl::string_view title, const Progress& progress, absl::Duration elapsed,
                         size_t width);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_PROGRESS_BAR_H_
