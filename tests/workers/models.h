// A record with handles in it, as the worker (of its models) and main (of any) see it.

#ifndef SLABPIPE_TESTS_WORKERS_MODELS_H_
#define SLABPIPE_TESTS_WORKERS_MODELS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/record.h"

namespace slabpipe::tests {

template <typename T>
struct Models {
  std::string title;
  Handle<T> best;
  std::vector<Handle<T>> all;
  std::map<std::string, Handle<T>> by_name;

  static constexpr auto SlabpipeFields() {
    return Fields("tests.Models", Field("title", &Models::title), Field("best", &Models::best),
                  Field("all", &Models::all), Field("by_name", &Models::by_name));
  }
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_WORKERS_MODELS_H_
