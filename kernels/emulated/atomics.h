// atomics.h - relaxed, as on the GPU; for the race checker each one sees what a __threadfence published.
#pragma once

namespace emulated {
template <class T, class F> inline T exchange(T *p, F next) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "atomic of another size");
  using U = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  U old = __atomic_load_n((U *)p, __ATOMIC_RELAXED), wanted;
  T value;
  do {
    memcpy(&value, &old, sizeof value);
    T changed = next(value);
    memcpy(&wanted, &changed, sizeof wanted);
  } while (!__atomic_compare_exchange_n((U *)p, &old, wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  acquire(&fence_token);
  memcpy(&value, &old, sizeof value);
  return value;
}
}  // namespace emulated

template <class T> using AtomicValue = std::common_type_t<T>;  // the argument takes the type of the pointer
template <class T> static inline T atomicAdd(T *p, AtomicValue<T> v) { return emulated::exchange(p, [=](T old) { return (T)(old + v); }); }
template <class T> static inline T atomicMax(T *p, AtomicValue<T> v) { return emulated::exchange(p, [=](T old) { return old > v ? old : v; }); }
template <class T> static inline T atomicMin(T *p, AtomicValue<T> v) { return emulated::exchange(p, [=](T old) { return old < v ? old : v; }); }
template <class T> static inline T atomicExch(T *p, AtomicValue<T> v) { return emulated::exchange(p, [=](T) { return v; }); }
template <class T> static inline T atomicCAS(T *p, AtomicValue<T> c, AtomicValue<T> v) { return emulated::exchange(p, [=](T old) { return old == c ? v : old; }); }
static inline unsigned atomicInc(unsigned *p, unsigned limit) { return emulated::exchange(p, [=](unsigned old) { return old >= limit ? 0u : old + 1; }); }
