// plants.cpp - wrong kernels that the runtime and the sanitizers have to catch, and probes of its speed; for tests.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif
#include "emulate.h"

namespace {
#include "plants.cu"
}
