// block.h - a thread block while it runs: threads, warps, barriers and the collectives of a warp.
#pragma once
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <vector>

#include "sanitizers.h"
#include "vector_types.h"

#define CUDA_EMULATED 1

namespace emulated {

constexpr unsigned kMaxThreads = 1024;
#if defined(__aarch64__)
constexpr size_t kStackGuard = 64 << 10;        // unreadable: g++ looks for the end of a stack every so many bytes
#else
constexpr size_t kStackGuard = 4096;
#endif
constexpr size_t kStackBytes = (124 << 10) + kStackGuard;  // of a CUDA thread
constexpr size_t kMaxDynamicShared = 232448;    // 227 KiB, the limit of capability 9.0

struct AsyncCopy {  // one cp.async; carried out when its group is waited for
  void *to;
  const void *from;
  uint32_t bytes, valid;  // the rest is zeroed
};

enum class State : uint8_t { kNew, kStarted, kDone };

struct Thread {
  void *context;  // where its fiber goes on
  char *stack;
  const uint32_t *waits_for;  // blocked until *waits_for != generation; null: not blocked
  uint32_t generation;
  uint3 index;
  uint32_t linear;
  State state;
  bool parked;  // its fiber waits for the next block (ThreadSanitizer only)
  const char *what, *where;  // the operation that blocks it
  std::vector<AsyncCopy> copies;     // issued and not carried out
  std::vector<size_t> group_ends;    // indices into copies
};

struct Slot {  // one collective of a warp under way
  uint32_t mask, arrived, left, generation;
  bool live, complete;
  const char *what, *where;
  uint64_t value[32];
  char token[2];
};

struct Warp {
  Slot slot[34];  // a lane is in one at a time: 33 can be live
  uint32_t exited, live;
};

struct Barrier {
  uint32_t generation = 0, count = 0;
  const char *where = nullptr;
  int votes[2] = {0, 0};
  char token[2];
};

struct Block {
  std::vector<Thread> threads;
  std::vector<uint32_t> order;   // the order in which threads get their first turn
  std::vector<char *> stacks;    // free ones
  Warp *warps;
  Barrier sync;
  uint32_t n = 0, alive = 0, started = 0, turn = 0;
  void *home = nullptr;          // the context that runs the block
  char *dynamic = nullptr;       // dynamic shared memory
  size_t dynamic_bytes = 0;
  char *shared = nullptr;        // static shared memory of this OS thread
  size_t shared_bytes = 0;
  char *dynamic_map = nullptr, *dynamic_end = nullptr;
  void (*kernel)(const uint64_t *) = nullptr;
  const char *name = "";         // the kernel's
  const uint64_t *slots = nullptr;
  bool failed = false;
  int code = 0;                  // Result's
  char message[512];
  uint3 failed_thread;
  uintptr_t fault_address = 0, fault_pc = 0;
  char start_token, end_token;
  // what the sanitizers want to know
  void *fibers[kMaxThreads];
  uint32_t fiber_count = 0;
  void *home_fiber = nullptr;
  const void *home_stack = nullptr;
  size_t home_stack_bytes = 0;
  bool entered = false;
};

// __thread, not thread_local: no initialisation check at each access.  A library that is loaded while a program runs
// gets no place in the static block, which initial-exec is about.
#if defined(EMULATED_LIBRARY)
#define EMULATED_TLS __thread
#else
#define EMULATED_TLS __thread __attribute__((tls_model("initial-exec")))
#endif
extern EMULATED_TLS Block *block;
extern EMULATED_TLS Thread *self;
extern EMULATED_TLS uint3 block_index, block_size, grid_size;
extern char fence_token;

void switch_to_next();  // lets another thread run; returns when this one can go on
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

inline int lane() { return self->linear & 31; }
inline bool same_place(const char *a, const char *b) { return a == b || strcmp(a, b) == 0; }

inline void wait_for(const uint32_t *generation, const char *what, const char *where) {
  Thread *t = self;
  t->waits_for = generation;
  t->generation = *generation;
  t->what = what;
  t->where = where;
  release(&block->end_token);  // in case it never comes back
  switch_to_next();
  t->waits_for = nullptr;
}

// barrier: all living threads of the block arrive at one place.
enum class Vote { kCount, kAnd, kOr };
int barrier(int predicate, const char *where, Vote vote);

// arrive: every lane of mask leaves a value; the last one to come runs `last`, if there is one, over the slot, and all
// read from it afterwards.  orders: is it a memory barrier, too?  Only __syncwarp is one.
Slot *arrive(uint32_t mask, uint64_t value, const char *where, const char *what, bool orders, void (*last)(Slot *));
void leave(Slot *s);

template <class T> inline T shuffle(uint32_t mask, T v, int source, const char *where, const char *what, bool inside) {
  static_assert(sizeof(T) <= 8, "shuffle of a type over 8 bytes");
  Quiet quiet;
  uint64_t bits = 0;
  memcpy(&bits, &v, sizeof(T));
  Slot *s = arrive(mask, bits, where, what, false, nullptr);
  T result = v;
  if (inside) {
    if (!(s->arrived >> source & 1)) fail("%s at %s reads lane %d, which takes no part", what, where, source);
    memcpy(&result, &s->value[source], sizeof(T));
  }
  leave(s);
  return result;
}
template <class T> inline T shuffle_index(const char *where, uint32_t mask, T v, int source, int width = 32) {
  return shuffle(mask, v, (lane() & ~(width - 1)) + (source & (width - 1)), where, "__shfl_sync", true);
}
template <class T> inline T shuffle_xor(const char *where, uint32_t mask, T v, int x, int width = 32) {
  int source = lane() ^ x;
  return shuffle(mask, v, source & 31, where, "__shfl_xor_sync", source < (lane() & ~(width - 1)) + width);
}
template <class T> inline T shuffle_down(const char *where, uint32_t mask, T v, int delta, int width = 32) {
  int source = lane() + delta;
  return shuffle(mask, v, source & 31, where, "__shfl_down_sync", source < (lane() & ~(width - 1)) + width);
}
template <class T> inline T shuffle_up(const char *where, uint32_t mask, T v, int delta, int width = 32) {
  int source = lane() - delta;
  return shuffle(mask, v, source & 31, where, "__shfl_up_sync", source >= (lane() & ~(width - 1)));
}
uint32_t ballot(uint32_t mask, int predicate, const char *where, const char *what);
struct SyncWarp {
  const char *where;
  void operator()(uint32_t mask = 0xffffffffu) const {
    Quiet quiet;
    leave(arrive(mask, 0, where, "__syncwarp", true, nullptr));
  }
};
inline void fence() {
  __sync_synchronize();  // std::atomic_thread_fence is unknown to ThreadSanitizer
  acquire(&fence_token);
  release(&fence_token);
}

// kernels by name ----------------------------------------------------------------
struct Kernel {
  const char *name;
  char parameters[128];  // "p8 p8 i4 f4": pointer, integer or floating point, with its size
  int count;
  void (*run)(const uint64_t *slots);  // one slot of 8 bytes for each parameter
  Kernel *next;
};
void add_kernel(Kernel *);
const Kernel *find_kernel(const char *name);

template <class T> inline T from_slot(const uint64_t *&slot) {
  static_assert(sizeof(T) <= 8, "a kernel's parameter has over 8 bytes");
  T v;
  memcpy(&v, slot++, sizeof v);
  return v;
}
template <class... P> inline void call(void (*kernel)(P...), const uint64_t *slots) {
  struct Call {  // braces fix the order of evaluation, parentheses do not
    Call(void (*kernel)(P...), P... p) { kernel(p...); }
  } run{kernel, from_slot<P>(slots)...};
  (void)run;
}

struct Registration {
  Kernel kernel;
  template <class... P> Registration(const char *name, void (*)(P...), void (*run)(const uint64_t *)) : kernel{name, "", 0, run, nullptr} {
    (append<P>(), ...);
    add_kernel(&kernel);
  }
  template <class T> void append() {
    char *end = kernel.parameters + strlen(kernel.parameters);
    if (kernel.count++) *end++ = ' ';
    *end++ = std::is_pointer_v<T> ? 'p' : std::is_floating_point_v<T> ? 'f' : 'i';
    *end++ = '0' + sizeof(T);
    *end = 0;
  }
};
}  // namespace emulated
