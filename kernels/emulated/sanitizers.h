// sanitizers.h - what the runtime tells ThreadSanitizer, AddressSanitizer and valgrind; empty in a plain build.
#pragma once
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char *, int);
void AnnotateIgnoreReadsEnd(const char *, int);
void AnnotateIgnoreWritesBegin(const char *, int);
void AnnotateIgnoreWritesEnd(const char *, int);
void __tsan_read_range(void *, unsigned long);
void __tsan_write_range(void *, unsigned long);
}
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#if defined(EMULATED_VALGRIND)
#include <valgrind/memcheck.h>
#endif

namespace emulated {

// With ThreadSanitizer every CUDA thread is a fiber of its own.  Switching orders nothing; release and acquire of a
// token do, at barriers, __syncwarp and __threadfence.  Quiet hides the runtime's own memory traffic.
#if defined(__SANITIZE_THREAD__)
inline void quiet_end() {
  AnnotateIgnoreWritesEnd("", 0);
  AnnotateIgnoreReadsEnd("", 0);
}
struct Quiet {
  Quiet() {
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
  }
  ~Quiet() { quiet_end(); }
};
inline void release(void *token) { __tsan_release(token); }
inline void acquire(void *token) { __tsan_acquire(token); }
inline void mark_read(const void *p, size_t n) { __tsan_read_range((void *)p, n); }
inline void mark_write(void *p, size_t n) { __tsan_write_range(p, n); }
#else
struct Quiet {
  Quiet() {}
  ~Quiet() {}
};
inline void release(void *) {}
inline void acquire(void *) {}
inline void mark_read(const void *, size_t) {}
inline void mark_write(void *, size_t) {}
#endif

inline void poison(const void *p, size_t n) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(p, n);
#endif
  (void)p, (void)n;
}
inline void unpoison(const void *p, size_t n) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(p, n);
#endif
  (void)p, (void)n;
}
inline void mark_undefined(void *p, size_t n) {
#if defined(EMULATED_VALGRIND)
  VALGRIND_MAKE_MEM_UNDEFINED(p, n);
#endif
  (void)p, (void)n;
}
}  // namespace emulated
