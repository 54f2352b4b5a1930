// collectives.cpp - what the threads of a block or a warp do together.  Compiled once: kernels only call it.
#include "block.h"

namespace emulated {

int barrier(int predicate, const char *where, Vote vote) {
  Quiet quiet;
  Barrier &b = block->sync;
  uint32_t parity = b.generation & 1, need = block->alive;
  if (b.count == 0) {
    b.votes[parity] = 0;
    b.where = where;
  } else if (!same_place(b.where, where)) {
    fail("a barrier is reached at %s and at %s", b.where, where);
  }
  b.count++;
  b.votes[parity] += predicate ? 1 : 0;
  release(&b.token[parity]);
  if (b.count >= need) {
    b.count = 0;
    b.generation++;
  } else {
    wait_for(&b.generation, "a barrier", where);
  }
  acquire(&b.token[parity]);
  int votes = b.votes[parity];
  return vote == Vote::kCount ? votes : vote == Vote::kAnd ? votes == (int)need : votes > 0;
}

namespace {
Slot *find_slot(Warp &w, uint32_t mask, const char *what, const char *where, bool orders) {
  Slot *unused = nullptr;
  uint32_t seen = 0;
  for (Slot &s : w.slot) {
    if (s.live) {
      if (!s.complete && s.mask == mask) {
        if (!orders && (s.what != what || !same_place(s.where, where)))
          fail("lanes of a warp meet in different places: %s at %s and %s at %s", s.what, s.where, what, where);
        return &s;
      }
      seen++;
    } else if (!unused) {
      unused = &s;
    }
    if (unused && seen == w.live) break;
  }
  Slot *s = unused;
  s->live = true;
  s->complete = false;
  s->mask = mask;
  s->arrived = s->left = 0;
  s->what = what;
  s->where = where;
  w.live++;
  return s;
}
}  // namespace

Slot *arrive(uint32_t mask, uint64_t value, const char *where, const char *what, bool orders, void (*last)(Slot *)) {
  uint32_t bit = 1u << lane();
  Warp &w = block->warps[self->linear >> 5];
  if (!(mask & bit)) fail("%s at %s: lane %d is not in its own mask %08x", what, where, lane(), mask);
  Slot *s = find_slot(w, mask, what, where, orders);
  s->value[lane()] = value;
  s->arrived |= bit;
  uint32_t parity = s->generation & 1;
  if (orders) release(&s->token[parity]);
  if (((s->arrived | w.exited) & mask) == mask) {
    if (last) last(s);
    s->complete = true;
    s->generation++;
  } else {
    wait_for(&s->generation, what, where);
  }
  if (orders) acquire(&s->token[parity]);
  return s;
}
void leave(Slot *s) {
  s->left |= 1u << lane();
  if (s->left == s->arrived) {
    s->live = false;
    block->warps[self->linear >> 5].live--;
  }
}

uint32_t ballot(uint32_t mask, int predicate, const char *where, const char *what) {
  Quiet quiet;
  Slot *s = arrive(mask, predicate ? 1 : 0, where, what, false, nullptr);
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++)
    if ((s->arrived >> i & 1) && s->value[i]) bits |= 1u << i;
  leave(s);
  return bits;
}
}  // namespace emulated
