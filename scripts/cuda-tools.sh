#!/usr/bin/env bash
# Prints where cuda.h or ptxas lies, installing it if need be; none of it needs a GPU, none of it is committed.
#   scripts/cuda-tools.sh include   the folder of cuda.h; CUDA_INCLUDE names another one
#   scripts/cuda-tools.sh ptxas     NVIDIA's assembler; PTXAS names another one
#   scripts/cuda-tools.sh clang     clang-19, by apt where it is missing and allowed
# Fails with one line where it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.cache/cuda

wheels() { # one environment with both wheels, 44 MB
  if [ ! -e "$tools/complete" ]; then
    rm -rf "$tools"
    python3 -m venv "$tools" >&2 &&
      "$tools/bin/python" -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r scripts/cuda-tools.txt >&2 &&
      touch "$tools/complete" ||
      { echo "not run: the wheels of scripts/cuda-tools.txt cannot be installed here" >&2; exit 1; }
  fi
  echo "$tools"/lib/python*/site-packages/nvidia
}

case ${1:-} in
include)
  [ -n "${CUDA_INCLUDE:-}" ] && { echo "$CUDA_INCLUDE"; exit; }
  nvidia=$(wheels) && echo "$nvidia/cuda_runtime/include"
  ;;
ptxas)
  [ -n "${PTXAS:-}" ] && { echo "$PTXAS"; exit; }
  nvidia=$(wheels) && echo "$nvidia/cuda_nvcc/bin/ptxas"
  ;;
clang)
  if ! command -v clang-19 >/dev/null; then
    as_root=''
    [ "$(id -u)" = 0 ] || as_root=sudo
    { $as_root apt-get update -q && $as_root apt-get install -q -y --no-install-recommends clang-19; } >&2 ||
      { echo 'not run: no clang-19, and apt-get cannot install it' >&2; exit 1; }
  fi
  command -v clang-19
  ;;
*)
  echo "usage: $0 include | ptxas | clang" >&2
  exit 2
  ;;
esac
