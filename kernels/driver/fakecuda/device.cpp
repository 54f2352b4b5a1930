// device.cpp - errors, devices, contexts.
#include <cstring>

#include "fake.h"

namespace fake {
std::recursive_mutex mutex;
thread_local Context *current = nullptr;
static std::set<Context *> contexts;
static thread_local std::string complaint;

int environment(const char *name, long fallback) {
  const char *s = getenv(name);
  return s && *s ? atol(s) : fallback;
}
size_t memory_of_device() {
  const char *s = getenv("FAKECUDA_MEMORY");
  return s && *s ? strtoull(s, nullptr, 10) : 8ull << 30;
}
int capability() { return environment("FAKECUDA_CC", 90); }
size_t memory_in_use(int device) {
  size_t sum = 0;
  for (Context *c : contexts)
    if (c->device == device)
      for (auto &b : c->buffers) sum += b.second;
  return sum;
}
CUresult complain(CUresult code, const std::string &why) {
  fprintf(stderr, "fakecuda: %s\n", why.c_str());
  complaint = why;
  return code;
}
const std::string &last_complaint() { return complaint; }

static void report(Context *c) {
  const char *path = getenv("FAKECUDA_REPORT");
  FILE *f = path && *path ? fopen(path, "a") : nullptr;
  if (!f) return;
  size_t bytes = 0, pinned = 0;
  for (auto &b : c->buffers) bytes += b.second;
  for (auto &b : c->pinned) pinned += b.second;
  fprintf(f, "%zu bytes, %zu pinned bytes, %zu streams, %zu events, %zu modules, %zu graphs\n", bytes, pinned, c->streams.size(), c->events.size(),
          c->modules.size(), c->graphs.size() + c->executables.size());
  fclose(f);
}
static void destroy(Context *c) {
  report(c);
  for (auto &b : c->buffers) emulated::memory_free((void *)b.first);
  for (auto &b : c->pinned) free((void *)b.first);
  contexts.erase(c);
  delete c;
}
}  // namespace fake
using namespace fake;

#pragma GCC visibility push(default)
extern "C" {
CUresult cuGetErrorName(CUresult e, const char **s) {
  switch (e) {
#define NAME(x) case x: *s = #x; return CUDA_SUCCESS;
    NAME(CUDA_SUCCESS) NAME(CUDA_ERROR_INVALID_VALUE) NAME(CUDA_ERROR_OUT_OF_MEMORY) NAME(CUDA_ERROR_NO_DEVICE) NAME(CUDA_ERROR_INVALID_DEVICE)
    NAME(CUDA_ERROR_INVALID_CONTEXT) NAME(CUDA_ERROR_NO_BINARY_FOR_GPU) NAME(CUDA_ERROR_INVALID_PTX) NAME(CUDA_ERROR_INVALID_HANDLE)
    NAME(CUDA_ERROR_NOT_FOUND) NAME(CUDA_ERROR_ILLEGAL_ADDRESS) NAME(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES) NAME(CUDA_ERROR_LAUNCH_FAILED)
    NAME(CUDA_ERROR_NOT_SUPPORTED) NAME(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) NAME(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED)
#undef NAME
    default: *s = "CUDA_ERROR_UNKNOWN"; return CUDA_SUCCESS;
  }
}
CUresult cuGetErrorString(CUresult e, const char **s) {
  switch (e) {
    case CUDA_ERROR_OUT_OF_MEMORY: *s = "out of memory"; return CUDA_SUCCESS;
    case CUDA_ERROR_ILLEGAL_ADDRESS: *s = "an illegal memory access was encountered"; return CUDA_SUCCESS;
    case CUDA_ERROR_LAUNCH_FAILED: *s = "unspecified launch failure"; return CUDA_SUCCESS;
    default: *s = "an error of the fake driver, which told why on standard error"; return CUDA_SUCCESS;
  }
}
CUresult cuInit(unsigned) { return (CUresult)environment("FAKECUDA_INIT", 0); }
CUresult cuDriverGetVersion(int *v) { *v = 12090; return CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *n) { *n = environment("FAKECUDA_DEVICES", 2); return CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *d, int i) {
  *d = i;
  return i < 0 || i >= environment("FAKECUDA_DEVICES", 2) ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *s, int n, CUdevice) { snprintf(s, n, "fakecuda: CPU emulation"); return CUDA_SUCCESS; }
CUresult cuDeviceTotalMem_v2(size_t *n, CUdevice) { *n = memory_of_device(); return CUDA_SUCCESS; }
CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice) {
  switch (a) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *v = capability() / 10; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *v = capability() % 10; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *v = 132; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *v = 32; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *v = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *v = 2048; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *v = 48 << 10; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *v = capability() == 90 ? 232448 : capability() == 80 ? 166912 : 101376; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *v = 50 << 20; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *v = 3201000; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *v = 6144; break;
    default: *v = 0;
  }
  return CUDA_SUCCESS;
}
CUresult cuCtxCreate_v2(CUcontext *c, unsigned, CUdevice d) {
  Lock l(mutex);
  auto *made = new Context;
  made->device = d;
  contexts.insert(made);
  current = made;
  *c = (CUcontext)made;
  return CUDA_SUCCESS;
}
CUresult cuCtxDestroy_v2(CUcontext c) {
  Lock l(mutex);
  if (!contexts.count((Context *)c)) return CUDA_ERROR_INVALID_CONTEXT;
  if (current == (Context *)c) current = nullptr;
  destroy((Context *)c);
  return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext c) {
  Lock l(mutex);
  if (c && !contexts.count((Context *)c)) return CUDA_ERROR_INVALID_CONTEXT;
  current = (Context *)c;
  return CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext *c) { *c = (CUcontext)current; return CUDA_SUCCESS; }
CUresult cuCtxSynchronize(void) { return wait(); }
}
