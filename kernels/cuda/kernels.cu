// kernels.cu - all kernels in one unit, for compilers; one family is one file.
#include "device.h"

#include "probe.cu"
