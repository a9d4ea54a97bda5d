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
  # Codec "dataset": labelled arrays and columns in groups. Made for many small ones: a scalar takes 48 bytes of the message
  # if its name has up to 7, and 8 of a block.
  #
  # Names of groups are unique; names of coordinates and variables are so within their group, together.

  groups @0 :List(Group);
  attributes @1 :Value;
  # A map, here and below; or nothing.
  columns @2 :Columns;
  # All variables that are no arrays. The names of its fields are for messages alone. Null if there are none.

  struct Group {
    name @0 :Text;
    dimensions @1 :List(Dimension);
    forms @2 :List(Form);
    coordinates @3 :List(Variable);
    # One whose name is that of one of its dimensions has no other.
    variables @4 :List(Variable);
    attributes @5 :Value;
  }

  struct Dimension {
    name @0 :Text;
    # Unique in the group.
    extent @1 :Int64;
  }

  struct Form {
    # What variables of a group have in common.
    dimensions @0 :List(UInt32);
    # Numbers in the group's list, each once; at most 32. Their extents are the shape. Their names have at most 2^28 bytes, in all
    # forms of the dataset together.
    elementType @1 :ElementType;
    # Of arrays; means nothing for columns, as the next one.
    elementBytes @2 :UInt32;
    # As NdArray has it.
  }

  struct Variable {
    name @0 :Text;
    form @1 :UInt32;
    # Its number in the group's list.
    block @2 :UInt16;
    # Of an array: the payload's block in which it lies. Means nothing for an array without elements, and for columns.
    data :union {
      # Of an array: where in the block its element [0, ..., 0] lies, in bytes, a multiple of the element's alignment (means
      # nothing without elements). The rules of NdArray hold: what the extents and strides reach lies inside the block's
      # content. Several variables may lie in the same place.
      rowMajor @3 :UInt64;
      columnMajor @4 :UInt64;
      strided @5 :UInt64;
      # The strides are those of the details.
      column @6 :UInt64;
      # No array, but the values of this field of `columns`, row-major: as many as the shape has elements.
    }
    details @7 :Details;
    # Null if there is nothing to be said in it.
  }

  struct Details {
    strides @0 :List(Int64);
    # One a dimension, in bytes, as NdArray has them.
    attributes @1 :Value;
  }
}

enum ColumnKind {
  # What a column holds, as the Apache Arrow columnar format has it. Appended to, never renumbered.
  nothing @0;
  boolean @1;
  int8 @2;
  int16 @3;
  int32 @4;
  int64 @5;
  uint8 @6;
  uint16 @7;
  uint32 @8;
  uint64 @9;
  float16 @10;
  float32 @11;
  float64 @12;
  text @13;
  largeText @14;
  bytes @15;
  largeBytes @16;
  fixedBytes @17;
  date32 @18;
  date64 @19;
  time32 @20;
  time64 @21;
  timestamp @22;
  duration @23;
  interval @24;
  decimal128 @25;
  decimal256 @26;
  list @27;
  largeList @28;
  fixedList @29;
  struct @30;
  categorical @31;
}

enum TimeUnit {
  second @0;
  millisecond @1;
  microsecond @2;
  nanosecond @3;
}

struct Columns {
  # Codec "column" (one field, its name empty), and what "table" is made of: columns in the memory of the Apache Arrow
  # columnar format (arrow.apache.org/docs/format/Columnar.html), described as an Arrow record batch is.
  #
  # `nodes` has an entry for each field, and behind it one for each of the fields below it, depth first: the item of a list,
  # the fields of a struct, the categories of a categorical (Arrow's dictionary). `buffers` has an entry for each buffer of
  # each node, in Arrow's order: the validity bits, if hasValidity; then values, bits, or offsets; then texts.

  fields @0 :List(Field);
  nodes @1 :List(Node);
  buffers @2 :List(BufferPlace);

  struct Field {
    kind @0 :ColumnKind;
    nullable @1 :Bool;
    name @2 :Text;
    details @3 :Details;
    # Null if there is nothing to be said in it.
  }

  struct Details {
    unit @0 :TimeUnit;       # of times of day, timestamps, durations
    zone @1 :Text;           # of timestamps: empty for none
    width @2 :Int32;         # of fixedBytes: bytes, at least 1; of fixedList: items
    precision @3 :Int32;     # of decimals: digits, 1 to 38 (decimal128) or 76
    scale @4 :Int32;         # of decimals: how many of the digits are behind the point
    fields @5 :List(Field);  # of lists: one, the item; of structs: the fields; of categoricals: one, the categories
    indexKind @6 :ColumnKind;  # of categoricals: an integer
    ordered @7 :Bool;        # of categoricals
    attributes @8 :Value;    # a map, or nothing
  }

  struct Node {
    length @0 :UInt64;
    nullCount @1 :UInt64;
    # As many as the zeros among the validity bits.
    skip @2 :UInt8;
    # 0 to 7: so many values come before the first, in every buffer of the node, and before the first of the children of a
    # struct or fixedList (times its width). So a range of rows need not begin at a whole byte of bits.
    hasValidity @3 :Bool;
  }

  struct BufferPlace {
    # A piece of a block of the payload; a multiple of the alignment of its numbers, if it is not empty.
    offset @0 :UInt64;
    sizeBytes @1 :UInt64;
    block @2 :UInt16;
  }
}

struct Table {
  # Codec "table". All fields of `columns` have `rowCount` values.
  rowCount @0 :UInt64;
  columns @1 :Columns;
  index @2 :Index;
  attributes @3 :Value;
  # A map; or nothing.

  struct Index {
    # Null: the range from 0 in steps of 1.
    start @0 :Int64;
    step @1 :Int64;
    name @2 :Text;
    columns @3 :List(Text);
    # If there are any, the index is made of these columns, and what is above means nothing.
  }
}

struct Handle {
  # Codec "handle": an object that stays in the worker.
  number @0 :UInt64;
  # To main: that of one of the message's handles (session.capnp, Message.handles), or of one that main still has. To the worker:
  # of one that it has sent, and that main has not released.
}

struct CustomMetadata {
  # For codecs that bring no schema: any small data, and values that other codecs have encoded.
  value @0 :Value;
  children @1 :List(Payload);
}
