// Handles in one process: what they are, and how they go through messages, alone and in other
// values. Whole sessions: tests/session/session_handles_test.cc.

#include "slabpipe/codec/handle.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/record.h"
#include "slabpipe/codec/testing/loopback_handles.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/schemas/codecs.capnp.h"
#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe::tests {
namespace {

using ::slabpipe::codec_testing::LoopbackHandles;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Model {
  int value = 0;
};
struct Other {};

Handle<Model> MakeModel(int value, absl::string_view text = "") {
  return {std::make_unique<Model>(Model{value}), text};
}

// A handle as main has it.
class RemoteState : public internal::HandleState {
 public:
  RemoteState(absl::string_view text, absl::Status status)
      : HandleState("model::Model", text), status_(std::move(status)) {}
  absl::Status status() const override { return status_; }

 private:
  const absl::Status status_;
};
Handle<> RemoteHandle(absl::string_view text, absl::Status status = absl::OkStatus()) {
  return Handle<>(std::make_shared<RemoteState>(text, std::move(status)));
}

TEST(HandleTest, GivesTheObjectThatItWasMadeOf) {
  const auto model = std::make_shared<Model>(Model{7});
  const Handle<Model> handle(model, "seven");
  EXPECT_EQ(handle.get(), model.get());
  EXPECT_EQ(handle->value, 7);
  EXPECT_EQ((*handle).value, 7);
  EXPECT_EQ(handle.shared(), model);
  EXPECT_EQ(handle.text(), "seven");
  EXPECT_THAT(std::string(handle.type_name()), EndsWith("Model"));
  EXPECT_FALSE(handle.stale());
  EXPECT_TRUE(handle);
}

TEST(HandleTest, KeepsTheObjectAsLongAsACopyLives) {
  auto model = std::make_shared<Model>();
  const std::weak_ptr<Model> watch = model;
  std::optional<Handle<>> copy;
  {
    const Handle<Model> handle(std::move(model));
    copy = handle;
  }
  EXPECT_FALSE(watch.expired());
  copy.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(HandleTest, OneOfNothingSaysSo) {
  for (const Handle<Model>& none : {Handle<Model>(), Handle<Model>(std::shared_ptr<Model>())}) {
    EXPECT_FALSE(none);
    EXPECT_FALSE(none.stale());
    EXPECT_EQ(none.get(), nullptr);
    EXPECT_EQ(none.shared(), nullptr);
    EXPECT_EQ(none.text(), "");
    EXPECT_EQ(none.type_name(), "");
    EXPECT_EQ(none.ToString(), "no object");
    EXPECT_THAT(none.status(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no object")));
  }
}

TEST(HandleTest, AreEqualIfTheObjectIsTheSame) {
  const auto model = std::make_shared<Model>();
  const Handle<Model> one(model, "one"), again(model, "again"), other = MakeModel(0);
  EXPECT_EQ(one, again);
  EXPECT_EQ(absl::HashOf(static_cast<const Handle<>&>(one)),
            absl::HashOf(static_cast<const Handle<>&>(again)));
  EXPECT_FALSE(one == other);
  EXPECT_EQ(Handle<>(), Handle<>());
  const Handle<> remote = RemoteHandle("");
  EXPECT_EQ(remote, Handle<>(remote));
  EXPECT_FALSE(remote == RemoteHandle(""));
}

TEST(HandleTest, AMemberIsNotTheObjectThatItBegins) {
  struct Outer {
    Model model;
  };
  const auto outer = std::make_shared<Outer>();
  const Handle<> whole = Handle<Outer>(outer);
  const Handle<> part = Handle<Model>(std::shared_ptr<Model>(outer, &outer->model));
  EXPECT_FALSE(whole == part);
}

TEST(HandleTest, OneOfAnotherTypeNamesBoth) {
  const absl::StatusOr<Handle<Other>> wrong = Handle<Other>::From(MakeModel(1, "eins"));
  EXPECT_THAT(wrong, StatusIs(absl::StatusCode::kInvalidArgument,
                              AllOf(HasSubstr("Model (eins)"), HasSubstr("wanted one of"),
                                    HasSubstr("Other"))));
}

TEST(HandleTest, OneToAnObjectElsewhereCanNotBeOpened) {
  EXPECT_THAT(
      Handle<Model>::From(RemoteHandle("far")),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("lives in another process")));
  const absl::Status stale = absl::FailedPreconditionError("STALE handle");
  EXPECT_TRUE(RemoteHandle("far", stale).stale());
  EXPECT_EQ(Handle<Model>::From(RemoteHandle("far", stale)).status(), stale);
}

TEST(HandleTest, TextsAreCutBetweenCharacters) {
  const std::string most(kMaxHandleTextBytes, 'x');
  EXPECT_EQ(MakeModel(0, most).text(), most);
  EXPECT_EQ(MakeModel(0, most + "y").text(), most);
  const std::string one_less(kMaxHandleTextBytes - 1, 'x');
  EXPECT_EQ(MakeModel(0, one_less + "é").text(), one_less);
  EXPECT_EQ(MakeModel(0, one_less.substr(2) + "\U0001F600").text(), one_less.substr(2));
  // No text at all: it is cut somewhere.
  EXPECT_LE(MakeModel(0, std::string(2 * kMaxHandleTextBytes, '\x80')).text().size(),
            kMaxHandleTextBytes);
}

TEST(HandleTest, PrintsControlCharactersAsEscapes) {
  const std::string shown = RemoteHandle("a\n\x1b[2Jb\xff").ToString();
  EXPECT_THAT(shown, AllOf(StartsWith("model::Model ("), HasSubstr("\\n"), Not(HasSubstr("\x1b")),
                           Not(HasSubstr("\n")), Not(HasSubstr("\xff"))));
  EXPECT_LT(RemoteHandle(std::string(10'000, 'x')).ToString().size(), 250u);
}

class HandleCodecTest : public RoundTrip {
 protected:
  HandleCodecTest() {
    main_->UseHandles(handles_);
    worker_->UseHandles(handles_);
  }
  std::shared_ptr<LoopbackHandles> handles_ = std::make_shared<LoopbackHandles>();
};

struct Report {
  std::string title;
  Handle<Model> model;
  std::optional<Handle<Model>> rival;
  std::vector<Handle<>> others;

  static constexpr auto SlabpipeFields() {
    return Fields("tests.Report", Field("title", &Report::title), Field("model", &Report::model),
                  Field("rival", &Report::rival), Field("others", &Report::others));
  }
};

TEST_F(HandleCodecTest, BringsTheSameObject) {
  const Handle<Model> model = MakeModel(3, "three");
  const absl::StatusOr<Handle<Model>> got = Fetch(model);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->get(), model.get());
  const absl::StatusOr<Handle<>> any = FetchAs<Handle<>>(model);
  ASSERT_THAT(any, IsOk());
  EXPECT_EQ(*any, model);
}

TEST_F(HandleCodecTest, GoesInRecordsListsMapsAndVariants) {
  const Handle<Model> a = MakeModel(1), b = MakeModel(2);
  const absl::StatusOr<Report> report = Fetch(Report{"two", a, b, {a, b, a}});
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->model, a);
  EXPECT_EQ(report->rival, b);
  EXPECT_THAT(report->others, testing::ElementsAre(Handle<>(a), Handle<>(b), Handle<>(a)));
  using Map = std::map<std::string, Handle<Model>>;
  EXPECT_THAT(Fetch(Map{{"a", a}, {"b", b}}), IsOkAndHolds(Map{{"a", a}, {"b", b}}));
  using Choice = std::variant<double, Handle<Model>>;
  EXPECT_THAT(Fetch(Choice(b)), IsOkAndHolds(Choice(b)));
  using Pair = std::pair<int, Handle<>>;
  EXPECT_THAT(Fetch(Pair(4, a)), IsOkAndHolds(Pair(4, a)));
  const absl::StatusOr<Report> alone = Fetch(Report{"one", a, std::nullopt, {}});
  ASSERT_THAT(alone, IsOk());
  EXPECT_EQ(alone->rival, std::nullopt);
}

TEST_F(HandleCodecTest, SharedPointersAreHandlesToo) {
  const auto model = std::make_shared<Model>();
  EXPECT_THAT(Fetch(model), IsOkAndHolds(model));
  EXPECT_THAT(FetchAs<Handle<Model>>(model), IsOkAndHolds(Handle<Model>(model)));
  EXPECT_THAT(FetchAs<std::shared_ptr<Model>>(Handle<Model>(model)), IsOkAndHolds(model));
  EXPECT_THAT(FetchAs<std::shared_ptr<Other>>(model),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Model")));
  EXPECT_THAT(WriteFails(std::shared_ptr<Model>()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no object")));
}

TEST_F(HandleCodecTest, WhatIsNoHandleIsSaidToBeNone) {
  EXPECT_THAT(FetchAs<Handle<Model>>(2.5),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("wanted a handle of"), HasSubstr("Model"))));
  EXPECT_THAT(FetchAs<Handle<>>(Value("text")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("wanted a handle")));
  EXPECT_THAT(FetchAs<double>(MakeModel(1, "eins")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("it is a handle of"), HasSubstr("(eins)"))));
}

TEST_F(HandleCodecTest, OneOfNothingIsNotSent) {
  EXPECT_THAT(WriteFails(Handle<>()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no object")));
  EXPECT_THAT(WriteFails(std::vector<Handle<Model>>(3)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("item 0")));
}

TEST_F(HandleCodecTest, OutsideOfASessionThereAreNone) {
  std::unique_ptr<Letter> letter = Write(MakeModel(1));
  main_->UseHandles(nullptr);
  worker_->UseHandles(nullptr);
  EXPECT_THAT(worker_->Read(*letter),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in a session only")));
  EXPECT_THAT(WriteFails(MakeModel(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in a session only")));
}

TEST_F(HandleCodecTest, ANumberThatNobodyGaveIsTheOwnersError) {
  const Handle<Model> model = MakeModel(1);
  for (const uint64_t number : {uint64_t{0}, uint64_t{2}, UINT64_MAX}) {
    EXPECT_THAT(
        ReadCorrupted(
            model, [&](Letter& letter) { letter.metadata<schemas::Handle>().setNumber(number); }),
        StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no handle")));
  }
}

// Counts what is sent and what is taken back.
class CountingOwner : public LoopbackHandles {
 public:
  absl::StatusOr<uint64_t> Send(const Handle<>& handle) override {
    ++sent;
    return LoopbackHandles::Send(handle);
  }
  void TakeBack(uint64_t) override { --sent; }
  int sent = 0;
};

class UnencodableCodec : public CodecFor<Other> {
 public:
  absl::string_view name() const override { return "tests.unencodable"; }
  absl::Status Prepare(const Other&, Sizer&) const override { return absl::OkStatus(); }
  absl::Status Encode(const Other&, Encoder&) const override {
    return absl::InvalidArgumentError("not this one");
  }
  absl::StatusOr<Other> Decode(Decoder&) const override { return Other(); }
};

TEST_F(HandleCodecTest, CountsOnceAMessageAndNotIfItIsNotSent) {
  const auto owner = std::make_shared<CountingOwner>();
  main_->UseHandles(owner);
  const Handle<Model> model = MakeModel(1);
  Write(model, std::vector<Handle<Model>>{model, model}, MakeModel(2));
  EXPECT_EQ(owner->sent, 2);
  Register<UnencodableCodec>();
  EXPECT_THAT(main_->Write(model, Other()), Not(IsOk()));
  EXPECT_EQ(owner->sent, 2);
}

}  // namespace
}  // namespace slabpipe::tests
