// kernels.cpp - the product's kernels.  cgo refuses -ffp-contract=off; without it g++ fuses a*b+c where the processor can.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif
#include "emulate.h"

namespace {  // else g++ cannot put the __shared__ variables of inline and other functions into one section
#include "kernels.cu"
}
