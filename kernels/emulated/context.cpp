// context.cpp - switching between stacks: by hand on x86-64 (2 ns), by ucontext elsewhere or with EMULATED_UCONTEXT.
#include "runtime.h"

#if defined(__x86_64__) && !defined(EMULATED_UCONTEXT)
// saves and restores what the calling convention leaves to the callee
asm(R"(
.text
.p2align 4
.globl emulated_switch
.hidden emulated_switch
.type emulated_switch,@function
emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulated_switch,.-emulated_switch
)");
extern "C" void emulated_switch(void **save, void *to);

namespace emulated {
void *new_context(char *stack_top, void (*entry)()) {
  void **sp = (void **)stack_top;
  *--sp = nullptr;  // entry's return address
  *--sp = (void *)entry;
  for (int i = 0; i < 6; i++) *--sp = nullptr;
  return sp;
}
void swap_context(void **save, void *to) { emulated_switch(save, to); }
}  // namespace emulated

#else
#include <ucontext.h>

namespace emulated {
// The context of a suspended thread lies on its own stack: that of a new one at the top, later ones in swap_context.
void *new_context(char *stack_top, void (*entry)()) {
  auto *c = (ucontext_t *)((uintptr_t)(stack_top - sizeof(ucontext_t)) & ~uintptr_t(63));
  getcontext(c);
  c->uc_stack.ss_sp = stack_top - kStackBytes;
  c->uc_stack.ss_size = (char *)c - (stack_top - kStackBytes);
  c->uc_link = nullptr;
  makecontext(c, entry, 0);
  return c;
}
void swap_context(void **save, void *to) {
  ucontext_t here;
  *save = &here;
  swapcontext(&here, (ucontext_t *)to);
}
}  // namespace emulated
#endif
