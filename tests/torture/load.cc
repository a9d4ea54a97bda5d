#include "slabpipe/tests/torture/load.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/tests/testing/clock.h"

namespace slabpipe::tests {
namespace {

// 64 KiB to 1 MiB of doubles.
int64_t ArraySize(std::mt19937_64& random) {
  return static_cast<int64_t>(8192 + random() % (131072 - 8192));
}

double SumOfIota(int64_t size) {
  return static_cast<double>(size) * static_cast<double>(size - 1) / 2;
}

absl::Status Wrong() { return absl::InternalError("a wrong answer"); }

}  // namespace

Load::Load(Session& session, const LoadOptions& options)
    : session_(session), options_(options), begun_(static_cast<size_t>(options.threads)) {
  for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this, i] { Run(i); });
}

void Load::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

LoadReport Load::report() const {
  LoadReport report = {.calls = calls_, .answers = answers_, .errors = errors_, .wrong = wrong_};
  report.unanswered = report.calls - report.answers - report.errors - report.wrong;
  return report;
}

int64_t Load::oldest_call() const {
  int64_t oldest = 0;
  for (const std::atomic<int64_t>& begun : begun_) {
    const int64_t since = begun;
    if (since != 0 && (oldest == 0 || since < oldest)) oldest = since;
  }
  return oldest;
}

uint64_t Load::calls_since(int64_t time) const {
  return static_cast<uint64_t>(std::count_if(begun_.begin(), begun_.end(), [&](const auto& begun) {
    const int64_t since = begun;
    return since != 0 && since <= time;
  }));
}

void Load::Revive() {
  std::lock_guard<std::mutex> lock(revive_mutex_);
  if (session_.worker_pid() < 0) session_.Restart().IgnoreError();
}

void Load::Run(int thread) {
  Random random(options_.seed * 1000 + static_cast<uint64_t>(thread));
  std::atomic<int64_t>& begun = begun_[static_cast<size_t>(thread)];
  while (!stop_) {
    const uint64_t token = NewToken();
    begun = NowUs();
    const absl::Status status = CallOnce(token, random);
    begun = 0;
    Judge(status);
    if (absl::IsFailedPrecondition(status) && !stop_) {
      begun = NowUs();
      Revive();
      begun = 0;
    }
  }
}

absl::Status Load::CallOnce(uint64_t token, Random& random) {
  switch (random() % 6) {
    case 0:
      return Sum(token, random);
    case 1:
      return Fill(token, random);
    case 2:
      return Submit(token, random);
    case 3:
      return Stream(token, random);
    default:
      return Echo(token, random);
  }
}

absl::Status Load::Echo(uint64_t token, Random& random) {
  const int64_t number = static_cast<int64_t>(random() >> 2);
  const absl::StatusOr<int64_t> answer = session_.Call<int64_t>("torture.echo", token, number);
  if (!answer.ok()) return answer.status();
  return *answer == number ? absl::OkStatus() : Wrong();
}

absl::Status Load::Sum(uint64_t token, Random& random) {
  const int64_t size = ArraySize(random);
  // Every other one lies in shared memory from the start.
  absl::StatusOr<NdArray<double>> array =
      token % 2 == 0 ? session_.NewArray<double>({size}) : NdArray<double>::Create({size});
  if (!array.ok()) return array.status();
  std::iota(array->span().begin(), array->span().end(), 0.0);
  const absl::StatusOr<double> answer = session_.Call<double>("torture.sum", token, *array);
  if (!answer.ok()) return answer.status();
  return *answer == SumOfIota(size) ? absl::OkStatus() : Wrong();
}

absl::Status Load::Fill(uint64_t token, Random& random) {
  const int64_t size = ArraySize(random);
  const auto answer = session_.Call<NdArray<const double>>("torture.fill", token, size);
  if (!answer.ok()) return answer.status();
  const double sum = std::accumulate(answer->span().begin(), answer->span().end(), 0.0);
  return answer->size() == size && sum == SumOfIota(size) ? absl::OkStatus() : Wrong();
}

// Three calls in flight.
absl::Status Load::Submit(uint64_t token, Random& random) {
  const int64_t number = static_cast<int64_t>(random() >> 2);
  const auto begin = [&](uint64_t its_token) {
    return session_.Submit<int64_t>("torture.echo", its_token, number);
  };
  const auto end = [&](const Future<int64_t>& future) {
    const absl::StatusOr<int64_t> answer = future.Get();
    if (!answer.ok()) return answer.status();
    return *answer == number ? absl::OkStatus() : Wrong();
  };
  const Future<int64_t> first = begin(token), second = begin(NewToken()), third = begin(NewToken());
  Judge(end(third));
  Judge(end(second));
  return end(first);
}

// Of up to 100 results; sometimes it is left before its end.
absl::Status Load::Stream(uint64_t token, Random& random) {
  const int64_t count = static_cast<int64_t>(random() % 100);
  const int64_t wanted = random() % 4 == 0 ? count / 2 : count + 1;
  ResultStream<int64_t> stream =
      session_.Stream<int64_t>({.window = 4}, "torture.count", token, count);
  int64_t next = 0;
  for (; next < wanted && stream.Next(); ++next) {
    if (stream.value() != next) return Wrong();
  }
  if (!stream.status().ok() || wanted <= count) return stream.status();
  return next == count ? absl::OkStatus() : Wrong();
}

void Load::Judge(const absl::Status& status) {
  if (status.ok()) {
    ++answers_;
  } else if (absl::IsUnavailable(status) || absl::IsFailedPrecondition(status) ||
             absl::IsCancelled(status)) {
    ++errors_;
  } else {
    ++wrong_;
    std::fprintf(stderr, "torture: %s\n", status.ToString().c_str());
  }
}

}  // namespace slabpipe::tests
