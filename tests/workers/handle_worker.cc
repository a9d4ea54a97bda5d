// A worker that keeps objects for main: models, which are handed out as handles and counted.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/session/worker.h"
#include "slabpipe/tests/workers/models.h"

namespace slabpipe::tests {
namespace {

Worker* the_worker = nullptr;
constexpr int64_t kFew = 256;  // that main need not release at once
std::atomic<int64_t> alive = 0;
std::atomic<bool> tell_when_few_are_left = false;
std::thread::id serving_thread;
std::atomic<bool> destroyed_elsewhere = false;

struct Model {
  explicit Model(double value) : value(value) { ++alive; }
  ~Model() {
    if (std::this_thread::get_id() != serving_thread) destroyed_elsewhere = true;
    if (--alive == kFew && tell_when_few_are_left) std::puts("few models are left");
  }

  double value;
};
struct Other {};

std::shared_ptr<Model> kept;  // by the worker's own code

Handle<Model> Make(double value, const std::string& text) {
  return {std::make_unique<Model>(value), text};
}

std::vector<Handle<Model>> MakeMany(int64_t count) {
  std::vector<Handle<Model>> models;
  for (int64_t i = 0; i < count; ++i) models.push_back(Make(static_cast<double>(i), ""));
  return models;
}

// The same object each time.
Handle<Model> Kept() {
  if (kept == nullptr) kept = std::make_shared<Model>(0);
  return kept;
}

double Sum(const Models<Model>& models) {
  double sum = models.best->value;
  for (const Handle<Model>& model : models.all) sum += model->value;
  for (const auto& [name, model] : models.by_name) sum += model->value;
  return sum;
}

Models<Model> MakeRecord() {
  const Handle<Model> first = Make(1, "first"), second = Make(2, "second");
  return {.title = "two models",
          .best = second,
          .all = {first, second, first},
          .by_name = {{"one", first}, {"two", second}}};
}

void RegisterAll(Worker& worker) {
  worker.Register("models.make", Make, "A model.", {"value", {"text", ""}});
  worker.Register("models.make_many", MakeMany);
  worker.Register("models.make_record", MakeRecord);
  worker.Register("models.make_shared", [] { return std::make_shared<Model>(3); });
  worker.Register("models.make_other", [] { return Handle<Other>(std::make_unique<Other>()); });
  worker.Register("models.kept", Kept);
  worker.Register("models.forget_kept", [] { kept = nullptr; });
  worker.Register("models.sum", Sum);
  worker.Register("models.same", [](const Handle<Model>& a, const Handle<Model>& b) {
    return a.get() == b.get();
  });
  worker.Register("models.echo", [](const Handle<Model>& model) { return model; });
  worker.Register("models.echo_any", [](const Handle<>& handle) { return handle; });
  worker.Register("models.text", [](const Handle<>& handle) { return handle.ToString(); });
  worker.Register("models.maybe", [](const std::optional<Handle<Model>>& model) {
    return model.has_value() ? (*model)->value : -1;
  });
  worker.Register("models.value_of_shared",
                  [](const std::shared_ptr<Model>& model) { return model->value; });
  worker.Register("models.alive", [] { return alive.load(); });
  worker.Register("models.handles",
                  [] { return static_cast<int64_t>(the_worker->handle_count()); });
  worker.Register("models.tell_when_few_are_left", [] { tell_when_few_are_left = true; });
  worker.Register("models.destroyed_elsewhere", [] { return destroyed_elsewhere.load(); });
  worker.Register("models.set_max",
                  [](int64_t most) { the_worker->set_max_handles(static_cast<size_t>(most)); });

  worker.Register("models::Model.value", [](Model& self) { return self.value; });
  worker.Register("models::Model.add", [](Model& self, double x) { return self.value += x; },
                  "Adds x.", {"self", "x"});

  worker.Register("process.die", [] { ::_exit(7); });
}

}  // namespace
}  // namespace slabpipe::tests

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  slabpipe::tests::the_worker = &worker;
  slabpipe::tests::serving_thread = std::this_thread::get_id();
  slabpipe::tests::RegisterAll(worker);
  const int code = worker.Serve();
  slabpipe::tests::kept = nullptr;
  return code;
}
