// module.cpp - PTX and launches.
#include <algorithm>
#include <cstring>

#include "fake.h"

namespace fake {
namespace {

// bytes of ".u64", ".f32", …
int size_of(const std::string &type) { return atoi(type.c_str() + 1) / 8; }

// the sizes of the parameters between an entry's parentheses
std::vector<int> parameter_sizes(const std::string &head) {
  std::vector<int> sizes;
  for (size_t at = 0; (at = head.find(".param .", at)) != std::string::npos; at += 8) sizes.push_back(size_of(head.substr(at + 8)));
  return sizes;
}

// "p8 p8 i4" with those sizes?
bool same_sizes(const emulated::Kernel *k, const std::vector<int> &sizes) {
  if ((int)sizes.size() != k->count) return false;
  for (int i = 0; i < k->count; i++)
    if (sizes[i] != k->parameters[3 * i + 1] - '0') return false;
  return true;
}

CUresult check_target(const std::string &text) {
  size_t at = text.find(".target sm_");
  if (text.find(".version") == std::string::npos || at == std::string::npos) return complain(CUDA_ERROR_INVALID_PTX, "the module is no PTX");
  int target = 0;
  char suffix = 0;
  sscanf(text.c_str() + at, ".target sm_%d%c", &target, &suffix);
  if (target > capability() || (suffix == 'a' && target != capability()))
    return complain(CUDA_ERROR_NO_BINARY_FOR_GPU, "PTX for " + text.substr(at + 8, 7) + " on a device of capability " + std::to_string(capability()));
  return CUDA_SUCCESS;
}

CUresult load_entry(const std::string &name, const std::string &head, Module *module) {
  auto *kernel = emulated::find_kernel(name.c_str());
  if (!kernel) return complain(CUDA_ERROR_INVALID_PTX, "stale PTX: kernel " + name + " is not among the sources");
  if (!same_sizes(kernel, parameter_sizes(head))) return complain(CUDA_ERROR_INVALID_PTX, "stale PTX: kernel " + name + " has other parameters than its source");
  auto f = std::make_unique<Function>();
  f->kernel = kernel;
  if (size_t m = head.find(".maxntid"); m != std::string::npos) {
    int x = 1, y = 1, z = 1;
    sscanf(head.c_str() + m, ".maxntid %d, %d, %d", &x, &y, &z);
    f->max_threads = x * y * z;
  }
  module->functions[name] = std::move(f);
  return CUDA_SUCCESS;
}

CUresult load_ptx(const std::string &text, Module *module) {
  if (CUresult r = check_target(text)) return r;
  for (size_t at = 0; (at = text.find(".entry ", at)) != std::string::npos;) {
    at += 7;
    size_t end = text.find_first_of("( \n", at), body = text.find('{', end);
    if (body == std::string::npos) return complain(CUDA_ERROR_INVALID_PTX, "the PTX ends inside a kernel");
    if (CUresult r = load_entry(text.substr(at, end - at), text.substr(end, body - end), module)) return r;
    at = body;
  }
  return CUDA_SUCCESS;
}

std::string where(const emulated::Result &r) {
  char s[120];
  snprintf(s, sizeof s, ", thread (%u,%u,%u) of block (%u,%u,%u)", r.thread.x, r.thread.y, r.thread.z, r.block.x, r.block.y, r.block.z);
  return r.located ? s : "";
}

CUresult launch(Function *f, dim3 grid, dim3 size, unsigned shared, CUstream s, void **parameters) {
  const emulated::Kernel *k = f->kernel;
  std::string name = k->name;
  if (environment("FAKECUDA_LOG", 0)) fprintf(stderr, "fakecuda: %s<<<(%u,%u,%u), (%u,%u,%u), %u>>>\n", k->name, grid.x, grid.y, grid.z, size.x, size.y, size.z, shared);
  if ((int)shared > f->max_dynamic) return complain(CUDA_ERROR_INVALID_VALUE, name + ": more dynamic shared memory than cuFuncSetAttribute allowed");
  uint64_t threads = (uint64_t)size.x * size.y * size.z;
  if (!threads || threads > 1024 || size.z > 64 || !grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535) return complain(CUDA_ERROR_INVALID_VALUE, name + ": bad grid or block size");
  if ((int)threads > f->max_threads) return complain(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, name + ": more threads than its launch bounds allow");
  auto slots = std::make_shared<std::vector<uint64_t>>(k->count + 1);
  for (int i = 0; i < k->count; i++) memcpy(&(*slots)[i], parameters[i], k->parameters[3 * i + 1] - '0');  // copied now, as the driver does
  return submit(s, [=] {
    auto r = emulated::run_grid(*k, grid, size, shared, slots->data(), {});
    return r.code ? complain((CUresult)r.code, "kernel " + name + where(r) + ": " + r.message) : CUDA_SUCCESS;
  });
}

// hands the last complaint to the caller's log buffer
void fill_log(unsigned n, CUjit_option *options, void **values) {
  char *log = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < n; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log = (char *)values[i];
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) bytes = (size_t)values[i];
  }
  if (log && bytes) snprintf(log, bytes, "%s", last_complaint().c_str());
}
}  // namespace
}  // namespace fake
using namespace fake;

#pragma GCC visibility push(default)
extern "C" {
CUresult cuModuleLoadDataEx(CUmodule *m, const void *image, unsigned n, CUjit_option *options, void **values) {
  NEED_CONTEXT;
  if (current->sticky) return current->sticky;
  auto module = std::make_unique<Module>();
  if (CUresult r = load_ptx((const char *)image, module.get())) {
    fill_log(n, options, values);
    return r;
  }
  *m = (CUmodule)module.release();
  current->modules.insert(*m);
  return CUDA_SUCCESS;
}
CUresult cuModuleLoadData(CUmodule *m, const void *image) { return cuModuleLoadDataEx(m, image, 0, nullptr, nullptr); }
CUresult cuModuleUnload(CUmodule m) {
  NEED_CONTEXT;
  flush();
  if (!current->modules.erase(m)) return CUDA_ERROR_INVALID_HANDLE;
  delete (Module *)m;
  return CUDA_SUCCESS;
}
CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
  NEED_CONTEXT;
  auto &all = ((Module *)m)->functions;
  auto it = all.find(name);
  if (it == all.end()) return CUDA_ERROR_NOT_FOUND;
  *f = (CUfunction)it->second.get();
  return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v) {
  if (a != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
  int limit;
  cuDeviceGetAttribute(&limit, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0);
  if (v < 0 || v > limit) return CUDA_ERROR_INVALID_VALUE;
  ((Function *)f)->max_dynamic = v;
  return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int *v, CUfunction_attribute a, CUfunction f) {
  *v = a == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? ((Function *)f)->max_threads : a == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES ? ((Function *)f)->max_dynamic : 0;
  return CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream s, void **parameters, void **) {
  NEED_CONTEXT;
  return launch((Function *)f, dim3(gx, gy, gz), dim3(bx, by, bz), shared, s, parameters);
}
}
