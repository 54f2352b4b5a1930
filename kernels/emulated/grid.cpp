// grid.cpp - the blocks of a grid, spread over OS threads.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "memory.h"
#include "runtime.h"

namespace emulated {
namespace {

Kernel *&first_kernel() {
  static Kernel *first = nullptr;
  return first;
}

// Pool holds OS threads that live as long as the program.
class Pool {
 public:
  void run(int workers, const std::function<void()> &job) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (; count_ < workers; count_++) std::thread([this] { work(); }).detach();
    job_ = &job;
    wanted_ = busy_ = workers;
    wake_.notify_all();
    done_.wait(lock, [&] { return busy_ == 0; });
  }

 private:
  void work() {
    use_signal_stack();
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return wanted_ > 0; });
      wanted_--;
      const std::function<void()> &job = *job_;
      lock.unlock();
      job();
      lock.lock();
      if (--busy_ == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void()> *job_ = nullptr;
  int wanted_ = 0, busy_ = 0, count_ = 0;
};

Block *block_of_this_thread() {
  static __thread Block *mine;
  if (!mine) mine = new_block();
  return mine;
}

int workers_for(uint64_t blocks, const Settings &settings) {
  uint64_t n = settings.workers > 0 ? settings.workers : std::thread::hardware_concurrency();
  if (n > 256) n = 256;
  return (int)std::max<uint64_t>(1, std::min(n, blocks));
}

class Grid {
 public:
  Grid(const Kernel &kernel, dim3 grid, dim3 size, size_t dynamic_shared, const uint64_t *slots, const Settings &settings)
      : kernel_(kernel), grid_(grid), size_(size), dynamic_(dynamic_shared), slots_(slots), settings_(settings),
        total_((uint64_t)grid.x * grid.y * grid.z) {}

  Result run() {
    static std::mutex one;  // a launch at a time: each uses all workers
    static Pool *pool = new Pool;
    std::lock_guard<std::mutex> lock(one);
    install_fault_handlers();
    pool->run(workers_for(total_, settings_), [this] { work(); });
    restore_fault_handlers();
    return result_;
  }

 private:
  void work() {
    Block *b = block_of_this_thread();
    if (!b) {
      report(0, Result{kFailed, "the host has no memory left for shared memory", false, {}, {}});
      return;
    }
    b->kernel = kernel_.run;
    b->name = kernel_.name;
    b->slots = slots_;
    block_size = {size_.x, size_.y, size_.z};
    grid_size = {grid_.x, grid_.y, grid_.z};
    while (!failed_) {  // blocks are taken in order, so all before a failed one have been started
      uint64_t i = next_++;
      if (i >= total_) break;
      uint64_t at = taken(i);
      block_index = {(unsigned)(at % grid_.x), (unsigned)(at / grid_.x % grid_.y), (unsigned)(at / grid_.x / grid_.y)};
      run_block(b, size_, dynamic_, settings_, at);
      if (b->failed) report(i, Result{b->code, b->message, b->failed_thread.x != ~0u, block_index, b->failed_thread});
    }
  }

  // the block that is taken as number i: another one ends last in each order
  uint64_t taken(uint64_t i) const {
    if (settings_.order == kReverse) return total_ - 1 - i;
    return settings_.order == kRandom ? (i + settings_.seed) % total_ : i;
  }

  void report(uint64_t index, const Result &r) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (failed_ && first_failed_ <= index) return;
    failed_ = true;
    first_failed_ = index;
    result_ = r;
  }

  const Kernel &kernel_;
  const dim3 grid_, size_;
  const size_t dynamic_;
  const uint64_t *slots_;
  const Settings &settings_;
  const uint64_t total_;
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> failed_{false};
  uint64_t first_failed_ = 0;
  std::mutex mutex_;
  Result result_;
};

// a write into the canaries of a buffer that the kernel was given
std::string check_arguments(const Kernel &kernel, const uint64_t *slots) {
  const char *p = kernel.parameters;
  for (int i = 0; i < kernel.count; i++, p += 3)
    if (*p == 'p')
      if (auto found = memory_check(slots[i]); !found.empty()) return found;
  return "";
}
}  // namespace

void add_kernel(Kernel *k) {
  k->next = first_kernel();
  first_kernel() = k;
}

const Kernel *find_kernel(const char *name) {
  for (Kernel *k = first_kernel(); k; k = k->next)
    if (!strcmp(k->name, name)) return k;
  return nullptr;
}

Result run_grid(const Kernel &kernel, dim3 grid, dim3 size, size_t dynamic_shared, const uint64_t *slots, const Settings &settings) {
  uint64_t threads = (uint64_t)size.x * size.y * size.z;
  if (!threads || threads > kMaxThreads || size.x > kMaxThreads || size.y > kMaxThreads || size.z > 64) return {kBadValue, "bad block size", false, {}, {}};
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) return {kBadValue, "bad grid size", false, {}, {}};
  if (dynamic_shared > kMaxDynamicShared) return {kBadValue, "too much dynamic shared memory", false, {}, {}};
  Result r = Grid(kernel, grid, size, dynamic_shared, slots, settings).run();
  if (r.code) return r;
  if (auto found = check_arguments(kernel, slots); !found.empty()) return {kIllegalAddress, found, false, {}, {}};
  return r;
}
}  // namespace emulated
