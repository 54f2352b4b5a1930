// schedule.cpp - one block on one OS thread: its CUDA threads take turns, each running until it has to wait.
#include <cstdio>
#include <cstdlib>
#include <map>

#include <link.h>
#include <sys/mman.h>

#include "memory.h"
#include "runtime.h"
#if defined(EMULATED_VALGRIND)
#include <valgrind/valgrind.h>
#endif

extern char __start_emulated_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_emulated_shared[] __attribute__((weak, visibility("hidden")));

namespace emulated {

EMULATED_TLS Block *block;
EMULATED_TLS Thread *self;
EMULATED_TLS uint3 block_index, block_size, grid_size;
char fence_token;

namespace {

void switch_to(void **save, void *to, const void *stack, size_t stack_bytes, void *fiber, bool dying) {
  (void)stack, (void)stack_bytes, (void)fiber, (void)dying;
#if defined(__SANITIZE_ADDRESS__)
  void *fake = nullptr;
  __sanitizer_start_switch_fiber(dying ? nullptr : &fake, stack, stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
#endif
  swap_context(save, to);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void *fiber_of(Block *b, Thread *t) {
#if defined(__SANITIZE_THREAD__)
  return b->fibers[t->linear];
#else
  (void)b, (void)t;
  return nullptr;
#endif
}

__thread uint64_t turns;  // of this OS thread

void go(Thread *from, Thread *to) {
  Block *b = block;
  self = to;
  switch_to(&from->context, to->context, to->stack + kStackGuard, kStackBytes - kStackGuard, fiber_of(b, to), from->state == State::kDone);
}

char *take_stack(Block *b) {
  if (!b->stacks.empty()) {
    char *p = b->stacks.back();
    b->stacks.pop_back();
    return p;
  }
  char *p = map_pages(kStackBytes);
  if (!p || mprotect(p, kStackGuard, PROT_NONE)) fail("the host has no memory left for the stack of a CUDA thread");
#if defined(EMULATED_VALGRIND)
  VALGRIND_STACK_REGISTER(p, p + kStackBytes);
#endif
  return p;
}

void entry();

void start(Block *b, Thread *t) {
  t->state = State::kStarted;
  if (t->parked) return;  // in entry, on a stack of its own
  if (!t->stack) t->stack = take_stack(b);
  unpoison(t->stack + kStackGuard, kStackBytes - kStackGuard);  // its last user may have been abandoned
  t->context = new_context(t->stack + kStackBytes, entry);
}

bool ready(const Thread &t) { return t.state == State::kStarted && (!t.waits_for || *t.waits_for != t.generation); }

// "deadlock: 100 threads, first (0,0,0), wait for a barrier at gemm.cu:12; …"
std::string deadlock_text(Block *b) {
  struct Group {
    Thread *first;
    int n;
  };
  std::map<std::pair<std::string, std::string>, Group> groups;
  unsigned done = 0;
  for (uint32_t i = 0; i < b->n; i++) {
    Thread &t = b->threads[i];
    if (t.state == State::kDone) done++;
    if (t.state != State::kStarted) continue;
    Group &g = groups[{t.where ? t.where : "?", t.what ? t.what : "?"}];
    if (!g.n++) g.first = &t;
  }
  std::string text = "deadlock: ";
  char line[300];
  for (auto &[key, g] : groups) {
    uint3 t = g.first->index;
    snprintf(line, sizeof line, "%d threads, first (%u,%u,%u), wait for %s at %s; ", g.n, t.x, t.y, t.z, key.second.c_str(), key.first.c_str());
    text += line;
  }
  snprintf(line, sizeof line, "%u of %u threads have ended", done, b->n);
  return text + line;
}

void deadlock() {
  char text[sizeof block->message];  // fail does not come back to destroy a string
  snprintf(text, sizeof text, "%s", deadlock_text(block).c_str());
  fail("%s", text);
}

// valgrind names functions and lines; which CUDA thread that was shows when its turn ends
void attribute_reports() {
#if defined(EMULATED_VALGRIND)
  static std::atomic<unsigned> seen{0};
  unsigned now = VALGRIND_COUNT_ERRORS;
  if (seen.exchange(now) != now) fprintf(stderr, "that was %s\n", place().c_str());
#endif
}

// a thread has run to its end: whoever waits only for it can go on
void finish(Thread *t) {
  Block *b = block;
  attribute_reports();
  t->state = State::kDone;
  b->alive--;
  t->copies.clear();
  t->group_ends.clear();
  Warp &w = b->warps[t->linear >> 5];
  w.exited |= 1u << (t->linear & 31);
  if (w.live)
    for (Slot &s : w.slot)
      if (s.live && !s.complete && ((s.arrived | w.exited) & s.mask) == s.mask) {
        s.complete = true;
        s.generation++;
      }
  Barrier &bar = b->sync;
  if (bar.count && bar.count >= b->alive) {
    bar.count = 0;
    bar.generation++;
  }
  release(&b->end_token);
}

#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize_thread, noinline)) void enter_fiber() { acquire(&block->start_token); }

// entry for ThreadSanitizer: a fiber runs one thread of every block and waits in between, so that its calls and Quiets
// end as they began.
void entry() {
  for (;;) {
    enter_fiber();
    block->kernel(block->slots);
    Quiet quiet;
    Block *b = block;
    Thread *t = self;
    finish(t);
    t->parked = true;
    if (b->alive == 0) {
      release(&b->end_token);
      switch_to(&t->context, b->home, nullptr, 0, b->home_fiber, false);
    } else {
      switch_to_next();
    }
  }
}
#else
// entry runs on a fresh stack: one thread to its end, then, as long as none of them has to wait, the next ones.
void entry() {
#if defined(__SANITIZE_ADDRESS__)
  const void *bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (!block->entered) {
    block->home_stack = bottom;
    block->home_stack_bytes = bytes;
    block->entered = true;
  }
#endif
  for (;;) {
    block->kernel(block->slots);
    Block *b = block;
    Thread *t = self;
    finish(t);
    if (b->alive == 0) return_home();
    if (b->started < b->n) {  // the next thread takes over this very stack
      b->turn = b->started;
      Thread *next = &b->threads[b->order[b->started++]];
      next->stack = t->stack;
      t->stack = nullptr;
      next->state = State::kStarted;
      self = next;
      continue;
    }
    switch_to_next();  // does not come back
  }
}
#endif

int find_shared(dl_phdr_info *info, size_t, void *out) {
  auto *b = (Block *)out;
  for (int k = 0; k < info->dlpi_phnum; k++) {
    auto &p = info->dlpi_phdr[k];
    uintptr_t image = info->dlpi_addr + p.p_vaddr, section = (uintptr_t)__start_emulated_shared;
    if (p.p_type != PT_TLS || section < image || section >= image + p.p_memsz || !info->dlpi_tls_data) continue;
    b->shared = (char *)info->dlpi_tls_data + (section - image);
    b->shared_bytes = __stop_emulated_shared - __start_emulated_shared;
    return 1;
  }
  return 0;
}

void set_order(Block *b, const Settings &s, uint64_t index) {
  uint32_t n = b->n;
  for (uint32_t i = 0; i < n; i++) b->order[i] = s.order == kReverse ? n - 1 - i : i;
  if (s.order != kRandom) return;
  uint64_t r = (s.seed + 1) * 0x9e3779b97f4a7c15ull + index * 0xbf58476d1ce4e5b9ull + 1;
  for (uint32_t i = n - 1; i > 0; i--) {
    r ^= r << 13;
    r ^= r >> 7;
    r ^= r << 17;
    std::swap(b->order[i], b->order[r % (i + 1)]);
  }
}

void set_threads(Block *b, dim3 size) {
  uint32_t n = size.x * size.y * size.z;
  if (b->threads.size() < n) b->threads.resize(n), b->order.resize(n);
  b->n = b->alive = n;
  b->started = b->turn = 0;
  uint32_t x = 0, y = 0, z = 0;
  for (uint32_t i = 0; i < n; i++) {
    Thread &t = b->threads[i];
    t.index = {x, y, z};
    t.linear = i;
    t.state = State::kNew;
    t.waits_for = nullptr;
    t.what = nullptr;
    if (++x == size.x) {
      x = 0;
      if (++y == size.y) y = 0, z++;
    }
  }
  for (uint32_t w = 0; w < (n + 31) / 32; w++) {
    uint32_t lanes = n - w * 32;
    b->warps[w].exited = lanes >= 32 ? 0 : ~0u << lanes;
    if (b->warps[w].live)
      for (Slot &s : b->warps[w].slot) s.live = false;
    b->warps[w].live = 0;
  }
  b->sync.count = 0;
}

// Shared memory starts as NaN: reading what nobody wrote shows.  Its end, at most 127 bytes of canaries later, is
// followed by an unreadable page.
size_t set_shared(Block *b, size_t dynamic_shared) {
  size_t slack = (128 - dynamic_shared % 128) % 128;
  b->dynamic_bytes = dynamic_shared;
  b->dynamic = b->dynamic_end - dynamic_shared - slack;
  memset(b->dynamic, 0xff, dynamic_shared);
  memset(b->dynamic + dynamic_shared, kCanary, slack);
  poison(b->dynamic + dynamic_shared, slack);
  mark_undefined(b->dynamic, dynamic_shared);
  if (b->shared) {
    memset(b->shared, 0xff, b->shared_bytes);
    mark_undefined(b->shared, b->shared_bytes);
  }
  return slack;
}

void check_slack(Block *b, size_t slack) {
  unpoison(b->dynamic + b->dynamic_bytes, slack);
  for (size_t i = 0; !b->failed && i < slack; i++)
    if ((unsigned char)b->dynamic[b->dynamic_bytes + i] != kCanary) {
      b->failed = true;
      b->code = kIllegalAddress;
      b->failed_thread = {~0u, 0, 0};  // not known
      snprintf(b->message, sizeof b->message, "a write %zu bytes past the end of dynamic shared memory", i);
    }
}

// Gives the stacks back.  Those of a failed block are abandoned in the middle of something, which is all right; what
// ThreadSanitizer knows of them is not to be used again, so there all fibers are made anew.
void recycle(Block *b) {
  for (Thread &t : b->threads) {
#if defined(__SANITIZE_THREAD__)
    if (b->failed) t.stack = nullptr, t.parked = false;
#else
    if (t.stack) b->stacks.push_back(t.stack);
    t.stack = nullptr;
#endif
    if (b->failed) t.copies.clear(), t.group_ends.clear();
  }
  if (b->failed) b->fiber_count = 0;
}
}  // namespace

std::atomic<uint64_t> switches{0};

void return_home() {
  Block *b = block;
  void *abandoned, *home = b->home, *fiber = b->home_fiber;
  const void *stack = b->home_stack;
  size_t bytes = b->home_stack_bytes;
  release(&b->end_token);  // the block is touched only in front of this
  switch_to(&abandoned, home, stack, bytes, fiber, true);
  abort();
}

void fail(const char *format, ...) {
  Block *b = block;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(b->message, sizeof b->message, format, arguments);
  va_end(arguments);
  b->failed = true;
  b->code = kFailed;
  b->failed_thread = self->index;
  return_home();
}

void switch_to_next() {
  attribute_reports();
  Block *b = block;
  Thread *me = self;
  turns++;
  if (b->started < b->n) {
    b->turn = b->started;
    Thread *t = &b->threads[b->order[b->started++]];
    start(b, t);
    go(me, t);
    return;
  }
  for (uint32_t k = 0, i = b->turn; k < b->n; k++) {
    if (++i >= b->n) i = 0;
    Thread *t = &b->threads[b->order[i]];
    if (!ready(*t)) continue;
    b->turn = i;
    if (t != me) go(me, t);
    return;
  }
  deadlock();
}

Block *new_block() {
  auto *b = new Block;
  b->warps = (Warp *)calloc(kMaxThreads / 32, sizeof(Warp));
  size_t body = (kMaxDynamicShared + kPage - 1) & ~(kPage - 1);
  b->dynamic_map = map_pages(body + 2 * kPage);
  if (!b->warps || !b->dynamic_map || mprotect(b->dynamic_map, kPage, PROT_NONE) || mprotect(b->dynamic_map + kPage + body, kPage, PROT_NONE)) {
    free(b->warps);
    delete b;
    return nullptr;
  }
  b->dynamic_end = b->dynamic_map + kPage + body;
  if (__start_emulated_shared) dl_iterate_phdr(find_shared, b);
  return b;
}

void run_block(Block *b, dim3 size, size_t dynamic_shared, const Settings &settings, uint64_t index) {
  block = b;
  b->failed = b->entered = false;
  set_threads(b, size);
  set_order(b, settings, index);
  size_t slack = set_shared(b, dynamic_shared);
#if defined(__SANITIZE_THREAD__)
  b->home_fiber = __tsan_get_current_fiber();
  for (; b->fiber_count < b->n; b->fiber_count++)  // here, since the creator is ordered before the new fiber
    b->fibers[b->fiber_count] = __tsan_create_fiber(0);
#endif
  uint64_t before = turns;
  Thread *first = &b->threads[b->order[b->started++]];
  self = first;
  start(b, first);
  release(&b->start_token);
  switch_to(&b->home, first->context, first->stack + kStackGuard, kStackBytes - kStackGuard, fiber_of(b, first), false);
  acquire(&b->end_token);
  switches += turns - before;
  self = nullptr;
  check_slack(b, slack);
  recycle(b);
}
}  // namespace emulated
