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
# Order. A worker serves requests one after the other, in the order in which they came, and answers each exactly once, by
# `Response.id`. Pings are answered in that same order (a worker that runs a function answers after it). Main may send
# requests without waiting for answers.
#
# Versions. `Hello.protocolVersion` and `Welcome.protocolVersion` are one number: it changes when old and new can not
# understand each other. A worker that can't speak main's version says so in `Welcome.refusal` and exits; main reports
# FAILED_PRECONDITION with that text. Additions that both sides must agree on are named in `features`: a side uses one only
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
  }
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
}

struct Target {
  # A function that the worker offers.
  name @0 :Text;
  # `module.function` or `module::Class.method`.
  documentation @1 :Text;
  parameters @2 :List(Parameter);
  result @3 :Text;
  # A readable name of the result's type, for people.

  struct Parameter {
    name @0 :Text;
    # May be empty: then it can be given by position only.
    type @1 :Text;
    optional @2 :Bool;
  }
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
  causes @4 :List(Text);
  # Nested exceptions, outermost first: "type: message".
}

struct Event {
  # Something that main should know and need not answer.
  log @0 :LogRecord;
}

struct LogRecord {
  severity @0 :UInt8;
  # 0 info, 1 warning, 2 error.
  text @1 :Text;
}
