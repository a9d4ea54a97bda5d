#include "slabpipe/tests/fuzz/seeds.h"

#include <complex>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/tests/fuzz/message_fills.h"
#include "slabpipe/tests/fuzz/sample_types.h"
#include "slabpipe/tests/fuzz/seed_writer.h"
#include "slabpipe/tests/fuzz/session_seeds.h"
#include "slabpipe/tests/fuzz/table_seeds.h"

namespace slabpipe::fuzz {
namespace {

constexpr size_t kLongTextBytes = 4200;  // lies in a block

template <typename T>
NdArray<T> Array(absl::Span<const int64_t> shape, Order order = Order::kRowMajor) {
  NdArray<T> array = *NdArray<T>::Create(shape, order);
  for (size_t i = 0; i < array.span().size(); ++i) array.span()[i] = static_cast<T>(i % 100);
  return array;
}

// Elements 0 to 23 in the memory of the writer's pool: sent as it lies there.
AnyNdArray SharedArray(SeedWriter& writer) {
  NdArray<int16_t> array = *NewSharedArray<int16_t>(writer.pool(), {4, 6});
  for (size_t i = 0; i < array.span().size(); ++i) array.span()[i] = static_cast<int16_t>(i);
  return array;
}

template <typename... T>
void AddVectors(SeedWriter& writer) {
  (writer.Add("ndarray", kElementTypeOf<T>.name(), Array<T>({3})), ...);
}

void AddArrays(SeedWriter& writer) {
  AddVectors<int8_t, int32_t, uint16_t, uint64_t, float, double, std::complex<float>,
             std::complex<double>>(writer);
  writer.Add("ndarray", "bool", std::vector<bool>{true, false, true});
  writer.Add("ndarray", "float16", *NdArray<Float16>::Create({2, 2}));
  writer.Add("ndarray", "bfloat16", *NdArray<Bfloat16>::Create({5}));
  writer.Add("ndarray", "bytes", *BytesArray({"AB12", "", "C"}));
  writer.Add("ndarray", "text", *TextArray({"Ada", "Émilie", "\U0001F600"}));
  writer.Add("ndarray", "row_major", Array<int32_t>({3, 4}));
  writer.Add("ndarray", "column_major", Array<double>({2, 3, 2}, Order::kColumnMajor));
  writer.Add("ndarray", "scalar", Array<double>({}));
  writer.Add("ndarray", "empty", Array<float>({0}));
  writer.Add("ndarray", "empty_of_rank_3", Array<float>({3, 0, 2}));
  writer.Add("ndarray", "rank_6", Array<uint8_t>({2, 1, 3, 1, 2, 2}));
  writer.Add("ndarray", "every_other", *SharedArray(writer).Slice(1, 0, 6, 2));
  writer.Add("ndarray", "backwards", *SharedArray(writer).Slice(0, 3, -1, -1));
  writer.Add("ndarray", "transposed", SharedArray(writer).Transpose());
  writer.Add("ndarray", "inner", *SharedArray(writer).Slice(0, 1, 3)->Slice(1, 2, 5));
  writer.AddRequest("array", Array<double>({2, 5}));
  writer.AddRequest("shared_view", *SharedArray(writer).Slice(1, 1, 6, 2));
}

Value Nested(int depth) {
  Value value = 1;
  for (int i = 0; i < depth; ++i) {
    value = i % 2 == 0 ? Value(ValueList{value}) : Value(ValueMap{{"k", value}});
  }
  return value;
}

Value LongText(const std::string& unit) {
  std::string text;
  while (text.size() < kLongTextBytes) text += unit;
  return text;
}

Value Everything() {
  return ValueMap{{"nothing", Value()},
                  {"yes", true},
                  {"small", -7},
                  {"large", std::numeric_limits<uint64_t>::max()},
                  {"real", -0.25},
                  {"text", "Zürich"},
                  {"bytes", Bytes{std::string("\0\xff", 2)}},
                  {"list", ValueList{1, "two", ValueList{}}},
                  {"map", ValueMap{}}};
}

void AddValues(SeedWriter& writer) {
  const std::vector<std::pair<std::string, Value>> values = {
      {"nothing", Value()},
      {"true", true},
      {"signed", std::numeric_limits<int64_t>::min()},
      {"unsigned", std::numeric_limits<uint64_t>::max()},
      {"nan", std::numeric_limits<double>::quiet_NaN()},
      {"text", "aé\U0001F600"},
      {"bytes", Bytes{std::string("\xff\0\x80", 3)}},
      {"empty_list", ValueList{}},
      {"empty_map", ValueMap{}},
      {"everything", Everything()},
      {"nested", Nested(8)},
      {"deepest", Nested(64)},
      {"long_text", LongText("é")},
      {"long_ones", ValueList{LongText("ab"), Bytes{*LongText("\xff").text()}, LongText("x")}}};
  for (const auto& [name, value] : values) writer.Add("value", name, value);
  writer.AddRequest("value", Everything());
  writer.AddRequest("long_text", ValueList{"short", LongText("ß")});
}

std::vector<std::vector<int>> NestedLists() { return {{1, 2, 3}, {}, {4}}; }

void AddSequences(SeedWriter& writer) {
  writer.Add("sequence", "texts", std::vector<std::string>{"a", "", "ö"});
  writer.Add("sequence", "empty", std::vector<std::string>());
  writer.Add("sequence", "arrays", NestedLists());
  writer.Add("sequence", "optional", std::vector<std::optional<double>>{1.5, std::nullopt});
  writer.Add("sequence", "mixed",
             std::vector<Object>{Object::Make(Everything()),
                                 Object::Make<AnyNdArray>(Array<float>({2, 2})), Object()});
  writer.Add("sequence", "nested",
             std::vector<std::vector<std::vector<std::string>>>{{{"x"}, {}}, {}, {{"y", "z"}}});
  std::vector<Object> twice(2, Object::Make<AnyNdArray>(SharedArray(writer)));
  writer.Add("sequence", "one_block_twice", twice);
  writer.AddRequest("sequence", NestedLists());
}

Fit MakeFit() {
  return {.draws = Array<double>({2, 3}),
          .model = "eight schools",
          .chains = 4,
          .labels = {"mu", "tau"},
          .weights = {0.5f, 1},
          .unknown = {}};
}

void AddRecords(SeedWriter& writer) {
  writer.Add("record", "fit", MakeFit());
  writer.Add("record", "defaults", Fit());
  writer.Add("record", "no_fields", Object::Make(DynamicRecord{.type_name = "none", .fields = {}}));
  const Object inner = Object::Make(
      DynamicRecord{.type_name = "inner", .fields = {{"x", Object::Make(Everything())}}});
  writer.Add(
      "record", "nested",
      Object::Make(DynamicRecord{
          .type_name = "outer",
          .fields = {{"a", inner},
                     {"b", Object::Make(ObjectList{{inner, Object::Make(LongText("q"))}})}}}));
  Fit newer = MakeFit();
  newer.unknown.fields = {{"more", Object::Make<AnyNdArray>(Array<float>({3}))}};
  writer.Add("record", "unknown_field", newer);
  writer.Add("sequence", "records", std::vector<Fit>{MakeFit(), Fit()});
  writer.AddRequest("record", MakeFit());
}

void AddMaps(SeedWriter& writer) {
  writer.Add("map", "texts", std::map<std::string, double>{{"a", 1}, {"é", 2}});
  writer.Add("map", "integers", std::map<int, std::string>{{-1, "x"}, {7, ""}});
  writer.Add("map", "bools", std::map<bool, std::vector<double>>{{false, {}}, {true, {1, 2}}});
  writer.Add("map", "large_keys",
             std::map<uint64_t, int>{{0, 0}, {std::numeric_limits<uint64_t>::max(), 1}});
  writer.Add("map", "empty", std::map<std::string, int>());
  writer.Add("map", "nested",
             std::map<std::string, std::map<int, Fit>>{{"a", {{1, MakeFit()}}}, {"b", {}}});
  writer.AddRequest("map", std::map<std::string, std::vector<float>>{{"a", {1, 2}}, {"b", {}}});
}

void AddVariants(SeedWriter& writer) {
  using Choice = std::variant<std::monostate, double, std::string, std::vector<double>, Fit>;
  writer.Add("variant", "nothing", Choice());
  writer.Add("variant", "number", Choice(1.5));
  writer.Add("variant", "text", Choice("text"));
  writer.Add("variant", "array", Choice(std::vector<double>{1, 2}));
  writer.Add("variant", "record", Choice(MakeFit()));
  writer.Add("variant", "nested", std::variant<int, Choice>(Choice("inner")));
  writer.Add("sequence", "variants", std::vector<Choice>{1.5, "text", std::monostate()});
  writer.Add("sequence", "tuple", std::tuple<int, std::string, std::vector<float>>{1, "b", {2}});
  writer.AddRequest("variant", Choice(std::vector<double>{3}));
}

Dataset MakeDataset() {
  Dataset dataset;
  DatasetGroup& posterior = dataset.AddGroup("posterior");
  FUZZ_CHECK(posterior.AddCoordinate("school", Labels{"Choate", "Zürich"}).ok(), "school");
  FUZZ_CHECK(posterior.AddCoordinate("draw", Array<int32_t>({3})).ok(), "draw");
  FUZZ_CHECK(posterior
                 .AddVariable("theta", {"chain", "draw", "school"}, Array<double>({2, 3, 2}),
                              {{"unit", "points"}})
                 .ok(),
             "theta");
  posterior.attributes().Set("created_by", "fuzz");
  DatasetGroup& data = dataset.AddGroup("observed_data");
  FUZZ_CHECK(data.AddVariable("n", {}, Array<float>({})).ok(), "n");
  dataset.attributes().Set("settings", Everything());
  return dataset;
}

// Columns: of time, of two dimensions, of none, with a missing value; and one array twice.
Dataset MakeJournal() {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("journal");
  const std::vector<absl::Time> days = {absl::UnixEpoch(), absl::UnixEpoch() + absl::Hours(24)};
  FUZZ_CHECK(group.AddCoordinate("day", *ToColumn(days)).ok(), "day");
  FUZZ_CHECK(group.AddCoordinate("place", {}, ShapedColumn(*ToColumn({"Bergen"}), {})).ok(),
             "place");
  FUZZ_CHECK(group
                 .AddVariable("note", {"day", "who"},
                              ShapedColumn(*ToColumn({"a", "", "cc", "d"}), {2, 2}))
                 .ok(),
             "note");
  const std::vector<std::optional<int32_t>> counts = {5, std::nullopt};
  FUZZ_CHECK(group.AddVariable("count", {"day"}, *ToColumn(counts)).ok(), "count");
  const AnyNdArray array = Array<float>({2, 2});
  FUZZ_CHECK(group.AddVariable("x", {"day", "who"}, array).ok(), "x");
  FUZZ_CHECK(group.AddVariable("y", {"day", "who"}, array).ok(), "y");
  return dataset;
}

void AddDatasets(SeedWriter& writer) {
  writer.Add("dataset", "full", MakeDataset());
  writer.Add("dataset", "empty", Dataset());
  writer.Add("dataset", "columns", MakeJournal());
  writer.Add("dataset", "part", *MakeJournal().Slice("day", 1, -1, -1));
  Dataset groups;
  groups.AddGroup("a");
  groups.AddGroup("").attributes().Set("b", 1);
  writer.Add("dataset", "empty_groups", groups);
  Dataset no_extent;
  FUZZ_CHECK(no_extent.AddGroup("g").AddVariable("x", {"d", "e"}, Array<double>({0, 4})).ok(), "x");
  FUZZ_CHECK(no_extent.AddGroup("g").AddCoordinate("d", Labels{}).ok(), "d");
  writer.Add("dataset", "no_elements", no_extent);
  Dataset labels;
  FUZZ_CHECK(labels.AddGroup("g").AddCoordinate("k", *TextArray({"p", "qrs"})).ok(), "k");
  writer.Add("dataset", "text_array", labels);
  writer.Add("sequence", "datasets", std::vector<Dataset>{MakeDataset(), Dataset()});
  writer.AddRequest("dataset", MakeDataset());
}

void AddClouds(SeedWriter& writer) {
  const std::vector<float> points = {1, 2, 3, 4, 5};
  const std::string raw = "raw";
  Cloud cloud = {.settings = Everything(),
                 .children = {},
                 .points = points,
                 .raw = {reinterpret_cast<const std::byte*>(raw.data()), raw.size()},
                 .image = *Buffer::Allocate(100)};
  writer.Add("custom", "cloud", cloud);
  cloud.settings = Value();
  cloud.children = {Object::Make(Everything()), Object::Make<AnyNdArray>(Array<double>({2, 2}))};
  writer.Add("custom", "children", cloud);
  cloud.children = {Object::Make(cloud), Object::Make(LongText("r")), Object::Make(MakeDataset())};
  writer.Add("custom", "nested", cloud);
  writer.AddRequest("custom", cloud);
  writer.Add("custom", "empty_blocks", Cloud{.settings = 1, .points = points});
  writer.Add("custom", "empty", Cloud());
}

void AddHandles(SeedWriter& writer) {
  writer.Add("handle", "first", writer.NewHandle(1));
  writer.Add("handle", "last", writer.NewHandle(std::numeric_limits<uint64_t>::max()));
  writer.Add("sequence", "handles",
             std::vector<Handle<>>{writer.NewHandle(7), writer.NewHandle(7)});
}

void AddHandleMessages(SeedWriter& writer) {
  writer.AddMessages("handle", {[](auto root) {
                                  GrantHandle(root, 5);
                                  AnswerWithHandle(root, 5);
                                },
                                [](auto root) {
                                  GrantHandle(root, 5);
                                  AnswerWithHandle(root, 5);
                                }});
  writer.AddMessages("handle_not_taken", {[](auto root) {
                                            GrantHandle(root, 5);
                                            root.initResponse().initError();
                                          },
                                          [](auto root) {
                                            GrantHandle(root, 6);
                                            root.initResponse().initError();
                                          }});
  writer.AddMessages("bad_handle", {[](auto root) {
                       GrantHandle(root, 5);
                       AnswerWithHandle(root, 6);
                     }});
  writer.AddMessages("bad_handle_number", {[](auto root) {
                       GrantHandle(root, 0);
                       root.initResponse();
                     }});
  writer.AddMessages("bad_releases", {[](auto root) { root.initReleasedHandles(1).set(0, 1); }});
}

void AskWithArray(schemas::Message::Builder root, uint64_t bytes) {
  PutArray(root, root.initRequest().initArguments(1)[0].initPayload(), bytes);
}
void YieldArray(schemas::Message::Builder root, uint64_t bytes) {
  PutArray(root, root.initItem().initValue(), bytes);
}

void Use(schemas::Message::Builder root, uint64_t generation, bool echo) {
  auto grant = root.initMemory().initSegments(1)[0];
  grant.setGeneration(generation);
  grant.setEcho(echo);
}

void AddProtocol(SeedWriter& writer) {
  writer.AddMessages("grants_again_and_retires",
                     {[](auto root) {
                        Announce(root, 0);
                        AskWithArray(root, 100);
                      },
                      [](auto root) {
                        Use(root, 2, false);
                        AskWithArray(root, 64);
                      },
                      [](auto root) { root.initMemory().initRetired(1).set(0, 0); },
                      [](auto root) { Announce(root, 0); }});
  writer.AddMessages("bad_generation", {[](auto root) { Announce(root, 0); },
                                        [](auto root) { Use(root, 0, false); }});
  writer.AddMessages("echoes_and_returns", {[](auto root) {
                                              Use(root, 1, true);
                                              AskWithArray(root, 256);
                                            },
                                            [](auto root) {
                                              auto returned = root.initMemory().initReturns(1)[0];
                                              returned.setCount(1);
                                              returned.setGeneration(1);
                                            },
                                            [](auto root) { Use(root, 1, true); }});
  writer.AddMessages(
      "bad_slot", {[](auto root) { Announce(root, 15); }, [](auto root) { Announce(root, 16); }});
  writer.AddMessages("hello", {[](auto root) {
                       HelloInfo hello;
                       hello.main_prefix = "m.";
                       hello.worker_prefix = "w.";
                       WriteHello(hello, root.initHello());
                     }});
  writer.AddMessages("welcome", {[](auto root) {
                       WelcomeInfo welcome;
                       welcome.targets.push_back({.name = "stats.mean",
                                                  .documentation = "Arithmetic mean",
                                                  .parameters = {{.name = "x",
                                                                  .type = "array",
                                                                  .optional = true,
                                                                  .default_value = "[1, 2]"}},
                                                  .result = "double"});
                       WriteWelcome(welcome, root.initWelcome());
                     }});
  writer.AddMessages("error", {[](auto root) {
                       RemoteError error = {
                           .code = absl::StatusCode::kNotFound,
                           .message = "no such file",
                           .type = "std::runtime_error",
                           .traceback = {"f()", "g()"},
                           .causes = {{.type = "std::logic_error", .message = "because"}}};
                       WriteError(error, root.initResponse().initError());
                     }});
  writer.AddMessages("events", {[](auto root) { root.initEvent().initLog().setText("a line"); },
                                [](auto root) { root.setPing(7); }});
  writer.AddMessages("stream", {[](auto root) {
                                  Announce(root, 0);
                                  YieldArray(root, 100);
                                },
                                [](auto root) {
                                  auto credit = root.initCredit();
                                  credit.setId(1);
                                  credit.setItems(16);
                                },
                                [](auto root) {
                                  auto progress = root.initEvent().initProgress();
                                  progress.setId(1);
                                  progress.setDone(420);
                                  progress.setTotal(1000);
                                  progress.setText("chain 2");
                                },
                                [](auto root) { root.initCancel().setOverdue(true); }});
}

}  // namespace

std::vector<Seed> MakeSeeds() {
  SeedWriter writer;
  AddArrays(writer);
  AddValues(writer);
  AddSequences(writer);
  AddRecords(writer);
  AddMaps(writer);
  AddVariants(writer);
  AddDatasets(writer);
  AddTables(writer);
  AddClouds(writer);
  AddHandles(writer);
  AddHandleMessages(writer);
  AddProtocol(writer);
  std::vector<Seed> seeds = writer.Take();
  for (Seed& seed : MakeSessionSeeds()) seeds.push_back(std::move(seed));
  return seeds;
}

}  // namespace slabpipe::fuzz
