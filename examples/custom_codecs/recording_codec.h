// A codec with a Cap'n Proto schema of its own for the metadata.

#ifndef RECORDING_CODEC_H_
#define RECORDING_CODEC_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "custom_codecs/recording.capnp.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/value.h"

struct Channel {
  std::string name;
  double gain = 1;
};

// What a seismic station has recorded: samples of all channels, one instant after the other.
struct Recording {
  std::string station;
  int64_t start_nanoseconds = 0;
  double rate_hertz = 0;
  std::vector<Channel> channels;
  absl::Span<const int32_t> samples;
};

class RecordingCodec : public slabpipe::CodecFor<Recording> {
 public:
  absl::string_view name() const override { return "seismic.recording"; }
  absl::Status Prepare(const Recording& recording, slabpipe::Sizer& sizer) const override {
    if (absl::Status s = Check(recording); !s.ok()) return s;
    return sizer.AddElements(recording.samples);
  }
  absl::Status Encode(const Recording& recording, slabpipe::Encoder& encoder) const override {
    auto metadata = encoder.InitMetadata<seismic::Recording>();
    metadata.setStation(recording.station.c_str());
    metadata.setStartNanoseconds(recording.start_nanoseconds);
    metadata.setRateHertz(recording.rate_hertz);
    auto channels = metadata.initChannels(static_cast<unsigned>(recording.channels.size()));
    for (unsigned i = 0; i < channels.size(); ++i) {
      channels[i].setName(recording.channels[i].name.c_str());
      channels[i].setGain(recording.channels[i].gain);
    }
    return encoder.AddElements(recording.samples);
  }
  absl::StatusOr<Recording> Decode(slabpipe::Decoder& decoder) const override {
    const auto metadata = decoder.ReadMetadata<seismic::Recording>();
    auto samples = decoder.Elements<int32_t>(0);
    if (!samples.ok()) return samples.status();
    Recording recording = {.station = metadata.getStation().cStr(),
                           .start_nanoseconds = metadata.getStartNanoseconds(),
                           .rate_hertz = metadata.getRateHertz(),
                           .channels = {},
                           .samples = *samples};
    for (const auto channel : metadata.getChannels()) {
      recording.channels.push_back({channel.getName().cStr(), channel.getGain()});
    }
    if (absl::Status s = Check(recording); !s.ok()) return s;
    return recording;
  }

 private:
  // The same rules for what is sent and for what arrives.
  static absl::Status Check(const Recording& recording) {
    const size_t columns = recording.channels.size();
    if (!slabpipe::IsValidUtf8(recording.station)) {
      return absl::InvalidArgumentError("station: the name is not UTF-8");
    }
    if (columns == 0 ? recording.samples.empty() : recording.samples.size() % columns == 0) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("samples: ", recording.samples.size(),
                                                   " are no table of ", columns, " columns"));
  }
};

#endif  // RECORDING_CODEC_H_
