# The metadata of the built-in codecs. Each struct here is what Payload.metadata holds under the codec name given.
#
# Rules for all: counts and sizes are checked against the blocks before anything is read from them; a violation makes the
# decoder fail with INVALID_ARGUMENT and a message that names the field. Names are UTF-8.

@0xd4a7e05b19c28f63;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("slabpipe::schemas");

using import "shm.capnp".Payload;

struct Value {
  # Codec "value": everything small and irregular. Data only; nothing in it is ever executed.
  # Nesting is at most 64 deep; at most 2^20 values, and 2^28 bytes of texts, bytes and keys. Text is valid UTF-8. Map keys are
  # unique and keep their order.
  union {
    nothing @0 :Void;
    boolean @1 :Bool;
    signed @2 :Int64;
    unsigned @3 :UInt64;
    # Only for numbers above the largest Int64.
    real @4 :Float64;
    text @5 :Text;
    bytes @6 :Data;
    list @7 :List(Value);
    map @8 :List(ValueEntry);
    textBlock @9 :UInt32;
    # A text of 4,096 bytes or more lies in the payload's block of this index (its content), a temporary one.
    bytesBlock @10 :UInt32;
    # The same for bytes.
  }
}

struct ValueEntry {
  key @0 :Text;
  value @1 :Value;
}

enum ElementType {
  # Appended to, never renumbered.
  boolean @0;        # one byte; 0 is false, anything else is true
  int8 @1;
  int16 @2;
  int32 @3;
  int64 @4;
  uint8 @5;
  uint16 @6;
  uint32 @7;
  uint64 @8;
  float32 @9;
  float64 @10;
  complex64 @11;     # two float32: real, imaginary
  complex128 @12;    # two float64
  float16 @13;       # IEEE 754 binary16
  bfloat16 @14;      # the upper half of a float32
  bytes @15;         # of a fixed width; zeros at the end are padding
  text @16;          # code points of Unicode, four bytes each, of a fixed width; zeros at the end are padding
}

struct NdArray {
  # Codec "ndarray": an n-dimensional array, little-endian, in one block (none if it has no elements).

  elementType @0 :ElementType;

  layout @1 :Layout;
  enum Layout {
    rowMajor @0;     # C order, no gaps, from the block's start
    columnMajor @1;  # Fortran order, no gaps, from the block's start
    strided @2;      # anywhere in the block
    vector @3;       # one-dimensional, no gaps: the block's whole content
  }

  extents @2 :List(Int64);
  # The shape, one extent a dimension (rank 0: empty; at most 32). Layout `vector`: nothing; the extent follows from the
  # block. Layout `strided`: as many strides follow, in bytes, multiples of the element's alignment, of either sign, not 0
  # where the extent is above 1; and then where in the block element [0, ..., 0] lies, in bytes, a multiple of the element's
  # alignment. Every element that the extents and strides reach lies inside the block's content.

  elementBytes @3 :UInt32;
  # The width of `bytes` (at least 1) and of `text` (a multiple of 4, at least 4), at most 2^30. Of other types: nothing.
}

struct Record {
  # Codec "record": a struct, field by field. Field names are unique; their order carries no meaning.
  typeName @0 :Text;
  fields @1 :List(Field);
  struct Field {
    name @0 :Text;
    payload @1 :Payload;
  }
}

struct Sequence {
  # Codec "sequence": a list of values of any codecs.
  items @0 :List(Payload);
}

struct Map {
  # Codec "map": values by key, in an order that is kept.
  entries @0 :List(Entry);
  struct Entry {
    key @0 :Value;
    # A boolean, an integer, a text or bytes; each once.
    payload @1 :Payload;
  }
}

struct Variant {
  # Codec "variant": a value of one of several types, which both sides have numbered alike.
  alternative @0 :UInt16;
  payload @1 :Payload;
}

struct Dataset {
  # Codec "dataset": labelled arrays in groups. Names are unique within their list.
  groups @0 :List(Group);
  attributes @1 :Value;
  # A map, here and below; or nothing.

  struct Group {
    name @0 :Text;
    coordinates @1 :List(Variable);
    variables @2 :List(Variable);
    attributes @3 :Value;
  }

  struct Variable {
    name @0 :Text;
    dimensions @1 :List(Text);
    # As many as the array's rank. A dimension has one extent throughout its group.
    data @2 :Payload;
    # An "ndarray"; or a "sequence" of texts, for labels along one dimension.
    attributes @3 :Value;
  }
}

struct CustomMetadata {
  # For codecs that bring no schema: any small data, and values that other codecs have encoded.
  value @0 :Value;
  children @1 :List(Payload);
}
