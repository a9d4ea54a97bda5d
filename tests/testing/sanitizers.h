// kSanitized: whether this program runs under AddressSanitizer or ThreadSanitizer, which change how
// much memory and time things take, and how a process dies of a bad access. kThreadSanitized: under
// ThreadSanitizer, which takes threads of libraries that are not built for it for racing.

#ifndef SLABPIPE_TESTS_TESTING_SANITIZERS_H_
#define SLABPIPE_TESTS_TESTING_SANITIZERS_H_

namespace slabpipe::tests {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif
#else
inline constexpr bool kThreadSanitized = false;
#endif

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_SANITIZERS_H_
