#!/usr/bin/env bash
# Plants faults in copies of the kernels, one at a time, and fails if the tests of kernels/ops still pass with one.
#   scripts/mutate-kernels.sh [name…]    all, or those named
# Each takes one build of the kernels, about 20 s of a processor.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# name | file | tests that must fail | sed script
faults='
missing_barrier    | gemm.h       | TestLinear$           | /ASYNC_WAIT(1)/{n;d}
wrong_column_tail  | gemm.h       | TestLinear$           | s/k + e < g.K/k + e <= g.K/
wrong_row_tail     | gemm.h       | TestLinear$           | s/m0 + m >= g.M/m0 + m > g.M/
swapped_fragment   | gemm.h       | TestLinear$           | s/w\[0\].x, w\[1\].x, w\[0\].y, w\[1\].y/w[0].x, w[0].y, w[1].x, w[1].y/
swapped_codes      | gemm.h       | TestLinearOfCodes     | s/w->x, w->z, w->y, w->w/w->x, w->y, w->z, w->w/
lost_group         | gemm.h       | TestLinear            | s/(tile + kTurns) \/ g.group != group/false/
lost_part          | gemm.h       | TestLinear            | s/p < gridDim.y; p++/p + 1 < gridDim.y; p++/
lost_rounding      | epilogue.h   | TestLinearRounds      | s/v = round_to(v \* load(e.gate/v = (v * load(e.gate/; s/e.ld_gate + n), type);/e.ld_gate + n));/
unwritten_scratch  | reduce.h     | TestLayerNorm         | /scratch\[threadIdx.x >> 5\] = v/{n;d}
mask_off_by_one    | attention.h  | TestAttention$        | s/(i \& 1)) < visible/(i \& 1)) <= visible/
scores_off_by_one  | attention.h  | TestAttention$        | s/bool ok = key < t.visible/bool ok = key + 1 < t.visible/
other_pairs        | rope.cu      | TestHeads             | s/h + 2 \* j : h + j/h + j : h + j/
higher_id_of_ties  | reduce.h     | TestSampling          | s/b.id < a.id/b.id > a.id/
step_of_unrounded  | step.cu      | TestGuidedStep        | s/round_to(c - u, round)/(c - u)/
'

caught=0 missed=0
while IFS='|' read -r name file tests script; do
  name=${name// /} file=${file// /} tests=${tests// /} script=${script# }
  [ -n "$name" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  cp kernels/cuda/*.cu kernels/cuda/*.h "$copy"
  sed -i "$script" "$copy/$file"
  ! cmp -s "$copy/$file" "kernels/cuda/$file" || { echo "$name: the sed script changes nothing in $file"; exit 1; }
  # the copy is searched before kernels/cuda; setting the flags drops Go's own -O2
  export CGO_CXXFLAGS="-O1 -I$copy -DMUTATION=$name"
  go build ./kernels/emulated || { echo "$name: does not compile"; exit 1; }
  if go test -count=1 -run "$tests" ./kernels/ops >"$copy/log" 2>&1; then
    echo "$name: NOT SEEN by $tests"
    missed=$((missed + 1))
  else
    echo "$name: seen: $(grep -m1 -E '_test.go:[0-9]+:' "$copy/log" | cut -c1-150)"
    caught=$((caught + 1))
  fi
done <<<"$faults"
echo "$caught faults seen, $missed missed"
[ "$missed" -eq 0 ]
