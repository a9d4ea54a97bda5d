# The protocol between a main process and its worker.
#
# Transport. Messages travel over one Unix stream socket, framed as docs/wire-format.md says, in order, each with up to
# 253 file descriptors (unix(7)). Main has one end; the worker inherits the other as the descriptor whose number is in its
# environment variable SLABPIPE_FD.
#
# Ring. If `Hello.ring` is set, five descriptors come with the hello, in this order: main's control block; the bells that
# the worker rings when there is a message for main, and when there is room for main; the bells that ring for the worker,
# likewise. A worker with the feature "ring" may answer with `Welcome.ring` and one descriptor, its own control block. From
# the message after the welcome on, both sides then send through the rings, as docs/wire-format.md says.
#
# States of a connection:
#
#             main                                   worker
#   start     sends `hello`                          waits for `hello`
#   greeted   waits for `welcome`, with a deadline   sends `welcome`
#   ready     requests, pings, leases, `shutdown`    answers, leases, logs
#   closing   waits for the end, with a deadline     finishes what it runs, sends `goodbye`, exits 0
#   over      end of stream on the socket
#
# Order. A worker begins requests in the order in which they came, and answers each exactly once, by `Response.id`, in any
# order: one that has several serving threads runs as many at a time. A ping is answered when it is read: by a worker whose
# only thread runs a function that never asks whether it is cancelled, after that function. Main may send requests without
# waiting for answers.
#
# Streams. A request with `Request.credit` above 0 may be answered by items before its response, at most as many as there is
# credit: that of the request and that of later `credit` messages. The response ends the stream; its result is void. An item
# without credit, or one for a request that has none, breaks a rule.
#
# Cancelling. `cancel` says that nobody waits for the answer to a request any more. It is answered all the same: when its turn
# comes, if it has not begun, for it is not run; otherwise when the function returns, which may ask. Request.timeout says when main will lose patience: a
# function that asks is told then, without a message.
#
# Handles. An object that stays in the worker has a number above 0, which is never used again in one worker. A message that
# has such an object in its values, any number of times, names it once in `handles`; that counts as sent once. Main says in
# `releasedHandles`, with any message, which it needs no more, once for each time that it was sent; not before the requests that
# have it among their arguments are answered. The worker keeps the object until it has been released as often as sent.
#
# Versions. `Hello.protocolVersion` and `Welcome.protocolVersion` are one number: it changes when old and new can not
# understand each other. A worker that can't speak main's version says so in `Welcome.refusal` and exits; main reports
# FAILED_PRECONDITION with that text. So it is with all else for which a worker can't work; what it lacks only for now, memory
# or descriptors, it tells apart by `Welcome.refusalCode`. Additions that both sides must agree on are named in `features`: a side uses one only
# if both lists have it. Unknown fields and unknown features are ignored; an unknown kind of message is an error.
#
# What a bad peer gets. A message that breaks a rule (of this file, of shm.capnp, of the framing), one that does not fit the
# state, or one for an id that is not awaited: the receiver closes the connection and reports DATA_LOSS with the rule. A
# worker exits; main ends the worker's process and says how. Only these concern a single call instead: an unknown target,
# arguments that don't decode or don't fit, and what the function itself reports; they come back as `Response.error`.
#
# Limits (defaults; a receiver applies its own): message 64 MiB, 64 levels of nesting, 253 descriptors, 8,192 mapped
# segments.

@0xe91b60d7f2a83c45;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("slabpipe::schemas");

using import "shm.capnp".MemoryTable;
using import "shm.capnp".Payload;

struct Message {
  memory @0 :MemoryTable;

  codecs @1 :List(Text);
  # The names of codecs that the sender uses for the first time on this connection. Each side's codecs are numbered 0, 1,
  # 2, ... in the order in which it names them, at most 4,096; Payload.codec is such a number. A name has 1 to 255 bytes.

  union {
    leases @2 :Void;
    # Nothing but the memory table: leases come back, segments are retired. Allowed from both sides once ready.
    hello @3 :Hello;
    welcome @4 :Welcome;
    request @5 :Request;
    response @6 :Response;
    ping @7 :UInt64;
    # Main to worker. A number to be sent back.
    pong @8 :UInt64;
    event @9 :Event;
    # Worker to main, at any time once ready.
    shutdown @10 :Void;
    # Main to worker: finish what came before this, then go.
    goodbye @11 :Void;
    # Worker to main: the last message.
    item @13 :Item;
    # Worker to main: one of the results of a request that streams.
    credit @14 :Credit;
    # Main to worker: so many more items may be sent. Ignored for a request that has been answered.
    cancel @15 :Cancel;
    # Main to worker: nobody needs the answer to a request. Ignored if it has been answered.
  }

  releasedHandles @12 :List(UInt64);
  # Main to worker, once ready: these objects may go, each once for each time that it stands here.
  handles @16 :List(HandleGrant);
  # Worker to main, with a response or an item: the objects that stay in the worker and that this message's values have handles
  # of, each once. At most 262,144.
}

struct HandleGrant {
  number @0 :UInt64;
  # Above 0.
  type @1 :Text;
  # A readable name, for people.
  text @2 :Text;
  # For people, too; at most 16,384 bytes. What is longer main cuts.
}

struct Hello {
  protocolVersion @0 :UInt32;
  library @1 :Text;
  # The sender's library and version, for people: "slabpipe 0.1.0".
  features @2 :List(Text);
  mainPrefix @3 :Text;
  workerPrefix @4 :Text;
  # The names of main's segments begin with mainPrefix, those that the worker creates with workerPrefix. Neither is a
  # prefix of the other. A restarted worker gets another one.
  segments @5 :SegmentKind;
  # What kind of segments both sides create.
  ring @6 :Bool;
  # The descriptors that come with this message offer a ring; see above.
  spinNanoseconds @7 :UInt64;
  # How long the worker may look into the ring before it sleeps.
  enum SegmentKind {
    memfd @0;
    posix @1;
  }
}

struct Welcome {
  protocolVersion @0 :UInt32;
  library @1 :Text;
  features @2 :List(Text);
  refusal @3 :Text;
  # Not empty: the worker won't work with this main, and why. It exits after this message.
  targets @4 :List(Target);
  ring @5 :Bool;
  # The worker joins the ring: its control block comes with this message.
  threads @6 :UInt32 = 1;
  # How many requests the worker runs at a time, at most.
  refusalCode @7 :UInt16;
  # With a refusal: an absl::StatusCode. RESOURCE_EXHAUSTED: another worker may be able to. All others count as
  # FAILED_PRECONDITION.
}

struct Target {
  # A function that the worker offers. A worker has at most 4,096, each name once, and 8 MiB of texts about them:
  # documentation of 16 KiB, names of types and values of 1 KiB. Main shows none of their control characters.
  name @0 :Text;
  # `module.function` or `module::Class.method`: parts of letters, digits and '_', at most 255 bytes in all.
  documentation @1 :Text;
  parameters @2 :List(Parameter);
  # At most 255.
  result @3 :Text;
  # A readable name of the result's type, for people.

  struct Parameter {
    name @0 :Text;
    # May be empty: then it can be given by position only. Otherwise as a part of a target's, with dots allowed.
    type @1 :Text;
    optional @2 :Bool;
    defaultValue @3 :Text;
    # Of one that is optional: its value then, as people write it.
  }

  itemType @4 :Text;
  # Of one that streams: a readable name of the type of its items. Empty: it does not.
}

struct Request {
  id @0 :UInt64;
  # Not in use by another request of this connection.
  target @1 :Text;
  arguments @2 :List(Argument);
  # Positional ones first, in order.

  struct Argument {
    name @0 :Text;
    # Empty: positional.
    payload @1 :Payload;
  }

  timeoutNanoseconds @3 :UInt64;
  # So long after the worker reads it main will lose patience, about. 0: never.
  credit @4 :UInt32;
  # So many items may be sent. 0: the caller takes no stream.
  reports @5 :Bool;
  # The caller wants to hear of progress.
}

struct Item {
  id @0 :UInt64;
  # Of the request.
  value @1 :Payload;
}

struct Cancel {
  id @0 :UInt64;
  # Of the request.
  overdue @1 :Bool;
  # Because its time is up.
}

struct Credit {
  id @0 :UInt64;
  # Of the request.
  items @1 :UInt32;
}

struct Response {
  id @0 :UInt64;
  union {
    result @1 :Payload;
    error @2 :Error;
  }
}

struct Error {
  code @0 :UInt16;
  # An absl::StatusCode, never OK.
  message @1 :Text;
  type @2 :Text;
  # The type of the exception that the function threw; empty if it threw none.
  traceback @3 :List(Text);
  # One line a frame, innermost first: where it was thrown.
  causes @4 :List(Cause);
  # Nested exceptions, outermost first.

  struct Cause {
    type @0 :Text;
    message @1 :Text;
    traceback @2 :List(Text);
    # As that of the error. Empty: not known.
  }
}

struct Event {
  # Something that main should know and need not answer.
  union {
    log @0 :LogRecord;
    progress @1 :Progress;
  }
}

struct Progress {
  id @0 :UInt64;
  # Of the request, which has asked for it.
  done @1 :Float64;
  total @2 :Float64;
  # In any unit. 0: not known.
  text @3 :Text;
}

struct LogRecord {
  severity @0 :UInt8;
  # 0 info, 1 warning, 2 error.
  text @1 :Text;
  time @2 :Int64;
  # Nanoseconds since 1970, by the worker's clock.
  request @3 :UInt64;
  # The id of the request whose function said it; 0: none, or not known.
}
