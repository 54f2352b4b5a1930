// kernels.cu - all kernels in one unit, for compilers; one family is one file.
#include "device.h"

#include "activation.cu"
#include "attention.cu"
#include "elementwise.cu"
#include "embedding.cu"
#include "gemm.cu"
#include "norm.cu"
#include "probe.cu"
#include "rope.cu"
#include "sampling.cu"
#include "step.cu"
