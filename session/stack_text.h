// AppendFrames: a stack, as people read it in a status.
//
//   AppendFrames(text, error.traceback);   // "\n    f()\n    g()"

#ifndef SLABPIPE_SESSION_STACK_TEXT_H_
#define SLABPIPE_SESSION_STACK_TEXT_H_

#include <string>
#include <vector>

namespace slabpipe {

// One line a frame, control characters as escapes. Those from slabpipe's own call of the user's
// function on, which are the same for all functions, are left out.
void AppendFrames(std::string& text, const std::vector<std::string>& frames);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_STACK_TEXT_H_
