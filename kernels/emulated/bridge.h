// bridge.h - what Go calls; plain C for cgo.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int order, workers;
  uint64_t seed;
  unsigned grid[3], block[3];
  size_t shared;
} emulated_launch_t;

typedef struct {
  int code;        // 0: good; the driver's numbers otherwise
  int located;     // are block and thread known?
  unsigned block[3], thread[3];
  char message[512];
} emulated_result_t;

uintptr_t emulated_allocate(size_t n);  // 0: no memory left
int emulated_free(uintptr_t p);
size_t emulated_live(void);
int emulated_inside(uintptr_t p, size_t n);
void emulated_copy(uintptr_t to, uintptr_t from, size_t n);
void emulated_zero(uintptr_t p, size_t n);
void emulated_check(emulated_result_t *result);  // looks for writes around all buffers
uint64_t emulated_switches(void);
const char *emulated_parameters(const char *kernel);  // "p8 p8 i4 f4"; null: no such kernel
void emulated_launch(const char *kernel, const emulated_launch_t *launch, const uint64_t *slots, emulated_result_t *result);
uint16_t emulated_float_to_half(float f);
float emulated_half_to_float(uint16_t h);
float emulated_exp2(float x);
float emulated_log2(float x);

#ifdef __cplusplus
}
#endif
