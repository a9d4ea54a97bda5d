# The metadata of RecordingCodec.

@0xb1f0a4f3c7de2a95;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("seismic");

struct Recording {
  station @0 :Text;
  startNanoseconds @1 :Int64;   # since 1970-01-01T00:00Z
  rateHertz @2 :Float64;
  channels @3 :List(Channel);   # one for each column of the samples
  struct Channel {
    name @0 :Text;
    gain @1 :Float64;
  }
}
