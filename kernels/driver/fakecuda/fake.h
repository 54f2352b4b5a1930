// fake.h - libcuda.so.1 for machines without a GPU: the driver calls that this project makes, carried out on the CPU
// over kernels/emulated. The kernels are compiled in; the PTX given to cuModuleLoadDataEx is checked against them.
//
// It is stricter than a driver where it can be: memory starts as NaN and ends at an unreadable page, work waits until
// the host synchronises, PTX whose kernels or parameters differ from the sources is refused, and so are launches over
// the launch bounds or the dynamic shared memory that was asked for. After a fault a context answers nothing else.
//
// Environment, read at each call:
//   FAKECUDA_CC=80        compute capability (90)            FAKECUDA_MEMORY=n   bytes of a device (8 GiB)
//   FAKECUDA_DEVICES=n    devices (2)                        FAKECUDA_INIT=100   what cuInit returns (0)
//   FAKECUDA_EAGER=1      run work at once                   FAKECUDA_LOG=1      print every launch
//   FAKECUDA_REPORT=file  cuCtxDestroy appends what the context had not given back, one line
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "block.h"
#include "memory.h"
#include "runtime.h"
#pragma GCC visibility push(default)
#include <cuda.h>
#pragma GCC visibility pop

namespace fake {

typedef std::function<CUresult()> Operation;
struct Graph { std::vector<Operation> operations; };
struct Stream { std::unique_ptr<Graph> capture; };
struct Event { double seconds = 0; bool recorded = false; };
struct Function { const emulated::Kernel *kernel; int max_dynamic = 48 << 10, max_threads = 1024; };
struct Module { std::map<std::string, std::unique_ptr<Function>> functions; };

struct Context {
  int device = 0;
  CUresult sticky = CUDA_SUCCESS;
  std::deque<Operation> queue;  // of all streams, in the order of issue
  int capturing = 0;
  std::map<uintptr_t, size_t> buffers, pinned;
  std::set<void *> streams, events, modules, graphs, executables;
};

extern std::recursive_mutex mutex;
typedef std::lock_guard<std::recursive_mutex> Lock;
extern thread_local Context *current;

int environment(const char *name, long fallback);
size_t memory_of_device();
size_t memory_in_use(int device);
int capability();
CUresult complain(CUresult code, const std::string &why);  // prints and remembers why; returns code
const std::string &last_complaint();

CUresult submit(CUstream s, Operation f);  // enqueues, or records
CUresult flush();                          // runs all enqueued work; needs the lock
CUresult wait();                           // the same for a call of the host
Stream *stream_of(CUstream s);
bool inside(CUdeviceptr p, size_t n);      // of one live buffer of the current context
}  // namespace fake

// every call but those that make a context needs a current one
#define NEED_CONTEXT \
  fake::Lock lock(fake::mutex); \
  if (!fake::current) return CUDA_ERROR_INVALID_CONTEXT
