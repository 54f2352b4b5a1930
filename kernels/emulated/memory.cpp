#include "memory.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>

#include <sys/mman.h>

#include "sanitizers.h"

namespace emulated {
namespace {

struct Allocation {
  char *map;
  size_t map_bytes, bytes;
};
std::mutex &guard() {
  static std::mutex m;
  return m;
}
std::map<uintptr_t, Allocation> &allocations() {
  static auto *all = new std::map<uintptr_t, Allocation>;
  return *all;
}

// the buffer with the largest start at or below p; needs the lock
const std::pair<const uintptr_t, Allocation> *below(uintptr_t p) {
  auto it = allocations().upper_bound(p);
  return it == allocations().begin() ? nullptr : &*--it;
}

std::string count(size_t n, const char *relation, size_t bytes) {
  char s[120];
  snprintf(s, sizeof s, "%zu bytes %s a buffer of %zu bytes", n, relation, bytes);
  return s;
}

std::string check(uintptr_t start, const Allocation &a) {
#if !defined(__SANITIZE_ADDRESS__)  // there these bytes are poisoned
  auto *base = (const unsigned char *)start, *first = (const unsigned char *)a.map + kGuard, *end = base + a.bytes;
  for (const unsigned char *p = end; (uintptr_t)p & 15; p++)
    if (*p != kCanary) return "a write " + count(p - end, "past the end of", a.bytes);
  for (const unsigned char *p = base; p > first && p > base - 64;)
    if (*--p != kCanary) return "a write " + count(base - p, "before", a.bytes);
#else
  (void)start, (void)a;
#endif
  return "";
}
}  // namespace

char *map_pages(size_t n) {
  void *p = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : (char *)p;
}

void *memory_allocate(size_t n) {
  size_t body = ((n ? n : 1) + 15) & ~size_t(15), pages = (body + kPage - 1) & ~(kPage - 1), total = pages + 2 * kGuard;
  char *map = map_pages(total);
  if (!map) return nullptr;
  if (mprotect(map, kGuard, PROT_NONE) || mprotect(map + kGuard + pages, kGuard, PROT_NONE)) {
    munmap(map, total);
    return nullptr;
  }
  char *first = map + kGuard, *base = first + pages - body;
  memset(first, kCanary, base - first);
  memset(base, 0xff, n);
  memset(base + n, kCanary, body - n);
  mark_undefined(base, n);
  poison(first, base - first);
  poison(base + n, body - n);
  std::lock_guard<std::mutex> lock(guard());
  allocations()[(uintptr_t)base] = {map, total, n};
  return base;
}

bool memory_free(void *p) {
  std::lock_guard<std::mutex> lock(guard());
  auto it = allocations().find((uintptr_t)p);
  if (it == allocations().end()) return false;
  unpoison(it->second.map, it->second.map_bytes);
  munmap(it->second.map, it->second.map_bytes);
  allocations().erase(it);
  return true;
}

bool memory_inside(uintptr_t p, size_t n) {
  std::lock_guard<std::mutex> lock(guard());
  auto *a = below(p);
  return a && p - a->first <= a->second.bytes && n <= a->second.bytes - (p - a->first);
}

size_t memory_live() {
  std::lock_guard<std::mutex> lock(guard());
  size_t sum = 0;
  for (auto &a : allocations()) sum += a.second.bytes;
  return sum;
}

std::string memory_check(uintptr_t p) {
  std::lock_guard<std::mutex> lock(guard());
  auto *a = below(p);
  return a && p - a->first <= a->second.bytes ? check(a->first, a->second) : "";
}

std::string memory_check_all() {
  std::lock_guard<std::mutex> lock(guard());
  for (auto &a : allocations())
    if (auto found = check(a.first, a.second); !found.empty()) return found;
  return "";
}

std::string memory_describe(uintptr_t address) {
  std::lock_guard<std::mutex> lock(guard());
  for (auto &[start, a] : allocations()) {
    if (address < (uintptr_t)a.map || address >= (uintptr_t)a.map + a.map_bytes) continue;
    return address < start ? count(start - address, "before", a.bytes) : count(address - start - a.bytes, "past the end of", a.bytes);
  }
  return address < kPage ? "near the null pointer" : "in no buffer";
}
}  // namespace emulated
