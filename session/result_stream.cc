#include "slabpipe/session/result_stream.h"

#include <algorithm>
#include <utility>

#include "slabpipe/transport/fork_watch.h"

namespace slabpipe {
namespace {

// To tell a worker that nobody reads on.
constexpr absl::Duration kTimeToTell = absl::Milliseconds(5);

}  // namespace

struct ObjectStream::State {
  State(std::shared_ptr<Connection> to, absl::string_view name, CallOptions how, Deadline deadline,
        absl::Duration hang_timeout, Settle settles)
      : connection(std::move(to)),
        target(name),
        options(std::move(how)),
        settle(std::move(settles)),
        call(*connection, target, options, deadline, hang_timeout, waiter) {}

  const std::shared_ptr<Connection> connection;
  const std::string target;
  const CallOptions options;
  const Settle settle;
  Waiter waiter;
  CallInProgress call;
  const ForkWatch fork_watch;
  uint32_t looked_at = 0;  // results for which the worker has no new credit yet
};

ObjectStream::ObjectStream(std::shared_ptr<Connection> connection, absl::string_view target,
                           CallOptions options, Deadline deadline, absl::Duration hang_timeout,
                           absl::Span<const ArgumentRef> arguments, Settle settle)
    : state_(std::make_unique<State>(std::move(connection), target, std::move(options), deadline,
                                     hang_timeout, std::move(settle))) {
  const uint32_t window = std::max<uint32_t>(state_->options.window, 1);
  if (auto failed = state_->call.Start(arguments, window)) End(*std::move(failed));
}

ObjectStream::ObjectStream(absl::Status ended) : status_(std::move(ended)) {}
ObjectStream::ObjectStream(ObjectStream&&) noexcept = default;

ObjectStream& ObjectStream::operator=(ObjectStream&& other) noexcept {
  if (this == &other) return *this;
  Stop();
  state_ = std::move(other.state_);
  status_ = std::move(other.status_);
  shut_out_ = other.shut_out_;
  return *this;
}

ObjectStream::~ObjectStream() { Stop(); }

void ObjectStream::Stop() {
  if (state_ == nullptr) return;
  if (state_->fork_watch.in_forked_child()) {
    state_.release();  // the other process reads on; nothing of it can be used here
    return;
  }
  Connection& connection = *state_->connection;
  connection.router().Abandon(state_->call.reply());
  if (connection.over().ok()) {
    connection.SendCancel(state_->call.reply().id(), false, Deadline::After(kTimeToTell));
  }
  state_ = nullptr;
}

void ObjectStream::Cancel() {
  if (state_ != nullptr && !state_->fork_watch.in_forked_child()) state_->call.Cancel();
}

void ObjectStream::End(CallOutcome outcome) {
  const std::shared_ptr<Connection> connection = state_->connection;
  const Settle settle = state_->settle;
  state_ = nullptr;
  shut_out_ = outcome.shut_out;
  status_ = outcome.lost ? settle(connection, std::move(outcome)) : outcome.result.status();
}

std::optional<Object> ObjectStream::Next() {
  if (state_ == nullptr) return std::nullopt;
  if (state_->fork_watch.in_forked_child()) {
    status_ = absl::FailedPreconditionError(
        "this process was forked from the stream's, which alone gets its results");
    return std::nullopt;
  }
  CallInProgress::Next next = state_->call.FinishOrItem();
  if (next.outcome.has_value()) {
    End(*std::move(next.outcome));
    return std::nullopt;
  }
  Connection& connection = *state_->connection;
  Connection::Answer item = connection.ReadItem(*next.item, state_->target);
  next.item = nullptr;
  // Credit goes back when half of it is used up: a message for many results.
  const uint32_t window = std::max<uint32_t>(state_->options.window, 1);
  if (item.broken.ok() && ++state_->looked_at >= window / 2 + window % 2) {
    state_->call.Grant(std::exchange(state_->looked_at, 0));
  }
  if (item.result.ok()) return *std::move(item.result);
  if (item.broken.ok()) {
    status_ = item.result.status();
    Stop();
  } else {
    End(state_->call.Broken());
  }
  return std::nullopt;
}

}  // namespace slabpipe
