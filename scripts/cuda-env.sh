#!/usr/bin/env bash
# Prints the environment for building with -tags cuda: cuda.h, and the loader that stands in for libcuda at link time.
#   eval "$(scripts/cuda-env.sh)"        then: go build -tags cuda ./cmd/cola
#   eval "$(scripts/cuda-env.sh fake)"   the same, and programs find the fake driver, which executes kernels on the CPU
set -euo pipefail
cd "$(dirname "$0")/.."
include=$(scripts/cuda-tools.sh include)
lib=$PWD/.cache/cuda-lib
mkdir -p "$lib/loader" "$lib/fake"
cc=${CC:-gcc} cxx=${CXX:-g++} driver=kernels/driver emulated=kernels/emulated

$cc -O2 -fPIC -Wall -c -o "$lib/loader.o" $driver/loader/loader.c
rm -f "$lib/loader/libcuda.a"
ar rcs "$lib/loader/libcuda.a" "$lib/loader.o"
if [ "${1:-}" = fake ]; then
  # only what changed is compiled again: the fake driver holds all kernels
  sum=$(cat $driver/fakecuda/* $driver/loader/names.h $emulated/*.{h,cpp,cu} kernels/cuda/*.{h,cu} | sha256sum)
  if [ "$(cat "$lib/fake/sum" 2>/dev/null)" != "$sum" ]; then
    $cxx -std=c++17 -O2 -g1 -DEMULATED_LIBRARY -fPIC -shared -fvisibility=hidden -fstack-clash-protection -Wall -Wno-unused-function -Wno-unknown-pragmas \
      -I"$include" -I$emulated -Ikernels/cuda -I$driver/loader -Wl,-soname,libcuda.so.1 -o "$lib/fake/libcuda.so.1" \
      $driver/fakecuda/*.cpp $emulated/{collectives,context,faults,grid,kernels,memory,schedule,tensorcore}.cpp -lpthread -ldl >&2
    echo "$sum" >"$lib/fake/sum"
  fi
  echo "export LD_LIBRARY_PATH=$lib/fake FAKECUDA=1"
fi
# absolute paths: cgo compiles gorgonia.org/cu inside the module cache. Setting CGO_CFLAGS drops Go's own -O2 -g.
echo "export CGO_CFLAGS='-O2 -g -I$PWD/$driver/compat -I$include' CGO_LDFLAGS='-L$lib/loader -ldl'"
