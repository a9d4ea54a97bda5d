// That Conformance can fail: each codec here breaks one rule, and the error names the check that
// found it.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/testing/conformance.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe::tests {
namespace {

using ::slabpipe::codec_testing::Conformance;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Cloud {
  std::string sensor;
  std::vector<float> points;
  bool decoded = false;  // not part of the value

  friend bool operator==(const Cloud& a, const Cloud& b) {
    return a.sensor == b.sensor && a.points == b.points;
  }
};

// A good one, to be broken.
class CloudCodec : public CodecFor<Cloud> {
 public:
  using CodecFor<Cloud>::Prepare, CodecFor<Cloud>::Encode, CodecFor<Cloud>::Accepts;
  absl::string_view name() const override { return "test.cloud"; }
  absl::Status Prepare(const Cloud& cloud, Sizer& sizer) const override {
    return sizer.AddElements<float>(cloud.points);
  }
  absl::Status Encode(const Cloud& cloud, Encoder& encoder) const override {
    if (absl::Status s = encoder.SetMetadata(cloud.sensor); !s.ok()) return s;
    return encoder.AddElements<float>(cloud.points);
  }
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    absl::StatusOr<std::string> sensor = decoder.Metadata<std::string>();
    if (!sensor.ok()) return sensor.status();
    Cloud cloud = {.sensor = *sensor, .points = {}, .decoded = true};
    if (decoder.block_count() == 0) return cloud;
    absl::StatusOr<absl::Span<const float>> points = decoder.Elements<float>(0);
    if (!points.ok()) return points.status();
    cloud.points.assign(points->begin(), points->end());
    return cloud;
  }
};

template <typename SomeCodec, typename T>
Conformance<T> With(std::vector<T> values) {
  Conformance<T> conformance;
  conformance.registry = [] {
    CodecRegistry registry = BuiltInCodecs();
    EXPECT_THAT(registry.Add(std::make_unique<SomeCodec>()), IsOk());
    return registry;
  };
  conformance.values = std::move(values);
  return conformance;
}

template <typename SomeCodec>
Conformance<Cloud> Clouds() {
  return With<SomeCodec, Cloud>(
      {Cloud{"roof", std::vector<float>(100, 1.5f)}, Cloud{"mast", {4}}, Cloud{}});
}

// What Run says: INTERNAL, the check's name, and `detail`.
auto FailsIn(const std::string& check, const std::string& detail) {
  return StatusIs(absl::StatusCode::kInternal, AllOf(HasSubstr(check + ": "), HasSubstr(detail)));
}

class ConformanceFailureTest : public ::testing::Test {
  Watchdog watchdog_;
};

TEST_F(ConformanceFailureTest, AGoodCodecConforms) {
  Conformance<Cloud> conformance = Clouds<CloudCodec>();
  EXPECT_THAT(conformance.Run(), IsOk());
  conformance.values.pop_back();  // the empty one
  conformance.copies = 1;
  conformance.echo_copies = 1;
  EXPECT_THAT(conformance.Run(), IsOk());
}

TEST_F(ConformanceFailureTest, NoValuesAreAnError) {
  EXPECT_THAT(Conformance<Cloud>().Run(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no value")));
}

TEST_F(ConformanceFailureTest, AnErrorOfMakeValuesComesBack) {
  Conformance<Cloud> conformance = Clouds<CloudCodec>();
  conformance.make_values = [](ShmPool&) { return absl::AbortedError("not today"); };
  EXPECT_THAT(conformance.Run(), StatusIs(absl::StatusCode::kAborted, "not today"));
}

TEST_F(ConformanceFailureTest, ATypeWithoutACodec) {
  Conformance<Cloud> conformance = Clouds<CloudCodec>();
  conformance.registry = &BuiltInCodecs;
  EXPECT_THAT(conformance.Run(), FailsIn("round trip, main to worker", "no codec accepts"));
}

class AnnouncesTooLittle : public CloudCodec {
  absl::Status Prepare(const Cloud& cloud, Sizer& sizer) const override {
    return sizer.AddBlock(cloud.points.size());
  }
};
TEST_F(ConformanceFailureTest, ASizeThatIsTooSmall) {
  EXPECT_THAT(Clouds<AnnouncesTooLittle>().Run(),
              FailsIn("size",
                      "announced 128 bytes of blocks (each rounded up to 64), Encode used "
                      "448"));
}

class AnnouncesTooMuch : public CloudCodec {
  absl::Status Prepare(const Cloud& cloud, Sizer& sizer) const override {
    return sizer.AddBlock(cloud.points.size() * 4 + 64);
  }
};
TEST_F(ConformanceFailureTest, ASizeThatIsTooLarge) {
  EXPECT_THAT(Clouds<AnnouncesTooMuch>().Run(), FailsIn("size", "announced 512 bytes"));
}

class DropsAField : public CloudCodec {
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    absl::StatusOr<Cloud> cloud = CloudCodec::Decode(decoder);
    if (cloud.ok()) cloud->sensor.clear();
    return cloud;
  }
};
TEST_F(ConformanceFailureTest, AFieldThatIsLost) {
  EXPECT_THAT(Clouds<DropsAField>().Run(),
              FailsIn("value 0 of 3: round trip, main to worker", "not the same as the one sent"));
}

class LosesDecodedPoints : public CloudCodec {
  absl::Status Encode(const Cloud& cloud, Encoder& encoder) const override {
    if (!cloud.decoded) return CloudCodec::Encode(cloud, encoder);
    return CloudCodec::Encode({cloud.sensor, std::vector<float>(cloud.points.size())}, encoder);
  }
};
TEST_F(ConformanceFailureTest, AnEchoThatIsAnother) {
  EXPECT_THAT(Clouds<LosesDecodedPoints>().Run(), FailsIn("echo", "sent back, it is another"));
}

// It knows the last sensor that was sent in this process, so why send it?
class RemembersTheSensor : public CloudCodec {
  absl::Status Encode(const Cloud& cloud, Encoder& encoder) const override {
    last_ = cloud.sensor;
    return CloudCodec::Encode(cloud, encoder);
  }
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    absl::StatusOr<Cloud> cloud = CloudCodec::Decode(decoder);
    if (cloud.ok()) cloud->sensor = last_;
    return cloud;
  }
  inline static std::string last_;
};
TEST_F(ConformanceFailureTest, ValuesThatAreMixedUpInOneMessage) {
  EXPECT_THAT(Clouds<RemembersTheSensor>().Run(),
              FailsIn("several values", "number 0 of the message is not the same"));
}

// Points where they lie.
struct Ray {
  absl::Span<const float> points;
  friend bool operator==(const Ray& a, const Ray& b) { return a.points == b.points; }
};

class RayCodec : public CodecFor<Ray> {
 public:
  using CodecFor<Ray>::Prepare, CodecFor<Ray>::Encode, CodecFor<Ray>::Accepts;
  absl::string_view name() const override { return "test.ray"; }
  absl::Status Prepare(const Ray& ray, Sizer& sizer) const override {
    return sizer.AddElements<float>(ray.points);
  }
  absl::Status Encode(const Ray& ray, Encoder& encoder) const override {
    return encoder.AddElements<float>(ray.points);
  }
  absl::StatusOr<Ray> Decode(Decoder& decoder) const override {
    absl::StatusOr<absl::Span<const float>> points = decoder.Elements<float>(0);
    if (!points.ok()) return points.status();
    return Ray{*points};
  }
};

constexpr float kLow[] = {1, 2, 3}, kHigh[] = {7, 8, 9, 10};

template <typename SomeCodec>
Conformance<Ray> Rays() {
  return With<SomeCodec, Ray>({Ray{kLow}, Ray{kHigh}});
}

TEST_F(ConformanceFailureTest, PointersIntoLastingBlocksConform) {
  EXPECT_THAT(Rays<RayCodec>().Run(), IsOk());
}

class PointsIntoATemporaryBlock : public RayCodec {
  absl::Status Encode(const Ray& ray, Encoder& encoder) const override {
    auto block = encoder.AddBlock(ray.points.size() * sizeof(float), /*temporary=*/true);
    if (!block.ok()) return block.status();
    std::memcpy(block->data(), ray.points.data(), block->size());
    return absl::OkStatus();
  }
};
TEST_F(ConformanceFailureTest, APointerIntoATemporaryBlock) {
  EXPECT_THAT(Rays<PointsIntoATemporaryBlock>().Run(),
              FailsIn("lifetime", "when a temporary block was overwritten"));
}

class PointsIntoAStaticBuffer : public RayCodec {
  absl::StatusOr<Ray> Decode(Decoder& decoder) const override {
    absl::StatusOr<Ray> ray = RayCodec::Decode(decoder);
    if (!ray.ok()) return ray.status();
    const size_t count = std::min(ray->points.size(), std::size(buffer_));
    std::copy_n(ray->points.begin(), count, buffer_);
    return Ray{{buffer_, count}};
  }
  inline static float buffer_[16];
};
TEST_F(ConformanceFailureTest, APointerIntoMemoryThatIsNotKept) {
  EXPECT_THAT(Rays<PointsIntoAStaticBuffer>().Run(),
              FailsIn("lifetime", "when other messages were sent"));
}

class KeepsALease : public CloudCodec {
 public:
  static void Drop() { kept_.clear(); }

 private:
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    if (decoder.block_count() > 0) kept_.push_back(*decoder.TakeBuffer(0));
    return CloudCodec::Decode(decoder);
  }
  inline static std::vector<Buffer> kept_;
};
TEST_F(ConformanceFailureTest, ALeaseThatIsKept) {
  EXPECT_THAT(Clouds<KeepsALease>().Run(),
              FailsIn("release", "leases on the sender's slabs are 1 instead of 0"));
  KeepsALease::Drop();
}

class KeepsALeaseOfBadOnes : public CloudCodec {
 public:
  static void Drop() { kept_.clear(); }

 private:
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    absl::StatusOr<Cloud> cloud = CloudCodec::Decode(decoder);
    if (!cloud.ok() && decoder.block_count() > 0) {
      if (auto buffer = decoder.TakeBuffer(0); buffer.ok()) kept_.push_back(*buffer);
    }
    return cloud;
  }
  inline static std::vector<Buffer> kept_;
};
TEST_F(ConformanceFailureTest, ALeaseThatIsKeptWhenDecodingFails) {
  EXPECT_THAT(Clouds<KeepsALeaseOfBadOnes>().Run(),
              FailsIn("afterwards", "leases on the sender's slabs are 1 instead of 0"));
  KeepsALeaseOfBadOnes::Drop();
}

// Needs more room each time.
class Grows : public CloudCodec {
  absl::Status Prepare(const Cloud&, Sizer& sizer) const override {
    bytes_ *= 2;
    return sizer.AddBlock(bytes_);
  }
  absl::Status Encode(const Cloud& cloud, Encoder& encoder) const override {
    if (absl::Status s = encoder.SetMetadata(cloud.sensor); !s.ok()) return s;
    auto block = encoder.AddBlock(bytes_);
    if (!block.ok()) return block.status();
    std::memcpy(block->data(), cloud.points.data(), cloud.points.size() * sizeof(float));
    return absl::OkStatus();
  }
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    absl::StatusOr<Cloud> cloud = CloudCodec::Decode(decoder);
    if (cloud.ok()) cloud->points.resize(1);
    return cloud;
  }
  inline static size_t bytes_ = 4096;
};
TEST_F(ConformanceFailureTest, ASegmentForEachMessage) {
  const Conformance<Cloud> conformance = With<Grows, Cloud>({Cloud{"mast", {4}}});
  EXPECT_THAT(conformance.Run(), FailsIn("steady state", "made 1 segments and mapped 1"));
}

// A wave's samples are an array, which may lie in shared memory.
struct Wave {
  NdArray<const float> samples;
  friend bool operator==(const Wave& a, const Wave& b) {
    return SameElements(a.samples, b.samples);
  }
};

class WaveCodec : public CodecFor<Wave> {
 public:
  using CodecFor<Wave>::Prepare, CodecFor<Wave>::Encode, CodecFor<Wave>::Accepts;
  absl::string_view name() const override { return "test.wave"; }
  absl::Status Prepare(const Wave& wave, Sizer& sizer) const override {
    return sizer.AddBuffer(wave.samples.buffer());
  }
  absl::Status Encode(const Wave& wave, Encoder& encoder) const override {
    return encoder.AddBuffer(wave.samples.buffer());
  }
  absl::StatusOr<Wave> Decode(Decoder& decoder) const override {
    absl::StatusOr<absl::Span<const float>> samples = decoder.Elements<float>(0);
    if (!samples.ok()) return samples.status();
    auto buffer = decoder.TakeBuffer(0);
    if (!buffer.ok()) return buffer.status();
    return Wave{*NdArray<const float>::FromAny(AnyNdArray(
        NdArray<float>().element_type(), {{static_cast<int64_t>(samples->size())}, {sizeof(float)}},
        *buffer, buffer->data()))};
  }
};

template <typename SomeCodec>
Conformance<Wave> SharedWaves() {
  Conformance<Wave> conformance = With<SomeCodec, Wave>({});
  conformance.make_values = [](ShmPool& pool) -> absl::StatusOr<std::vector<Wave>> {
    auto samples = NewSharedArray<float>(pool, {50});
    if (!samples.ok()) return samples.status();
    std::fill_n(samples->data(), 50, 2.5f);
    return std::vector<Wave>{Wave{*samples}};
  };
  conformance.copies = 0;
  conformance.echo_copies = 0;
  return conformance;
}

TEST_F(ConformanceFailureTest, ReferencesToSharedMemoryConform) {
  EXPECT_THAT(SharedWaves<WaveCodec>().Run(), IsOk());
}

class Copies : public WaveCodec {
  absl::Status Prepare(const Wave& wave, Sizer& sizer) const override {
    return sizer.AddBlock(wave.samples.size_bytes());
  }
  absl::Status Encode(const Wave& wave, Encoder& encoder) const override {
    return encoder.AddBytes(wave.samples.buffer().bytes());
  }
};
TEST_F(ConformanceFailureTest, ACopyThatWasNotNeeded) {
  EXPECT_THAT(SharedWaves<Copies>().Run(), FailsIn("copies", "1 copies of 200 bytes"));
}

class CopiesWithoutCounting : public Copies {
  absl::Status Encode(const Wave& wave, Encoder& encoder) const override {
    auto block = encoder.AddBlock(wave.samples.size_bytes());
    if (!block.ok()) return block.status();
    std::memcpy(block->data(), wave.samples.data(), block->size());
    return absl::OkStatus();
  }
};
TEST_F(ConformanceFailureTest, ACopyThatWasNotCounted) {
  EXPECT_THAT(SharedWaves<CopiesWithoutCounting>().Run(),
              FailsIn("copies", "no copies were counted, but 1 blocks of new memory"));
}

// Refers to an array of this side's, copies one that was decoded.
class CopiesWhatCameIn : public WaveCodec {
  static bool CameIn(const Wave& wave) {
    return wave.samples.buffer().block().has_value() &&
           wave.samples.buffer().block()->mutable_bytes().empty();
  }
  absl::Status Prepare(const Wave& wave, Sizer& sizer) const override {
    return CameIn(wave) ? sizer.AddBlock(wave.samples.size_bytes())
                        : WaveCodec::Prepare(wave, sizer);
  }
  absl::Status Encode(const Wave& wave, Encoder& encoder) const override {
    return CameIn(wave) ? encoder.AddBytes(wave.samples.buffer().bytes())
                        : WaveCodec::Encode(wave, encoder);
  }
};
TEST_F(ConformanceFailureTest, ACopyOnTheWayBack) {
  EXPECT_THAT(SharedWaves<CopiesWhatCameIn>().Run(), FailsIn("echo", "1 copies of 200 bytes"));
}

// The number of points stands in the metadata, too; a very large one is no fault of this process's,
// but it says so.
class BlamesItself : public CloudCodec {
  absl::Status Encode(const Cloud& cloud, Encoder& encoder) const override {
    if (absl::Status s = CloudCodec::Encode(cloud, encoder); !s.ok()) return s;
    return encoder.SetMetadata(ValueList{cloud.sensor, static_cast<int64_t>(cloud.points.size())});
  }
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    const Value metadata = decoder.Metadata().value_or(Value());
    if (metadata.list() == nullptr || metadata.list()->size() != 2) {
      return absl::InvalidArgumentError("no list of two");
    }
    absl::StatusOr<std::string> sensor = metadata.list()->at(0).As<std::string>();
    absl::StatusOr<size_t> count = metadata.list()->at(1).As<size_t>();
    if (!sensor.ok()) return sensor.status();
    if (!count.ok()) return count.status();
    absl::StatusOr<absl::Span<const float>> points = absl::Span<const float>();
    if (decoder.block_count() > 0) points = decoder.Elements<float>(0);
    if (!points.ok()) return points.status();
    if (*count > 1000) return TooMany(*count);
    if (*count > points->size()) return absl::InvalidArgumentError("fewer points");
    return Cloud{*sensor, {points->begin(), points->begin() + *count}, true};
  }
  virtual absl::Status TooMany(size_t count) const {
    return absl::InternalError(absl::StrCat(count, " points?"));
  }
};
TEST_F(ConformanceFailureTest, ACountThatEndsInAnErrorOfTheWrongKind) {
  EXPECT_THAT(Clouds<BlamesItself>().Run(), FailsIn("metadata", "INTERNAL: test.cloud: "));
}

class Throws : public BlamesItself {
  absl::Status TooMany(size_t) const override { throw std::out_of_range("too many points"); }
};
TEST_F(ConformanceFailureTest, ACountThatEndsInAnException) {
  EXPECT_THAT(Clouds<Throws>().Run(),
              FailsIn("metadata", "INTERNAL: an exception was thrown: too many points"));
}

class FailsOnAShortBlock : public RayCodec {
  absl::StatusOr<Ray> Decode(Decoder& decoder) const override {
    absl::StatusOr<Ray> ray = RayCodec::Decode(decoder);
    if (ray.ok() && ray->points.size() < 3) return absl::UnknownError("where are they?");
    return ray;
  }
};
TEST_F(ConformanceFailureTest, ABlockCutShortThatEndsInAnErrorOfTheWrongKind) {
  EXPECT_THAT(Rays<FailsOnAShortBlock>().Run(),
              FailsIn("refs", "ref 0: contentSize 0 instead of 12: UNKNOWN: test.ray: where"));
}

class FailsOnOtherBytes : public RayCodec {
  absl::StatusOr<Ray> Decode(Decoder& decoder) const override {
    absl::StatusOr<Ray> ray = RayCodec::Decode(decoder);
    if (!ray.ok() || ray->points.empty() || ray->points[0] == 0) return ray;  // unused memory
    if (ray->points[0] == 1 || ray->points[0] == 7) return ray;
    return absl::UnknownError("another number");
  }
};
TEST_F(ConformanceFailureTest, OtherBytesThatEndInAnErrorOfTheWrongKind) {
  EXPECT_THAT(Rays<FailsOnOtherBytes>().Run(),
              FailsIn("bytes", "block 0: 1 bytes from byte 0 flipped with 0xff: UNKNOWN"));
}

// `read` stands for code that uses the value: it says where it would have gone wrong.
absl::Status ReadAscending(const Ray& ray) {
  for (size_t i = 1; i < ray.points.size(); ++i) {
    if (!(ray.points[i - 1] < ray.points[i])) return absl::InternalError("not in order");
  }
  return absl::OkStatus();
}

TEST_F(ConformanceFailureTest, AValueThatIsDecodedButCannotBeRead) {
  Conformance<Ray> conformance = Rays<RayCodec>();
  conformance.read = &ReadAscending;
  EXPECT_THAT(conformance.Run(),
              FailsIn("refs", "it was decoded, but reading the value: INTERNAL: not"));
}

class ChecksTheOrderOnce : public RayCodec {
  absl::StatusOr<Ray> Decode(Decoder& decoder) const override {
    absl::StatusOr<Ray> ray = RayCodec::Decode(decoder);
    if (ray.ok() && !ReadAscending(*ray).ok()) return absl::InvalidArgumentError("not in order");
    return ray;
  }
};
TEST_F(ConformanceFailureTest, BytesThatWereCheckedAndChangeLater) {
  Conformance<Ray> conformance = Rays<ChecksTheOrderOnce>();
  conformance.read = &ReadAscending;
  EXPECT_THAT(conformance.Run(), FailsIn("bytes later", "not in order"));
}

// Bounds and order.

template <typename T>
std::vector<std::string> StepsOf(Conformance<T> conformance) {
  std::vector<std::string> steps;
  conformance.trace = [&](const std::string& step) { steps.push_back(step); };
  EXPECT_THAT(conformance.Run(), IsOk());
  return steps;
}

TEST_F(ConformanceFailureTest, DoesTheSameAtEveryRun) {
  EXPECT_EQ(StepsOf(Clouds<CloudCodec>()), StepsOf(Clouds<CloudCodec>()));
}

TEST_F(ConformanceFailureTest, TheNumberOfCorruptionsIsBounded) {
  Conformance<Cloud> conformance = With<CloudCodec, Cloud>({Cloud{"roof", {1, 2, 3}}});
  conformance.max_corruptions = 50;
  const size_t few = StepsOf(conformance).size();
  conformance.max_corruptions = 250;
  const size_t more = StepsOf(conformance).size();
  EXPECT_EQ(more - few, 200u);
  EXPECT_LT(few, 75u);
}

TEST_F(ConformanceFailureTest, EveryRefFieldWordAndByteIsTriedWhenThereIsRoom) {
  Conformance<Cloud> conformance = With<CloudCodec, Cloud>({Cloud{"roof", {1, 2, 3}}});
  conformance.max_corruptions = 100000;
  const std::vector<std::string> steps = StepsOf(conformance);
  const auto count = [&](const std::string& part) {
    return std::count_if(steps.begin(), steps.end(),
                         [&](const std::string& step) { return absl::StrContains(step, part); });
  };
  EXPECT_EQ(count(", refs, ref 0: segment "), 20);
  EXPECT_EQ(count(", refs, ref 0: offsetUnits "), 36);
  EXPECT_EQ(count(", refs, ref 0: size "), 68);
  EXPECT_EQ(count(", refs, ref 0: contentSize "), 68 + 24);
  EXPECT_EQ(count(", refs, ref 0: temporary "), 1);
  // The custom metadata's two pointers, the value's two words and its pointer, the text's word.
  EXPECT_EQ(count(", metadata, word "), 6 * 69);
  EXPECT_EQ(count(", message, word 0: "), 69);
  EXPECT_EQ(count(", message, word ") % 69, 0);
  EXPECT_EQ(count(", bytes, block 0: "), 12 * 5);
  EXPECT_EQ(count(", bytes later, block 0: "), 12 * 5);
}

}  // namespace
}  // namespace slabpipe::tests
