# What the worker of the Cap'n Proto peer offers.

@0xb7d2f0a65c1e9843;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("slabpipe::bench::schemas");

interface Bench {
  small @0 (request :Data) -> (answer :Data);
  send @1 (x :Data, touched :Bool) -> (seen :Float64);
  echo @2 (x :Data, touched :Bool) -> (x :Data, seen :Float64);
  fetch @3 (elements :UInt64, tag :Float64) -> (x :Data);
  sendMany @4 (arrays :List(Data), touched :Bool) -> (seen :Float64);
}
