// emulate.h - CUDA C++ as C++17 for the CPU: every CUDA thread of a block is a fiber with a small stack of its own, a
// block runs on one OS thread, blocks are spread over several.  Included by kernels/cuda/device.h.
//
// What is checked: barriers and warp collectives that not all threads reach or that meet in different places, wrong
// masks, misaligned cp.async and ldmatrix, reads of shared memory that nobody wrote (it starts as NaN), accesses past
// buffers and dynamic shared memory (unreadable pages); with -fsanitize=thread also races between CUDA threads.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "block.h"
#include "vector_types.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline  // a hint: forced, it triples the time that g++ takes
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
#define DEVICE_FN static inline

// A section of its own, so that the runtime can fill all static shared memory before each block.  g++ puts variables
// of templates elsewhere: those keep what the last block wrote.
#define __shared__ static thread_local __attribute__((section("emulated_shared")))
#define DYNAMIC_SHARED(T, name) T *name = (T *)emulated::block->dynamic

// KERNEL makes a kernel known by name; its parameter types are taken from the function.
#define KERNEL(name) \
  static const emulated::Registration registration_##name(#name, name, [](const uint64_t *slots) { emulated::call(name, slots); })

#define EMULATED_TEXT_(x) #x
#define EMULATED_TEXT(x) EMULATED_TEXT_(x)
#define HERE (__FILE_NAME__ ":" EMULATED_TEXT(__LINE__))

#define threadIdx (emulated::self->index)
#define blockIdx (emulated::block_index)
#define blockDim (emulated::block_size)
#define gridDim (emulated::grid_size)
#define warpSize 32
#define __syncthreads() ((void)emulated::barrier(0, HERE, emulated::Vote::kCount))
#define __syncthreads_count(p) emulated::barrier((p), HERE, emulated::Vote::kCount)
#define __syncthreads_and(p) emulated::barrier((p), HERE, emulated::Vote::kAnd)
#define __syncthreads_or(p) emulated::barrier((p), HERE, emulated::Vote::kOr)
#define __syncwarp emulated::SyncWarp{HERE}
#define __shfl_sync(...) emulated::shuffle_index(HERE, __VA_ARGS__)
#define __shfl_xor_sync(...) emulated::shuffle_xor(HERE, __VA_ARGS__)
#define __shfl_down_sync(...) emulated::shuffle_down(HERE, __VA_ARGS__)
#define __shfl_up_sync(...) emulated::shuffle_up(HERE, __VA_ARGS__)
#define __ballot_sync(m, p) emulated::ballot((m), (p), HERE, "__ballot_sync")
#define __any_sync(m, p) (emulated::ballot((m), (p), HERE, "__any_sync") != 0)
#define __all_sync(m, p) (emulated::ballot((m), !(p), HERE, "__all_sync") == 0)
#define __threadfence() emulated::fence()
#define __threadfence_block() emulated::fence()
#define __trap() emulated::fail("__trap at %s", HERE)
#define __ldg(p) (*(p))
#define STREAM_POLICY(once) ((void)(once), 0ull)
#define LOAD_STREAM16(p, policy) ((void)(policy), *(const uint4 *)(p))
#define __expf(x) exp2_approx((x) * 1.4426950408889634f)  // macros: glibc declares functions of these names
#define __logf(x) (log2_approx(x) * 0.6931471805599453f)
#define __fdividef(x, y) ((x) / (y))

#include "approximate.h"
#include "atomics.h"
#include "halves.h"
#include "tensorcore.h"
