#!/usr/bin/env bash
# Prints where a tool of CUDA lies, installing it if need be; none of it needs a GPU, none of it is committed.
#   scripts/cuda-tools.sh include   the folder of cuda.h; CUDA_INCLUDE names another one
#   scripts/cuda-tools.sh ptxas     NVIDIA's assembler; PTXAS names another one
#   scripts/cuda-tools.sh nvcc      NVIDIA's compiler; NVCC names another one, else that of the PATH is taken
#   scripts/cuda-tools.sh clang     clang-19, by apt where it is missing and allowed
# Fails with one line where it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

# wheels NAME: an environment with the wheels of scripts/NAME.txt
wheels() {
  local tools=$PWD/.cache/${1%-tools} sum
  sum=$(sha256sum <"scripts/$1.txt")
  if [ "$(cat "$tools/complete" 2>/dev/null)" != "$sum" ]; then
    rm -rf "$tools"
    python3 -m venv "$tools" >&2 &&
      scripts/retry.sh "$tools/bin/python" -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r "scripts/$1.txt" >&2 &&
      echo "$sum" >"$tools/complete" ||
      { echo "not run: the wheels of scripts/$1.txt cannot be installed here" >&2; exit 1; }
  fi
  echo "$tools"/lib/python*/site-packages/nvidia
}

case ${1:-} in
include)
  [ -n "${CUDA_INCLUDE:-}" ] && { echo "$CUDA_INCLUDE"; exit; }
  nvidia=$(wheels cuda-tools) && echo "$nvidia/cuda_runtime/include"
  ;;
ptxas)
  [ -n "${PTXAS:-}" ] && { echo "$PTXAS"; exit; }
  nvidia=$(wheels cuda-tools) && echo "$nvidia/cuda_nvcc/bin/ptxas"
  ;;
nvcc)
  [ -n "${NVCC:-}" ] && { echo "$NVCC"; exit; }
  command -v nvcc || { nvidia=$(wheels nvcc-tools) && echo "$nvidia/cu13/bin/nvcc"; }
  ;;
clang)
  scripts/apt.sh clang-19 clang-19
  command -v clang-19
  ;;
*)
  echo "usage: $0 include | ptxas | nvcc | clang" >&2
  exit 2
  ;;
esac
