// Binding: how a C++ type enters the registry, and how it comes out.
//
// Codecs are few; C++ types are many. A binding maps a type to the *model* that a codec handles, at
// compile time:
//
//   C++ type                                                  model          codec
//   bool, integers, enums, float, double, std::string
//     (to be sent, also string_view and char*), Bytes,
//     Value, ValueList, ValueMap                              Value          value
//   NdArray<T>, AnyNdArray; std::vector, std::array (and,
//     to be sent, absl::Span) of array elements               AnyNdArray     ndarray
//   std::vector, std::array, std::pair, std::tuple of
//     anything else                                           SequenceRef    sequence
//   std::map, std::unordered_map, Abseil's maps; keys are
//     bools, integers, enums, std::string, Bytes              MapRef         map
//   std::variant; std::monostate is a Value of nothing        VariantRef     variant
//   structs with fields declared (record.h)                   RecordRef      record
//   Handle<T>, std::shared_ptr<T>: an object that stays in
//     the worker (handle.h)                                   Handle<>       handle
//   std::optional<T>                                          T's, or a Value of nothing
//   Object                                                    that of the value in it
//   any other T                                               T itself       one of the user's own
//
// and back: session.Call<T> asks the codec for an Object and the binding for a T. What is decoded
// owns its bytes by itself (a number, an array), or it may point into them (a type of the user's
// own): then it comes as Leased<T>.
//
// A codec that is registered for exactly such a type - for std::vector<std::string>, or for a
// record - goes before its binding (not for numbers, strings, Values and arrays: give the registry
// another codec for Value or AnyNdArray instead, with AddFirst). What it decodes must own its bytes
// if the table's type does.
//
// Views (NdArray, a codec's Leased<T>) cost nothing to receive. Containers that own what they hold
// are copies, as many as the peer says: it may name one large block for each item of a list. Of a
// worker that is not trusted with main's memory, ask for views.
//
// What is asked for is what was sent, with three exceptions, which keep their meaning: numbers as
// Value::As converts them, a ValueList for a list and a ValueMap for a map, and the reverse.

#ifndef SLABPIPE_CODEC_BINDING_H_
#define SLABPIPE_CODEC_BINDING_H_

// The bindings of single values, and those of values made of others: all, or what they mean would
// depend on what a file includes.
#include "slabpipe/codec/composite_binding.h"
#include "slabpipe/codec/handle_binding.h"
#include "slabpipe/codec/simple_binding.h"

#endif  // SLABPIPE_CODEC_BINDING_H_
