#include "slabpipe/codec/registry.h"

#include <memory>
#include <string>
#include <utility>

#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

// A codec of ints that does nothing but have a name, and accept what is at least `least`.
class NamedCodec : public CodecFor<int> {
 public:
  explicit NamedCodec(std::string name, int least = 0) : name_(std::move(name)), least_(least) {}
  absl::string_view name() const override { return name_; }
  bool Accepts(const int& number) const override { return number >= least_; }
  absl::Status Prepare(const int&, Sizer&) const override { return absl::OkStatus(); }
  absl::Status Encode(const int&, Encoder&) const override { return absl::OkStatus(); }
  absl::StatusOr<int> Decode(Decoder&) const override { return 0; }

 private:
  const std::string name_;
  const int least_;
};

std::string Selected(const CodecRegistry& registry, int number) {
  absl::StatusOr<const Codec*> codec = registry.Select(AnyRef::To(number));
  return codec.ok() ? std::string((*codec)->name()) : std::string(codec.status().message());
}

TEST(RegistryTest, Behaviour6TheFirstCodecThatAcceptsWinsAndTheFallbackIsLast) {
  CodecRegistry registry;
  ASSERT_THAT(registry.SetFallback(std::make_unique<NamedCodec>("fallback")), IsOk());
  ASSERT_THAT(registry.Add(std::make_unique<NamedCodec>("large", 100)), IsOk());
  ASSERT_THAT(registry.Add(std::make_unique<NamedCodec>("medium", 10)), IsOk());
  ASSERT_THAT(registry.AddFirst(std::make_unique<NamedCodec>("huge", 1000)), IsOk());
  EXPECT_THAT(registry.names(), ElementsAre("huge", "large", "medium", "fallback"));
  EXPECT_EQ(Selected(registry, 5000), "huge");
  EXPECT_EQ(Selected(registry, 500), "large");
  EXPECT_EQ(Selected(registry, 50), "medium");
  EXPECT_EQ(Selected(registry, 5), "fallback");
}

TEST(RegistryTest, TheFallbackIsReplacedNotAdded) {
  CodecRegistry registry;
  ASSERT_THAT(registry.SetFallback(std::make_unique<NamedCodec>("one")), IsOk());
  ASSERT_THAT(registry.SetFallback(std::make_unique<NamedCodec>("two")), IsOk());
  EXPECT_THAT(registry.names(), ElementsAre("two"));
  EXPECT_EQ(Selected(registry, 1), "two");
  ASSERT_THAT(registry.SetFallback(std::make_unique<NamedCodec>("two")), IsOk()) << "its own name";
}

TEST(RegistryTest, ANameIsTakenOnce) {
  CodecRegistry registry;
  ASSERT_THAT(registry.Add(std::make_unique<NamedCodec>("a")), IsOk());
  ASSERT_THAT(registry.SetFallback(std::make_unique<NamedCodec>("f")), IsOk());
  const auto taken = absl::StatusCode::kAlreadyExists;
  EXPECT_THAT(registry.Add(std::make_unique<NamedCodec>("a")),
              StatusIs(taken, HasSubstr("'a' already: a, f")));
  EXPECT_THAT(registry.Add(std::make_unique<NamedCodec>("f")), StatusIs(taken));
  EXPECT_THAT(registry.AddFirst(std::make_unique<NamedCodec>("a")), StatusIs(taken));
  EXPECT_THAT(registry.SetFallback(std::make_unique<NamedCodec>("a")), StatusIs(taken));
  EXPECT_THAT(registry.names(), ElementsAre("a", "f")) << "the old fallback is still there";
  EXPECT_EQ(Selected(registry, 1), "a");
}

TEST(RegistryTest, ANameHasOneTo255Bytes) {
  CodecRegistry registry;
  EXPECT_THAT(registry.Add(std::make_unique<NamedCodec>("")), StatusIs(kInvalid));
  EXPECT_THAT(registry.Add(std::make_unique<NamedCodec>(std::string(256, 'n'))),
              StatusIs(kInvalid, HasSubstr("1 to 255 bytes")));
  EXPECT_THAT(registry.AddFirst(std::make_unique<NamedCodec>("")), StatusIs(kInvalid));
  EXPECT_THAT(registry.SetFallback(std::make_unique<NamedCodec>("")), StatusIs(kInvalid));
  EXPECT_THAT(registry.Add(nullptr), StatusIs(kInvalid, HasSubstr("null")));
  EXPECT_THAT(registry.Add(std::make_unique<NamedCodec>(std::string(255, 'n'))), IsOk());
}

TEST(RegistryTest, Behaviour6AnUnknownNameIsAnErrorThatListsTheKnownOnes) {
  const CodecRegistry registry = BuiltInCodecs();
  EXPECT_THAT(registry.names(), ElementsAre("ndarray", "record", "sequence", "map", "variant",
                                            "dataset", "table", "column", "handle", "value"));
  EXPECT_THAT(
      registry.Find("pickle"),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("'pickle'"),
                     HasSubstr("ndarray, record, sequence, map, variant, dataset, table, column, "
                               "handle, value"))));
  for (const std::string& name : registry.names()) {
    absl::StatusOr<const Codec*> codec = registry.Find(name);
    ASSERT_THAT(codec, IsOk());
    EXPECT_EQ((*codec)->name(), name);
  }
}

struct Unregistered {};

TEST(RegistryTest, AnUnregisteredTypeIsAnErrorThatNamesItAndTheCodecs) {
  EXPECT_THAT(BuiltInCodecs().Select(AnyRef::To(Unregistered())),
              StatusIs(kInvalid, AllOf(HasSubstr("Unregistered"), HasSubstr("ndarray, record"))));
  EXPECT_THAT(CodecRegistry().Select(AnyRef::To(1)), StatusIs(kInvalid, HasSubstr("type int")));
  CodecRegistry registry;
  ASSERT_THAT(registry.Add(std::make_unique<NamedCodec>("large", 100)), IsOk());
  EXPECT_THAT(registry.Select(AnyRef::To(1)), StatusIs(kInvalid, HasSubstr("large")))
      << "the type, but not this value";
}

TEST(RegistryTest, MovesWithItsCodecs) {
  CodecRegistry registry = BuiltInCodecs();
  ASSERT_THAT(registry.Add(std::make_unique<NamedCodec>("mine")), IsOk());
  const CodecRegistry moved = std::move(registry);
  EXPECT_EQ(Selected(moved, 1), "mine");
}

}  // namespace
}  // namespace slabpipe
