#include "bridge.h"

#include <cstdio>

#include "emulate.h"
#include "memory.h"
#include "runtime.h"

namespace {
void set(unsigned *to, uint3 v) { to[0] = v.x, to[1] = v.y, to[2] = v.z; }
}  // namespace

extern "C" {
uintptr_t emulated_allocate(size_t n) { return (uintptr_t)emulated::memory_allocate(n); }
int emulated_free(uintptr_t p) { return emulated::memory_free((void *)p); }
size_t emulated_live(void) { return emulated::memory_live(); }
int emulated_inside(uintptr_t p, size_t n) { return emulated::memory_inside(p, n); }
void emulated_copy(uintptr_t to, uintptr_t from, size_t n) { memmove((void *)to, (const void *)from, n); }
void emulated_zero(uintptr_t p, size_t n) { memset((void *)p, 0, n); }
uint64_t emulated_switches(void) { return emulated::switches; }
uint16_t emulated_float_to_half(float f) { return emulated::float_to_half(f); }
float emulated_half_to_float(uint16_t h) { return emulated::half_to_float(h); }
float emulated_exp2(float x) { return exp2_approx(x); }
float emulated_log2(float x) { return log2_approx(x); }

void emulated_check(emulated_result_t *result) {
  std::string found = emulated::memory_check_all();
  result->code = found.empty() ? 0 : emulated::kIllegalAddress;
  snprintf(result->message, sizeof result->message, "%s", found.c_str());
}

const char *emulated_parameters(const char *kernel) {
  auto *k = emulated::find_kernel(kernel);
  return k ? k->parameters : nullptr;
}

void emulated_launch(const char *kernel, const emulated_launch_t *l, const uint64_t *slots, emulated_result_t *result) {
  emulated::Result r{emulated::kBadValue, "no kernel of this name is compiled in", false, {}, {}};
  if (auto *k = emulated::find_kernel(kernel))
    r = emulated::run_grid(*k, dim3(l->grid[0], l->grid[1], l->grid[2]), dim3(l->block[0], l->block[1], l->block[2]), l->shared, slots,
                           {l->order, l->seed, l->workers});
  result->code = r.code;
  result->located = r.located;
  set(result->block, r.block);
  set(result->thread, r.thread);
  snprintf(result->message, sizeof result->message, "%s", r.message.c_str());
}
}
