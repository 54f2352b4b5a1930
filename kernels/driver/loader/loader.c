/* loader.c - a libcuda.a that looks for libcuda.so.1 when the program starts.
 *
 * gorgonia.org/cu links with -lcuda and ends the process from its package init where cuInit fails. A program linked
 * with this archive instead starts on any machine: every function of the driver is a jump through a slot, cuInit finds
 * the driver and fills the slots, and reports success in any case; cuda_loader_problem says what it found. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static char problem[300] = "the CUDA driver was not looked for";

static int unavailable(void) { return 100; } /* CUDA_ERROR_NO_DEVICE */
static int unsupported(void) { return 801; } /* CUDA_ERROR_NOT_SUPPORTED: an older driver */
static int start(unsigned flags);

#if defined(__x86_64__)
#define JUMP(name) "jmp *cuda_slot_" #name "(%rip)\n"
#elif defined(__aarch64__)
#define JUMP(name) "adrp x16, cuda_slot_" #name "\nldr x16, [x16, :lo12:cuda_slot_" #name "]\nbr x16\n"
#else
#error "write a jump for this processor"
#endif

/* hidden: the driver itself must not find these */
#define S(name)                                                                       \
  __attribute__((visibility("hidden"), used)) void *cuda_slot_##name = (void *)unavailable; \
  __asm__(".text\n.p2align 4\n.globl " #name "\n.hidden " #name "\n.type " #name ",%function\n" #name ":\n" JUMP(name) ".size " #name ",.-" #name "\n");
#include "names.h"
#undef S

static struct {
  const char *name;
  void **slot;
} slots[] = {
#define S(name) {#name, &cuda_slot_##name},
#include "names.h"
#undef S
};

__attribute__((constructor)) static void intercept(void) { cuda_slot_cuInit = (void *)start; }

static int start(unsigned flags) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) {
    snprintf(problem, sizeof problem, "there is no CUDA driver on this machine (%s)", dlerror());
    return 0;
  }
  int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
  int (*name_of)(int, const char **) = (int (*)(int, const char **))dlsym(driver, "cuGetErrorName");
  int code = init ? init(flags) : 801;
  if (code) {
    const char *name = "an error";
    if (name_of) name_of(code, &name);
    snprintf(problem, sizeof problem, "the CUDA driver answers %s (%d) to cuInit", name, code);
    return 0;
  }
  for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
    void *function = dlsym(driver, slots[i].name);
    *slots[i].slot = function ? function : (void *)unsupported;
  }
  problem[0] = 0;
  return 0;
}

/* null if there is a driver and it works */
const char *cuda_loader_problem(void) { return problem[0] ? problem : NULL; }
