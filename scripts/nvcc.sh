#!/usr/bin/env bash
# Compiles kernels/cuda with nvcc, which shows that the sources are CUDA C++ for it, too, and makes of them machine code that
# a program takes in place of its PTX (COLAKIT_KERNELS=FILE, docs/gpu.md). Prints registers beside those of docs/kernels.md.
#   scripts/nvcc.sh [FILE]     (bin/kernels.fatbin); FILE.txt says which nvcc made it
# CAPABILITIES (default: "80 90a 100 120") are those of the code; 80 runs on 8.6 and 8.9, too. Fails on a warning, a spill
# or a stack frame.
set -euo pipefail
cd "$(dirname "$0")/.."
nvcc=$(scripts/cuda-tools.sh nvcc)
file=${1:-bin/kernels.fatbin}
mkdir -p "$(dirname "$file")"
file=$(cd "$(dirname "$file")" && pwd)/$(basename "$file")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
code=()
for capability in ${CAPABILITIES:-80 90a 100 120}; do
  code+=(-gencode "arch=compute_$capability,code=sm_$capability")
done

# -fmad=false: the same arithmetic as on the CPU.
(cd kernels/cuda && "$nvcc" -fatbin "${code[@]}" -std=c++17 -O3 -fmad=false -Werror all-warnings --threads 0 -Xptxas -v -o "$work/kernels.fatbin" kernels.cu) >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }

# kernel, capability, registers, bytes of spills, of stack
awk '
  /Compiling entry function/ { split($0, part, "\x27"); kernel = part[2]; device = part[4] }
  /bytes stack frame/ { spill = $5 + $9; stack = $1 }
  /Used [0-9]+ registers/ { r = $0; sub(/.*Used /, "", r); sub(/ .*/, "", r); print kernel, substr(device, 4), r, spill, stack }
' "$work/log" | LC_ALL=C sort >"$work/all"
declared=$(cat kernels/cuda/*.cu | grep -c '^KERNEL(')
for capability in ${CAPABILITIES:-80 90a 100 120}; do
  compiled=$(awk -v c="$capability" '$2 == c' "$work/all" | wc -l)
  [ "$compiled" = "$declared" ] || { echo "$compiled of $declared kernels were compiled for $capability" >&2; exit 1; }
done

"$nvcc" --version | grep -o 'release [0-9.]*' | tee "$file.txt"
# columns 2 and 5 of docs/kernels.md: 8.0 and 9.0 (sm_90a) by clang and ptxas
awk '
  FNR == NR { if (split($0, cell, /  *\| */) > 6) { name = cell[1]; sub(/^\| /, "", name); clang[name, "80"] = cell[2]; clang[name, "90a"] = cell[5] } next }
  { spills += $4; stack += $5; line[$1] = line[$1] sprintf("  %s: %s", $2, $3 ((($1, $2) in clang) ? " (clang " clang[$1, $2] ")" : "") ($4 ? " SPILLS " $4 : "") ($5 ? " STACK " $5 : "")) }
  END { for (k in line) printf "%-22s%s\n", k, line[k] | "sort"; close("sort"); exit spills + stack > 0 }
' docs/kernels.md "$work/all" || { echo 'kernels spill registers or have a stack frame' >&2; exit 1; }
mv "$work/kernels.fatbin" "$file"
echo "$file"
