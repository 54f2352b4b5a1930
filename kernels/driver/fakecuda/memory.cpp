// memory.cpp - device memory, pinned host memory, copies.
#include <algorithm>
#include <cstring>

#include "fake.h"

namespace fake {
static bool within(const std::map<uintptr_t, size_t> &ranges, uintptr_t p, size_t n) {
  auto it = ranges.upper_bound(p);
  if (it == ranges.begin()) return false;
  --it;
  return p - it->first <= it->second && n <= it->second - (p - it->first);
}
bool inside(CUdeviceptr p, size_t n) { return within(current->buffers, p, n); }
static bool is_pinned(const void *p, size_t n) { return within(current->pinned, (uintptr_t)p, n); }
static CUresult outside(const char *what) { return complain(CUDA_ERROR_INVALID_VALUE, std::string(what) + ": not inside one device buffer"); }
}  // namespace fake
using namespace fake;

#pragma GCC visibility push(default)
extern "C" {
CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  NEED_CONTEXT;
  size_t used = memory_in_use(current->device);
  *total = memory_of_device();
  *free_bytes = *total > used ? *total - used : 0;
  return current->sticky;
}
CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t n) {
  NEED_CONTEXT;
  if (current->sticky) return current->sticky;
  if (!n) return CUDA_ERROR_INVALID_VALUE;
  size_t used = memory_in_use(current->device), total = memory_of_device();
  if (used > total || n > total - used) return CUDA_ERROR_OUT_OF_MEMORY;
  void *m = emulated::memory_allocate(n);
  if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
  current->buffers[(uintptr_t)m] = n;
  *p = (CUdeviceptr)m;
  return CUDA_SUCCESS;
}
CUresult cuMemFree_v2(CUdeviceptr p) {
  NEED_CONTEXT;
  CUresult r = flush();
  if (!current->buffers.erase(p)) return complain(CUDA_ERROR_INVALID_VALUE, "cuMemFree of something that is no buffer");
  emulated::memory_free((void *)p);
  return r;
}
CUresult cuMemHostAlloc(void **p, size_t n, unsigned) {
  NEED_CONTEXT;
  if (posix_memalign(p, 4096, n)) return CUDA_ERROR_OUT_OF_MEMORY;
  current->pinned[(uintptr_t)*p] = n;
  return CUDA_SUCCESS;
}
CUresult cuMemFreeHost(void *p) {
  NEED_CONTEXT;
  flush();
  if (!current->pinned.erase((uintptr_t)p)) return CUDA_ERROR_INVALID_VALUE;
  free(p);
  return CUDA_SUCCESS;
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr d, const void *s, size_t n, CUstream q) {
  NEED_CONTEXT;
  if (!inside(d, n)) return outside("copy to the device");
  if (is_pinned(s, n)) return submit(q, [=] { memcpy((void *)d, s, n); return CUDA_SUCCESS; });
  auto copy = std::make_shared<std::vector<char>>((const char *)s, (const char *)s + n);  // pageable memory is staged before the call returns
  return submit(q, [=] { memcpy((void *)d, copy->data(), n); return CUDA_SUCCESS; });
}
CUresult cuMemcpyDtoHAsync_v2(void *d, CUdeviceptr s, size_t n, CUstream q) {
  NEED_CONTEXT;
  if (!inside(s, n)) return outside("copy to the host");
  CUresult r = submit(q, [=] { memcpy(d, (void *)s, n); return CUDA_SUCCESS; });
  return r || stream_of(q)->capture || is_pinned(d, n) ? r : flush();  // into pageable memory the call waits
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr d, CUdeviceptr s, size_t n, CUstream q) {
  NEED_CONTEXT;
  if (!inside(s, n) || !inside(d, n)) return outside("copy on the device");
  return submit(q, [=] { memmove((void *)d, (void *)s, n); return CUDA_SUCCESS; });
}
CUresult cuMemsetD8Async(CUdeviceptr d, unsigned char v, size_t n, CUstream q) {
  NEED_CONTEXT;
  if (!inside(d, n)) return outside("memset");
  return submit(q, [=] { memset((void *)d, v, n); return CUDA_SUCCESS; });
}
}
