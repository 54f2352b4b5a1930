// memory.h - device memory: buffers outside any heap, between unreadable pages, that start as NaN.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace emulated {

constexpr size_t kPage = 4096;
constexpr size_t kGuard = 64 << 10;       // unreadable bytes on both sides of a buffer
constexpr unsigned char kCanary = 0xa5;   // in the readable bytes around a buffer

// A buffer of n bytes whose end is followed by an unreadable page, at most 15 bytes later; filled with 0xff, which is
// NaN in every floating-point format.  Null: the host has no memory left.
void *memory_allocate(size_t n);
bool memory_free(void *p);                      // false: p is no buffer
bool memory_inside(uintptr_t p, size_t n);      // does [p, p+n) lie in one live buffer?
size_t memory_live();                           // bytes in live buffers
std::string memory_check(uintptr_t p);          // names a write into the canaries of the buffer that holds p
std::string memory_check_all();
std::string memory_describe(uintptr_t address); // "4 bytes past the end of a buffer of 12 bytes"

char *map_pages(size_t n);  // readable and writable, zero; null: none left
}  // namespace emulated
