#include "slabpipe/session/serving.h"

#include <cxxabi.h>
#include <time.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/exception_error.h"
#include "slabpipe/session/running_call.h"
#include "slabpipe/session/throw_trace.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

constexpr Wait kForever = {};  // until main is gone
// A process that used less of a processor than this part of the time did nothing but watch itself.
constexpr int64_t kIdleParts = 200;

int64_t ProcessCpuNanoseconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return absl::ToInt64Nanoseconds(absl::DurationFromTimespec(now));
}

void Show(std::atomic<int64_t>& place, int64_t value) {
  place.store(value, std::memory_order_relaxed);
}

// The request that a message brings.
std::unique_ptr<ServedRequest> ToRequest(std::unique_ptr<Received> received) {
  const schemas::Request::Reader in = received->root.getRequest();
  auto request = std::make_unique<ServedRequest>();
  request->id = in.getId();
  if (const uint64_t timeout = in.getTimeoutNanoseconds(); timeout > 0) {
    request->deadline = Deadline::After(absl::Nanoseconds(timeout));
  }
  request->reports = in.getReports();
  request->credit = in.getCredit();
  request->streams = in.getCredit() > 0;
  request->message = std::move(received);
  return request;
}

std::optional<RemoteError> StreamMismatch(const ServedRequest& request, const Target& target) {
  const TargetInfo& info = target.info();
  if (request.streams == !info.item_type.empty()) return std::nullopt;
  return ToRemoteError(absl::InvalidArgumentError(
      request.streams ? absl::StrCat(info.name, " gives one result: Call it")
                      : absl::StrCat(info.name, " yields many results: Stream it")));
}

}  // namespace

absl::Status Serving::Serve(int threads) {
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < threads; ++i) others.emplace_back([this] { ServeOnThisThread(); });
  } catch (const std::system_error& error) {
    std::lock_guard<std::mutex> lock(mutex_);
    End(absl::ResourceExhaustedError(
        absl::StrCat("only ", others.size() + 1, " of ", threads, " threads: ", error.what())));
  }
  ServeOnThisThread();
  for (std::thread& other : others) other.join();
  if (!end_.ok()) return end_;
  return channel_.Send([](schemas::Message::Builder root) { root.setGoodbye(); }, kForever);
}

void Serving::ServeOnThisThread() {
  std::unique_ptr<ServedRequest> request;
  while ((request = Next(std::move(request)))) {
    absl::Status answered = Answer(*request);
    if (answered.ok()) continue;
    std::lock_guard<std::mutex> lock(mutex_);
    End(answered);
  }
}

std::unique_ptr<ServedRequest> Serving::Next(std::unique_ptr<ServedRequest> finished) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (finished != nullptr) {
    running_.erase(std::find(running_.begin(), running_.end(), finished.get()));
    signs_.fetch_add(1, std::memory_order_relaxed);
    ShowOldest();
    finished.reset();
  }
  while (true) {
    if (!end_.ok()) return nullptr;
    if (channel_.has_released()) {
      lock.unlock();
      channel_.DestroyReleased();
      lock.lock();
      continue;
    }
    if (!queue_.empty()) {
      std::unique_ptr<ServedRequest> request = std::move(queue_.front());
      queue_.pop_front();
      running_.push_back(request.get());
      ShowOldest();
      return request;
    }
    if (shutdown_) return nullptr;
    if (!reading_) {
      ReadOne(lock, Deadline::Never());
      continue;
    }
    ++waiting_;
    changed_.wait(lock);
    --waiting_;
  }
}

void Serving::ShowOldest() {
  oldest_.store(running_.empty() ? 0 : running_.front()->id, std::memory_order_relaxed);
}

void Serving::Beat(bool active) {
  if (vitals_ == nullptr) return;
  const int64_t now = MonotonicNanoseconds();
  const int64_t cpu = ProcessCpuNanoseconds();
  const int64_t passed = now - vitals_->heartbeat.load(std::memory_order_relaxed);
  const uint64_t signs = signs_.load(std::memory_order_relaxed);
  const uint64_t request = oldest_.load(std::memory_order_relaxed);
  const bool is_new = request != std::exchange(seen_request_, request);
  if (is_new) Show(vitals_->since, now);
  active = active || is_new || signs != seen_signs_ || waits_.load(std::memory_order_relaxed) > 0 ||
           cpu - seen_cpu_ > passed / kIdleParts;
  if (active) Show(vitals_->active, now);
  // Release: whoever sees this request does not see the times of the one before.
  vitals_->request.store(request, std::memory_order_release);
  seen_signs_ = signs;
  seen_cpu_ = cpu;
  Show(vitals_->cpu, cpu);
  Show(vitals_->heartbeat, now);
}

void Serving::End(const absl::Status& why) {
  if (end_.ok()) end_ = why;
  stop_.Cancel();
  changed_.notify_all();
}

void Serving::ReadOne(std::unique_lock<std::mutex>& lock, Deadline deadline) {
  reading_ = true;
  lock.unlock();
  absl::StatusOr<std::unique_ptr<Received>> received =
      channel_.Receive({.deadline = deadline, .cancellation = &stop_});
  std::optional<uint64_t> ping;
  lock.lock();
  absl::Status status = received.status();
  if (status.ok()) {
    status = CatchKj([&] {
      TakeIn(*std::move(received), ping);
      return end_;
    });
  }
  if (ping.has_value()) {
    lock.unlock();
    status = channel_.Send([&](schemas::Message::Builder root) { root.setPong(*ping); }, kForever);
    lock.lock();
  }
  reading_ = false;
  if (!status.ok() && !absl::IsDeadlineExceeded(status)) End(status);
  if (waiting_ > 0) changed_.notify_all();
}

void Serving::TakeIn(std::unique_ptr<Received> received, std::optional<uint64_t>& ping) {
  const schemas::Message::Reader root = received->root;
  switch (root.which()) {
    case schemas::Message::LEASES:
      return;
    case schemas::Message::REQUEST:
      queue_.push_back(ToRequest(std::move(received)));
      return;
    case schemas::Message::CANCEL:
      if (ServedRequest* request = FindRequest(root.getCancel().getId())) {
        (root.getCancel().getOverdue() ? request->overdue : request->cancelled) = true;
      }
      return;
    case schemas::Message::CREDIT:
      if (ServedRequest* request = FindRequest(root.getCredit().getId())) {
        request->credit += root.getCredit().getItems();
      }
      return;
    case schemas::Message::PING:
      ping = root.getPing();
      return;
    case schemas::Message::SHUTDOWN:
      shutdown_ = true;
      return;
    default:
      End(absl::DataLossError(absl::StrCat("main sent a message of kind ",
                                           static_cast<int>(root.which()),
                                           ", which is not its to send")));
  }
}

ServedRequest* Serving::FindRequest(uint64_t id) {
  for (ServedRequest* request : running_) {
    if (request->id == id) return request;
  }
  for (const std::unique_ptr<ServedRequest>& request : queue_) {
    if (request->id == id) return request.get();
  }
  return nullptr;
}

void Serving::WaitUntil(std::unique_lock<std::mutex>& lock, Deadline deadline,
                        absl::FunctionRef<bool()> done) {
  waits_.fetch_add(1, std::memory_order_relaxed);
  while (end_.ok() && !done() && !deadline.HasPassed()) {
    if (!reading_) {
      ReadOne(lock, deadline);
      continue;
    }
    ++waiting_;
    const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
    changed_.wait_for(lock, absl::ToChronoNanoseconds(rest));
    --waiting_;
  }
  waits_.fetch_sub(1, std::memory_order_relaxed);
}

// Whatever holds leases on the request's memory is gone before the response is sent: main may use
// it for the next request.
absl::Status Serving::Answer(ServedRequest& request) {
  std::optional<ValueMessage> response;
  std::optional<RemoteError> error = Run(request, response);
  if (request.message->memory.ref_count() > 0) request.message = nullptr;
  if (!error.has_value()) {
    absl::Status sent = response->Send(kForever);
    if (!absl::IsInvalidArgument(sent) && !absl::IsResourceExhausted(sent)) return sent;
    error = ToRemoteError(sent);  // too large for a message, or no descriptors left to send
  }
  response.reset();
  return SendError(request.id, *error);
}

absl::Status Serving::ReadRequest(const Received& received, absl::string_view& target,
                                  std::vector<NamedObject>& arguments) const {
  MessageDecoder decoder = channel_.MakeDecoder(received);
  return CatchKj([&] {
    const schemas::Request::Reader request = received.root.getRequest();
    target = {request.getTarget().cStr(), request.getTarget().size()};
    for (const schemas::Request::Argument::Reader argument : request.getArguments()) {
      absl::StatusOr<Object> value = decoder.Decode(argument.getPayload());
      if (!value.ok()) {
        return absl::Status(value.status().code(), absl::StrCat("argument ", arguments.size() + 1,
                                                                ": ", value.status().message()));
      }
      arguments.push_back({.name = argument.getName().cStr(), .value = *std::move(value)});
    }
    return absl::OkStatus();
  });
}

std::optional<RemoteError> Serving::Run(ServedRequest& request,
                                        std::optional<ValueMessage>& response) {
  absl::string_view name;  // lies in the message
  std::vector<NamedObject> arguments;
  absl::Status read = ReadRequest(*request.message, name, arguments);
  if (!read.ok()) return ToRemoteError(read);
  absl::StatusOr<const Target*> target = targets_.Find(name);
  if (!target.ok()) return ToRemoteError(target.status());
  if (auto mismatch = StreamMismatch(request, **target)) return mismatch;
  absl::StatusOr<std::vector<Object>> bound = (*target)->Bind(std::move(arguments));
  if (!bound.ok()) return ToRemoteError(bound.status());
  RunningCall context(*this, request, (*target)->info().name);
  // What says so may have come behind it.
  if (context.cancelled()) return ToRemoteError(context.status());
  ClearThrowTrace();
  try {
    absl::Status status = (*target)->function().call(
        context, *bound, (*target)->parameter_names(),
        [&](const ArgumentRef& result) { return EncodeResult(result, request.id, response); });
    if (status.ok()) return std::nullopt;
    return ToRemoteError(status);
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread is being cancelled: not an error of the function's
  } catch (const std::exception& exception) {
    return DescribeException(&exception);
  } catch (...) {
    return DescribeException(nullptr);
  }
}

absl::Status Serving::EncodeResult(const ArgumentRef& result, uint64_t id,
                                   std::optional<ValueMessage>& response) {
  response.emplace(channel_);
  if (absl::Status begun = response->Begin(kForever); !begun.ok()) return begun;
  schemas::Response::Builder out = response->root().initResponse();
  out.setId(id);
  absl::Status status = result.visit(result.value, [&](AnyRef model) {
    absl::Status encoded = response->Prepare(model);
    if (encoded.ok()) encoded = response->OpenSlab();
    if (encoded.ok()) encoded = response->Encode(model, out.initResult());
    return encoded;
  });
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("the result: ", status.message()));
}

absl::Status Serving::SendError(uint64_t id, const RemoteError& error) {
  return channel_.Send(
      [&](schemas::Message::Builder root) {
        schemas::Response::Builder response = root.initResponse();
        response.setId(id);
        WriteError(error, response.initError());
      },
      kForever);
}

}  // namespace slabpipe
