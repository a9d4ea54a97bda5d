// The cases of all peers. See peer.h.

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/contestant.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/bench/peers/peer.h"

namespace slabpipe::bench {
namespace {

// The checks of one call each.
absl::Status CheckSmall(Peer& peer, uint64_t number) {
  absl::StatusOr<Small> answer = peer.Call(SmallRequest(number));
  return answer.ok() ? CheckAnswer(*answer, number) : answer.status();
}

absl::Status CheckSeen(const absl::StatusOr<double>& seen, double expected) {
  return seen.ok() ? CheckLook(*seen, expected) : seen.status();
}

class Cases {
 public:
  explicit Cases(const PeerParts& parts) : parts_(parts) {}

  absl::StatusOr<Measurement> MeasureSmall(const Request& request) {
    absl::StatusOr<Peer*> peer = SharedPeer(request);
    if (!peer.ok()) return peer.status();
    return Repeat(request, [&](int64_t i) { return CheckSmall(**peer, static_cast<uint64_t>(i)); });
  }

  absl::StatusOr<Measurement> MeasureIn(const Request& request) {
    return MeasureArray(request, [&](Peer& peer, absl::Span<const double> x, double) {
      return peer.Send(x, request.touched());
    });
  }

  absl::StatusOr<Measurement> MeasureEcho(const Request& request) {
    return MeasureArray(request, [&](Peer& peer, absl::Span<const double> x, double) {
      return peer.Echo(x, request.touched());
    });
  }

  absl::StatusOr<Measurement> MeasureOut(const Request& request) {
    return MeasureArray(request, [&](Peer& peer, absl::Span<const double> x, double tag) {
      return peer.Fetch(x.size(), tag, request.touched());
    });
  }

  absl::StatusOr<Measurement> MeasureInReserved(const Request& request) {
    absl::StatusOr<Peer*> peer = SharedPeer(request, ModeOfReserved());
    if (!peer.ok()) return peer.status();
    absl::StatusOr<absl::Span<double>> x = (*peer)->Reserve(request.elements());
    if (!x.ok()) return x.status();
    if (request.touched()) FillPattern(*x);
    absl::StatusOr<Measurement> measurement = RepeatTagged(
        request, *x, [&](double) { return (*peer)->SendReserved(*x, request.touched()); });
    (*peer)->Release(*x);
    return measurement;
  }

  absl::StatusOr<Measurement> MeasureMany(const Request& request) {
    absl::StatusOr<Peer*> peer = SharedPeer(request);
    if (!peer.ok()) return peer.status();
    ManyArrays arrays;
    return Repeat(
        request,
        [&](int64_t i) {
          arrays.SetTag(Tag(i));
          return absl::OkStatus();
        },
        [&](int64_t i) {
          return CheckSeen((*peer)->SendMany(arrays, request.touched()),
                           ExpectedOfMany(Tag(i), request.touched()));
        });
  }

  // From nothing to the first answer. The first start does not count.
  absl::StatusOr<Measurement> MeasureStart(const Request& request) {
    if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
    shared_.reset();  // some have one event loop a thread
    Measurement measurement;
    const int64_t end = NowNs() + request.budget_ns;
    for (int64_t i = 0; i <= request.count; ++i) {
      const int64_t begin = NowNs();
      absl::StatusOr<std::unique_ptr<Peer>> peer = parts_.start();
      if (!peer.ok()) return peer.status();
      absl::Status status = CheckSmall(**peer, static_cast<uint64_t>(i));
      if (!status.ok()) return status;
      if (i > 0) measurement.samples.Add(NowNs() - begin);
      if (i > 0 && NowNs() > end) break;
    }
    return measurement;
  }

 private:
  // One for all cases, placed as the request says.
  absl::StatusOr<Peer*> SharedPeer(const Request& request) {
    return SharedPeer(request, request.mode);
  }
  absl::StatusOr<Peer*> SharedPeer(const Request& request, absl::string_view place) {
    if (request.bytes > 0 && static_cast<size_t>(request.bytes) > parts_.max_bytes) {
      return absl::UnimplementedError("larger than a message may be");
    }
    if (shared_ == nullptr) {
      absl::StatusOr<std::unique_ptr<Peer>> peer = parts_.start();
      if (!peer.ok()) return peer.status();
      shared_ = *std::move(peer);
    }
    absl::Status placed = Place(place, shared_->worker_pid());
    if (!placed.ok()) return placed;
    return shared_.get();
  }

  // `call(tag)` returns a look at `x`, which begins with `tag`.
  template <typename Call>
  absl::StatusOr<Measurement> RepeatTagged(const Request& request, absl::Span<double> x,
                                           Call call) {
    if (x.empty()) return absl::InvalidArgumentError("at least 8 bytes");
    return Repeat(
        request,
        [&](int64_t i) {
          x[0] = Tag(i);
          return absl::OkStatus();
        },
        [&](int64_t i) {
          return CheckSeen(call(Tag(i)), ExpectedLook(x.size(), Tag(i), request.touched()));
        });
  }

  template <typename Call>
  absl::StatusOr<Measurement> MeasureArray(const Request& request, Call call) {
    absl::StatusOr<Peer*> peer = SharedPeer(request);
    if (!peer.ok()) return peer.status();
    std::vector<double> x = PatternArray(request.elements());
    return RepeatTagged(request, absl::MakeSpan(x),
                        [&](double tag) { return call(**peer, x, tag); });
  }

  const PeerParts& parts_;
  std::unique_ptr<Peer> shared_;
};

}  // namespace

int PeerMain(int argc, char** argv, const PeerParts& parts) {
  if (argc > 1 && std::strcmp(argv[1], "--worker") == 0) {
    DieWithParent();
    return parts.serve(std::vector<std::string>(argv + 2, argv + argc));
  }
  Cases cases(parts);
  using Method = absl::StatusOr<Measurement> (Cases::*)(const Request&);
  const auto measure = [&cases](Method method) {
    return [&cases, method](const Request& request) { return (cases.*method)(request); };
  };
  return RunContestant({
      {"small", measure(&Cases::MeasureSmall)},
      {"in-copied", measure(&Cases::MeasureIn)},
      {"in-reserved", measure(&Cases::MeasureInReserved)},
      {"echo", measure(&Cases::MeasureEcho)},
      {"out-copied", measure(&Cases::MeasureOut)},
      {"many-copied", measure(&Cases::MeasureMany)},
      {"start", measure(&Cases::MeasureStart)},
  });
}

}  // namespace slabpipe::bench
