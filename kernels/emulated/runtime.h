// runtime.h - launching a grid.
#pragma once
#include <atomic>
#include <string>

#include "block.h"

namespace emulated {

enum Order { kForward = 0, kReverse = 1, kRandom = 2 };  // in which threads of a block and blocks of a grid get their first turn
enum Code { kGood = 0, kBadValue = 1, kIllegalAddress = 700, kFailed = 719 };  // the driver's numbers

struct Settings {
  int order = kForward;
  uint64_t seed = 1;
  int workers = 0;  // OS threads; 0: one for each processor
};

struct Result {
  int code = kGood;
  std::string message;
  bool located = false;  // are block and thread known?
  uint3 block{}, thread{};
};

// Runs all blocks of a grid to their end.  Of several blocks that fail, the result names the one taken first.
Result run_grid(const Kernel &kernel, dim3 grid, dim3 block, size_t dynamic_shared, const uint64_t *slots, const Settings &settings);

extern std::atomic<uint64_t> switches;  // between CUDA threads, since the program's start

// internal to the runtime
void *new_context(char *stack_top, void (*entry)());
void swap_context(void **save, void *to);
void install_fault_handlers();
void restore_fault_handlers();
void use_signal_stack();
std::string place();  // of the CUDA thread that runs
[[noreturn]] void return_home();
void run_block(Block *b, dim3 size, size_t dynamic_shared, const Settings &settings, uint64_t index);
Block *new_block();  // null: the host has no memory left
}  // namespace emulated
