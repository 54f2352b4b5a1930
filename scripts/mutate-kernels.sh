#!/usr/bin/env bash
# Plants faults in copies of the kernels, one at a time, and fails if the tests of kernels/ops still pass with one.
#   scripts/mutate-kernels.sh              all
#   scripts/mutate-kernels.sh -short       those marked with *, one of each class: what CI runs
#   scripts/mutate-kernels.sh name…        those named
# A fault takes a build of the kernels that its tests need, some 10 s of a processor; there are as many at a time as
# processors. A fault that no test sees asks for a better test.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jobs=${JOBS:-$(nproc)}

# name | class | sources (of the kernels matching a pattern) | file of the fault | tests that must fail | sed script
faults='
missing_barrier*    | barrier    | gemm(bf16)            | gemm.h       | TestLinear$/^bf16          | /ASYNC_WAIT(1)/{n;d}
missing_last_barrier| barrier    | gemm(bf16)            | gemm.h       | TestLinear$/^bf16          | /row + (r & 2 ? 8 : 0)\] = values/{n;d}
copy_not_awaited    | barrier    | gemm(bf16)            | gemm.h       | TestLinear$/^bf16          | s/ASYNC_WAIT(1)/ASYNC_WAIT(2)/
unwritten_scratch   | barrier    | norm                  | reduce.h     | TestLayerNorm              | /scratch\[threadIdx.x >> 5\] = v/{n;d}
missing_warp_barrier| barrier    | rope                  | rope.cu      | TestHeads                  | /__syncwarp();/d
wrong_column_tail*  | tail       | gemm(bf16)            | gemm.h       | TestLinear$/^bf16          | s/k + e < g.K/k + e <= g.K/
wrong_row_tail      | tail       | gemm(bf16)            | gemm.h       | TestLinear$/^bf16          | s/m0 + m >= g.M/m0 + m > g.M/
wrong_output_tail   | tail       | gemm(bf16)            | gemm.h       | TestLinear$/^bf16          | s/n >= g.outputs/n > g.outputs/
lost_code_tail      | tail       | norm                  | quantise.h   | TestQuantise               | s/i < ldq; i/i < cols; i/
row_for_stride*     | stride     | norm                  | norm.cu      | TestLayerNorm              | s/r \* ldx + offset/r * width + offset/
stride_of_gate      | stride     | gemm(bf16)            | epilogue.h   | TestLinear$/gate           | s/ \* e.ld_gate + n/ * e.ldy + n/
stride_of_residual  | stride     | elementwise           | elementwise.cu | TestGateResidual         | s/row \* ld_residual/row * ldx/
swapped_fragment*   | fragment   | gemm(bf16)            | gemm.h       | TestLinear$/^bf16          | s/a\[1\] = w\[1\].x, a\[2\] = w\[0\].y/a[1] = w[0].y, a[2] = w[1].x/
swapped_codes       | fragment   | gemm(s8)              | gemm.h       | TestLinearOfCodes          | s/a\[1\] = w->z, a\[2\] = w->y/a[1] = w->y, a[2] = w->z/
swapped_wide_codes  | fragment   | gemm(w8_(groups_)?f16) | gemm.h       | TestLinear$/^int8.*_f16    | s/0x4140u/0x4041u/
swapped_values      | fragment   | attention((sums_)?f16_64) | attention.h  | TestAttention$/^f16.*Width:6 | s/0x7632u : 0x5410u/0x5410u : 0x7632u/
lost_epsilon*       | epsilon    | norm                  | norm.cu      | TestLayerNorm              | s/ \/ width + eps)/ \/ width)/
doubled_epsilon     | epsilon    | rope                  | rope.cu      | TestHeads                  | s/ \/ width + eps)/ \/ width + 2.f * eps)/
rounded_to_zero*    | rounding   | elementwise           | element.h    | TestGateResidual           | s/return __bfloat162float(__float2bfloat16_rn(v));/return __uint_as_float(__float_as_uint(v) \& 0xffff0000u);/
lost_rounding       | rounding   | gemm(bf16)            | epilogue.h   | TestLinearRounds           | s/v = round_to(v \* load(e.gate/v = (v * load(e.gate/; s/e.ld_gate + n), type);/e.ld_gate + n));/
ties_away           | rounding   | norm                  | quantise.h   | TestQuantise               | s/__float2int_rn(fminf(fmaxf(v \/ s, -127.f), 127.f))/(int)(fminf(fmaxf(v \/ s, -127.f), 127.f) + (v < 0.f ? -0.5f : 0.5f))/
step_of_unrounded   | rounding   | step                  | step.cu      | TestGuidedStep             | s/round_to(c - u, round)/(c - u)/
other_slot*         | cache      | rope                  | rope.cu      | TestHeads                  | s/(size_t)slot\[row\]/(size_t)row/
row_beyond_page     | cache      | attention((sums_)?bf16_64) | attention.h  | TestAttention$/^bf16.*_5_spans | s/(j . ((1 << a.page_shift) - 1))/j/
other_kv_head       | cache      | attention((sums_)?bf16_64) | attention_parts.h | TestAttention$/^bf16.*_5_spans | s/head \/ (a.heads \/ a.kv_heads)/head % a.kv_heads/
mask_off_by_one*    | mask       | attention((sums_)?bf16_64) | attention.h  | TestAttention$/^bf16.*_5_spans | s/(i & 1)) < visible/(i \& 1)) <= visible/
scores_off_by_one   | mask       | attention((sums_)?bf16_64) | attention.h  | TestAttention$/^bf16.*_5_spans | s/bool ok = key < t.visible/bool ok = key + 1 < t.visible/
rope_offset*        | rotation   | rope                  | rope.cu      | TestHeads                  | s/(size_t)position\[row\] \* pairs/(size_t)row * pairs/
rope_sign           | rotation   | rope                  | rope.cu      | TestHeads                  | s/round_to(x \* c, round) - round_to/round_to(x * c, round) + round_to/
other_pairs         | rotation   | rope                  | rope.cu      | TestHeads                  | s/h + 2 \* j : h + j/h + j : h + j/
guidance_sign*      | loop       | step                  | step.cu      | TestGuidedStep             | s/round_to(c - u, round)/round_to(u - c, round)/
pinned_row*         | loop       | step                  | step.cu      | TestGuidedStep             | s/pinned && pinned\[row\] ? clean/pinned \&\& pinned[row \/ each] ? clean/
pinned_branch       | loop       | step                  | step.cu      | TestPinAndLines            | s/pinned\[row % each\]/pinned[row \/ each]/
first_guidance      | loop       | step                  | step.cu      | TestGuidedStep             | s/guidance\[row \/ each\]/guidance[0]/
step_twice          | loop       | step                  | step.cu      | TestOneGraph               | s/++\*step;/*step += 2;/
lost_part*          | parts      | gemm(f16)             | gemm.h       | TestLinearOfParts         | s/p < gridDim.y; p++/p + 1 < gridDim.y; p++/
own_part_first      | parts      | gemm(f16)             | gemm.h       | TestLinearOfParts          | s/part)\[tile \* count + e\]/part)[(blockIdx.y * tiles + tile) * count + e]/; s/for (unsigned p = 1; p < gridDim.y; p++) v/for (unsigned i = 1, p = (blockIdx.y + 1) % gridDim.y; i < gridDim.y; i++, p = (p + 1) % gridDim.y) v/
last_by_number      | parts      | gemm(f16)             | gemm.h       | TestLinearOfParts          | s/if (!\*last) return false;/if (blockIdx.y + 1 < gridDim.y) return false;/
lost_group          | parts      | gemm(w8_(groups_)?bf16) | gemm.h       | TestLinear$/^int8.*_bf16   | s/(tile + kTurns) \/ g.group != group/false/
lost_key_part       | parts      | attention((sums_)?bf16_64) | attention_parts.h | TestAttention$/^bf16.*Width:40 | s/p < parts; p++) UNROLL/p + 1 < parts; p++) UNROLL/
part_not_read       | parts      | attention((sums_)?bf16_64) | attention_parts.h | TestAttention$/^bf16.*Width:40 | /total\[i\] += v;/{n;n;d}
lost_wide_barrier   | barrier    | gemm(bf16)            | gemm_wide.h  | TestLinearWide$/^bf16      | /ASYNC_WAIT(kStages - 2)/{n;d}
one_wide_sum        | parts      | gemm(bf16)            | gemm_wide.h  | TestLinearWide$/^bf16      | s/sum\[h % kSets\]\[p\]\[j\], w/sum[0][p][j], w/
lost_bias*          | epilogue   | gemm(bf16)            | epilogue.h   | TestLinearRounds           | s/if (e.bias) v += e.bias\[at\];//
lost_clip           | epilogue   | gemm(bf16)            | epilogue.h   | TestLinearRounds           | s/v < -e.clip ? -e.clip : v/v/
swapped_swiglu      | epilogue   | gemm(bf16)            | gemm.h       | TestLinear$/swiglu         | s/finish_swiglu(g.epilogue, a, scaled<P>(g, sum(m, at + 8), first + at + 8, m0 + m)/finish_swiglu(g.epilogue, scaled<P>(g, sum(m, at + 8), first + at + 8, m0 + m), a/
other_gelu          | epilogue   | activation            | arithmetic.h | TestActivate               | s/0.044715f/0.0447f/
higher_id_of_ties*  | sampling   | sampling              | reduce.h     | TestSampling               | s/b.id < a.id/b.id > a.id/
penalty_of_negative | sampling   | sampling              | sampling.cu  | TestSampling               | s/v < 0.f ? v \* penalty/v > 0.f ? v * penalty/
one_more_of_top_k   | sampling   | sampling              | sampling.cu  | TestSampling               | s/block_sum(above, (int \*)scratch) < k/block_sum(above, (int *)scratch) <= k/
other_patch*        | embedding  | embedding             | embedding.cu | TestPatches                | s/ids\[row \* patch + at % patch\]/ids[row * patch + at \/ d]/
cosine_first        | embedding  | embedding             | embedding.cu | TestSinusoid               | s/&sine, &cosine/\&cosine, \&sine/
lost_shift          | embedding  | embedding             | embedding.cu | TestLatents                | s/ - shift, x_type/ + shift, x_type/
'

# reduce DIR SOURCES: leaves the kernels that the tests of a fault need, as "norm" or "gemm(bf16)"
reduce() {
  local family=${2%%(*} pattern=
  [[ $2 != *"("* ]] || { pattern=${2#*(} && pattern=${pattern%)}; }
  printf '#include "device.h"\n#include "%s.cu"\n' "$family" >"$1/kernels.cu"
  # kernels of one line, and the lines that register kernels
  [ -z "$pattern" ] || sed -i -E "/^(extern.* ${family}_.*\\}|KERNEL\\(${family}_.*)\$/{/${family}_$pattern/!d}" "$1/$family.cu"
}

# plant NAME SOURCES FILE TESTS SCRIPT: 0 if the tests fail
plant() {
  local name=$1 sources=$2 file=$3 tests=$4 script=$5 copy=$work/$1
  mkdir "$copy"
  cp kernels/cuda/*.cu kernels/cuda/*.h "$copy"
  sed -i "$script" "$copy/$file"
  ! cmp -s "$copy/$file" "kernels/cuda/$file" || { echo "$name: the sed script changes nothing in $file"; return 1; }
  reduce "$copy" "$sources"
  # the copy is searched before kernels/cuda; the go command does not know what is in it
  export CGO_CXXFLAGS="-O1 -I$copy -DMUTATION=$name"
  go test -c -o "$copy/ops.test" ./kernels/ops >"$copy/log" 2>&1 || { cat "$copy/log"; echo "$name: does not compile"; return 1; }
  if (cd kernels/ops && timeout 300 "$copy/ops.test" -test.run "$tests") >"$copy/log" 2>&1; then
    echo "$name: NOT SEEN by $tests"
    return 1
  fi
  if grep -q 'no kernel of this name' "$copy/log"; then
    grep -m 1 'no kernel of this name' "$copy/log"
    echo "$name: $tests needs other kernels than $sources"
    return 1
  fi
  echo "$name: seen: $(grep -m 1 -E '_test.go:[0-9]+:' "$copy/log" | cut -c 1-150)"
  rm -rf "$copy"
}

chosen=0
while IFS='|' read -r name class sources file tests script; do
  marked=${name//[! *]/} name=${name//[ *]/} sources=${sources// /} file=${file// /} tests=${tests// /} script=${script# }
  [ -n "$name" ] || continue
  case ${1:-} in
  '') ;;
  -short) [[ $marked == *'*'* ]] || continue ;;
  *) [[ " $* " == *" $name "* ]] || continue ;;
  esac
  chosen=$((chosen + 1))
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
  { plant "$name" "$sources" "$file" "$tests" "$script" || touch "$work/missed.$name"; } >"$work/$name.txt" 2>&1 &
done <<<"$faults"
wait
cat "$work"/*.txt
missed=$(find "$work" -name 'missed.*' | wc -l)
echo "$((chosen - missed)) of $chosen faults seen"
[ "$chosen" -gt 0 ] && [ "$missed" -eq 0 ]
