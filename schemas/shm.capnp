# How shared memory is spoken of in a message.
#
# A message never carries bulk bytes. It carries references to blocks that lie in segments (shared-memory objects), and
# this file defines those references and the bookkeeping that makes them safe: which segments a message touches, which
# leases come back, which segments are gone for good.
#
# Life of a segment, as its owner (the side that created it) and its reader (the other side) see it:
#
#   owner:   created -> [ open -> sealed -> granted -> free ]*  -> retired
#   reader:  unknown -> [ granted (mapped, leased) -> returned ]* -> unmapped
#
#   * `open`: the owner puts blocks into it, one behind the other. `sealed`: no more of them in this use.
#   * `granted`: a message lists the segment in `MemoryTable.segments`. Each message that lists a segment of the sender's
#     is one grant. The owner must not put anything in the place of its blocks before every grant has been returned. A
#     segment that many lasting blocks share may be granted while it is still open: more blocks come behind those that are
#     there, which stay as they are.
#   * The reader answers each grant exactly once, in its lease log or in some later `MemoryTable.returns`, when no object
#     of its own uses the segment any more. Grants may be returned several at a time.
#   * `free`: all grants are back and the owner itself uses it no more; it may be opened again with generation + 1.
#   * `retired`: the owner has destroyed it. The reader drops its mapping. Only a segment whose
#     grants are all back may be retired.
#
# A reader may also name a segment of its *peer* in a message that it sends (an echo: what came from there goes back
# without a copy). That is no grant; it must hold a lease on that generation while it sends.
#
# Order inside one message: `segments` first, then `returns`, then `retired`. So a message that echoes a block and returns
# the lease on it in one go is sound.
#
# What a bad peer gets: any violation of the rules below ends the connection. The receiver reports which rule, in a status
# of code DATA_LOSS; nothing of the message is used.

@0xb2f1c3a94d5e6f71;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("slabpipe::schemas");

struct SegmentGrant {
  # One segment that the message's refs point into.

  slot @0 :UInt32;
  # The segment's number in its owner's table. It is the segment's as long as that lives; when it has been retired, another
  # may get the number.

  descriptor @1 :UInt16 = 0xffff;
  # The index of its descriptor among those that came with this message; 0xffff for none. A descriptor comes exactly with
  # the first grant on a connection (memfd provider), never with an echo, never for named POSIX segments.

  echo @2 :Bool;
  # The segment is the receiver's own.

  generation @3 :UInt64;
  # Which use of the segment this is: 1 at first, then one more each time that its owner opens it again. A grant of
  # generation g is valid only once every lease on older generations is back.

  segment @4 :SegmentInfo;
  # With the first grant on a connection, and only then: what the receiver needs to map it.
}

struct SegmentInfo {
  name @0 :Text;
  # 1 to 63 bytes of [A-Za-z0-9._-]. Unique for the life of the session; begins with its owner's prefix (see Hello). For
  # the named POSIX provider it is also the name in /dev/shm.

  sizeBytes @1 :UInt64;
  # The size of the whole segment. The receiver checks it against the object itself.
}

struct ShmRef {
  # One block. Rules: `segment` is an index into MemoryTable.segments; contentSize <= size;
  # 64 * offsetUnits + size <= the segment's size, without overflow. A block without bytes, which keeps its number in the
  # payload, is a ref of nothing but zeros, and names no segment; no other has size 0.

  segment @0 :UInt16;
  temporary @1 :Bool;
  # The sender does not count on the value keeping the block: its codec copies the bytes, and the memory goes back as soon as
  # the value has been decoded. A receiver may keep it like any other.
  offsetUnits @2 :UInt32;
  # Where the block begins, in units of 64 bytes.
  size @3 :UInt64;
  # Bytes allocated.
  contentSize @4 :UInt64;
  # Bytes used, counted from the start of the block.
}

struct LeaseReturn {
  # `count` grants of the receiver's segment in `slot` are over. Rules: the generation is the current one, and at most as
  # many grants are returned as are out. Where there is a ring, returns go through its lease log (docs/wire-format.md) as
  # long as that has room, and only then here.
  slot @0 :UInt32;
  count @1 :UInt32;
  generation @2 :UInt64;
}

struct MemoryTable {
  segments @0 :List(SegmentGrant);
  # Every segment that `refs` needs, each once.
  refs @1 :List(ShmRef);
  returns @2 :List(LeaseReturn);
  retired @3 :List(UInt32);
  # Slots of segments of the sender's that it has destroyed.
}

struct Payload {
  # One encoded value: which codec wrote it, the codec's own metadata, and the blocks that hold its bytes.

  codec @0 :UInt16;
  # The number of a codec that the sender has named, in this message or before (session.capnp, Message.codecs).
  refCount @1 :UInt16;
  firstRef @2 :UInt32;
  # The payload's blocks are MemoryTable.refs[firstRef .. firstRef + refCount).
  metadata @3 :AnyPointer;
  # A struct of the codec's own choosing. codecs.capnp has those of the built-in codecs, and `CustomMetadata` for codecs
  # without a schema. A receiver checks all of it against the blocks.
}
