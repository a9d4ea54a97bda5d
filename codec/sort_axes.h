// SortAxes: a stable sort of the axes of an array. For array_layout.cc and strided_copy.cc.

#ifndef SLABPIPE_CODEC_SORT_AXES_H_
#define SLABPIPE_CODEC_SORT_AXES_H_

#include <algorithm>

namespace slabpipe {

// Sorts at most kMaxRank things; equal ones keep their order. (std::stable_sort allocates.)
template <typename List, typename Before>
void SortAxes(List& axes, Before before) {
  for (auto axis = axes.begin(); axis != axes.end(); ++axis) {
    std::rotate(std::upper_bound(axes.begin(), axis, *axis, before), axis, axis + 1);
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_SORT_AXES_H_
