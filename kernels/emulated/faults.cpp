// faults.cpp - an access to an unreadable page becomes an error that names block and thread.
#include <cstdio>
#include <cstdlib>

#include <dlfcn.h>
#include <signal.h>
#include <ucontext.h>

#include "memory.h"
#include "runtime.h"

#if defined(__x86_64__)
#define STACK_POINTER(u) ((u)->uc_mcontext.gregs[REG_RSP])
#define PROGRAM_COUNTER(u) ((u)->uc_mcontext.gregs[REG_RIP])
#elif defined(__aarch64__)
#define STACK_POINTER(u) ((u)->uc_mcontext.sp)
#define PROGRAM_COUNTER(u) ((u)->uc_mcontext.pc)
#else
#error "name the registers of this processor"
#endif

namespace emulated {
namespace {

struct sigaction old_segv, old_bus;

bool in_stack_guard(Block *b) {
  uintptr_t stack = (uintptr_t)self->stack;
  return b->fault_address >= stack && b->fault_address < stack + kStackGuard;
}

std::string describe(Block *b) {
  if (in_stack_guard(b)) return "stack overflow: local arrays of over 100 KiB, or recursion";
  uintptr_t a = b->fault_address, map = (uintptr_t)b->dynamic_map;
  char s[160];
  if (a >= map && a < (uintptr_t)b->dynamic_end + kPage) {
    snprintf(s, sizeof s, "illegal access %ld bytes from the start of %zu bytes of dynamic shared memory", (long)(a - (uintptr_t)b->dynamic), b->dynamic_bytes);
    return s;
  }
  return "illegal access " + memory_describe(a);
}

void write_message(Block *b) {
  std::string text = describe(b);
  Dl_info info{};
  if (dladdr((void *)b->fault_pc, &info) && info.dli_fbase) {
    char s[64];
    snprintf(s, sizeof s, " (pc 0x%lx)", (unsigned long)(b->fault_pc - (uintptr_t)info.dli_fbase));
    text += s;
  }
  snprintf(b->message, sizeof b->message, "%s", text.c_str());
}

// where the handler sends a faulting CUDA thread: still on its stack, out of the signal
void fault_landing() {
  Block *b = block;
  write_message(b);
  b->failed = true;
  b->code = kIllegalAddress;
  b->failed_thread = self->index;
  return_home();  // and no destructor runs
}

void pass_on(int signal_number, siginfo_t *info, void *context) {
  struct sigaction &old = signal_number == SIGSEGV ? old_segv : old_bus;
  if (old.sa_flags & SA_SIGINFO)
    old.sa_sigaction(signal_number, info, context);
  else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN)
    old.sa_handler(signal_number);
  else
    signal(signal_number, SIG_DFL);
}

void on_fault(int signal_number, siginfo_t *info, void *context) {
  if (!block || !self) {  // some other thread of the program
    pass_on(signal_number, info, context);
    return;
  }
  auto *u = (ucontext_t *)context;
  uintptr_t sp = (uintptr_t)STACK_POINTER(u);
  block->fault_address = (uintptr_t)info->si_addr;
  block->fault_pc = (uintptr_t)PROGRAM_COUNTER(u);
  if (in_stack_guard(block)) sp = (uintptr_t)self->stack + kStackBytes;  // its contents are given up anyway
  sp = (sp - 512) & ~uintptr_t(15);  // past the red zone
#if defined(__x86_64__)
  sp -= 8;  // as after a call
#endif
  STACK_POINTER(u) = sp;
  PROGRAM_COUNTER(u) = (uintptr_t)fault_landing;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// a sanitizer has printed a report and ends the program
void say_where() {
  if (block && self) fprintf(stderr, "that was %s\n", place().c_str());
}
#endif
}  // namespace

// "kernel gemm_f16_n8, block (0,0,0), thread (31,0,0)", of the CUDA thread that runs
std::string place() {
  uint3 b = block_index, t = self->index;
  char s[200];
  snprintf(s, sizeof s, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u)", block->name, b.x, b.y, b.z, t.x, t.y, t.z);
  return s;
}

#if defined(__SANITIZE_ADDRESS__)
extern "C" __attribute__((visibility("default"))) void __ubsan_on_report(void) { say_where(); }  // UndefinedBehaviorSanitizer has no callback
#endif

void install_fault_handlers() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  __sanitizer_set_death_callback(say_where);
#endif
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
}

void restore_fault_handlers() {
  sigaction(SIGSEGV, &old_segv, nullptr);
  sigaction(SIGBUS, &old_bus, nullptr);
}

void use_signal_stack() {
  stack_t s{};
  s.ss_size = 64 << 10;
  s.ss_sp = map_pages(s.ss_size);
  if (s.ss_sp) sigaltstack(&s, nullptr);
}
}  // namespace emulated
