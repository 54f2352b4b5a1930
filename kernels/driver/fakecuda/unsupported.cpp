// unsupported.cpp - the functions that the fake does not implement answer "not supported".
#define S(name) extern "C" __attribute__((weak, visibility("default"))) int name(void) { return 801; }
#include "names.h"
