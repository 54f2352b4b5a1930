#!/usr/bin/env bash
# All that is to be done on a machine with a GPU, with one command: loads the PTX and runs the kernels' tests, verifies the
# CUDA engine against the embedded goldens, compares code of nvcc with code of clang, verifies against goldens exported under
# the real released contract where PyTorch with CUDA is, and measures generation, the public package beside it.
#   scripts/benchmark-gpu.sh [WORK]     in the tree: builds what it needs first (scripts/gpu-bundle.sh)
#   ./benchmark-gpu.sh [WORK]           in a folder that scripts/gpu-bundle.sh made: needs neither Go nor network
# WORK takes 9 GB for a checkpoint of the released shapes with made-up weights (default: a folder in ${TMPDIR:-/tmp}).
# COLAKIT_PYTHON names a Python with torch and the public package (COLA_DLM=DIR: where that is). TINY=1 leaves out the
# released shapes, UNTESTED=1 the kernels' tests. What is printed, and more, is kept in results/. Exit code 1: something failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -x "$here/cola" ]; then
  (cd "$here/.." && scripts/gpu-bundle.sh) || exit 1
  here=$here/../bin/gpu
fi
cd "$here"
work=${1:-$(mktemp -d "${TMPDIR:-/tmp}/colakit-gpu.XXXXXX")}
mkdir -p results "$work"
bad=0

# attempt NAME COMMAND…: keeps the output in results/NAME.txt and says how it went
attempt() {
  local name=$1
  shift
  if "$@" >"results/$name.txt" 2>"results/$name.log"; then
    echo "ok    $name"
  else
    echo "FAIL  $name: exit code $?, $(tail -n 1 "results/$name.log")"
    bad=1
    return 1
  fi
}
# measure NAME ARGUMENTS…: a benchmark, printed
measure() {
  local name=$1
  shift
  attempt "bench-$name" ./cola bench "$@" --progress none && sed 's/^/      /' "results/bench-$name.txt"
  return 0
}

echo '== the device, and the kernels on it'
./cola devices | tee results/devices.txt
grep -q '^cuda:[0-9].* yes$' results/devices.txt || { echo 'no usable CUDA device: nothing can be run' >&2; exit 1; }
[ -n "${UNTESTED:-}" ] || ./run.sh || bad=1

echo '== the verifier'
attempt verify-f32 ./colaverify --layerwise tiny --engine cuda --progress none
for type in f16 bf16 int8 int8-g32; do
  attempt convert-$type ./colaconv convert golden/tiny -o "$work/tiny-$type.cola" --type $type --force --progress none &&
    attempt verify-$type ./colaverify --layerwise "$work/tiny-$type.cola" --engine cuda --progress none
done
attempt verify-int8-int8 ./colaverify --layerwise "$work/tiny-int8.cola" --activations int8 --engine cuda --progress none

echo '== code of nvcc against code of clang'
# nvcc_agrees NAME MODEL: the same tokens, and the verifier as satisfied; how many of its figures are the same to the last digit is printed
nvcc_agrees() {
  local name=$1 model=$2 by
  for by in clang nvcc; do
    [ $by = clang ] && unset COLAKIT_KERNELS || export COLAKIT_KERNELS=$PWD/kernels.fatbin
    attempt $by-tokens-$name ./cola generate "$model" --input golden/tiny/prompts.jsonl --output "$work/$by-$name.jsonl" --engine cuda --progress none &&
      attempt $by-verify-$name ./colaverify --layerwise "$model" --engine cuda --csv "results/$by-figures-$name.csv" --progress none ||
      { unset COLAKIT_KERNELS && return 1; }
  done
  unset COLAKIT_KERNELS
  attempt nvcc-agrees-$name cmp "$work/clang-$name.jsonl" "$work/nvcc-$name.jsonl"
  echo "      $(diff "results/clang-figures-$name.csv" "results/nvcc-figures-$name.csv" | grep -c '^<') of $(wc -l <"results/clang-figures-$name.csv") figures differ"
}
compiler=$(grep -o '[0-9]*' kernels.fatbin.txt 2>/dev/null | head -n 1)
driver=$(./cola devices --json | grep -o '"driver":"[0-9]*' | grep -o '[0-9]*$' | head -n 1)
if [ -z "$compiler" ]; then
  echo 'not run: the folder was made without nvcc'
elif [ "${driver:-0}" -lt "$compiler" ]; then
  echo "not run: a driver of CUDA $driver does not load code of nvcc $compiler"
else
  nvcc_agrees f32 tiny
  for type in f16 int8; do
    [ ! -e "$work/tiny-$type.cola" ] || nvcc_agrees $type "$work/tiny-$type.cola"
  done
fi

python=${COLAKIT_PYTHON:-}
if [ -n "$python" ] && ! "$python" -c 'import torch; raise SystemExit(not torch.cuda.is_available())' 2>/dev/null; then
  echo "not run: $python has no torch with CUDA"
  python=
fi
if [ -n "$python" ]; then
  echo '== the real released contract'
  attempt export-released "$python" golden/export.py --model golden/tiny --prompts golden/tiny/prompts.jsonl --device cuda --contract released \
    --max-new-tokens 8 --out results/golden-cuda-released &&
    for engine in cuda reference; do
      attempt verify-cuda-golden-$engine ./colaverify --layerwise tiny --golden results/golden-cuda-released --engine $engine --progress none
    done
else
  echo 'not run: goldens under the real released contract, and the public package beside; COLAKIT_PYTHON names no Python with torch and CUDA'
fi

echo '== speed'
measure tiny tiny --engine reference,cuda
if [ -z "${TINY:-}" ]; then
  for batch in 1 64; do
    for contract in exact released; do
      measure f16-$contract-$batch --released --engine cuda --batch $batch --contract $contract
    done
  done
  [ -d "$work/model" ] || attempt synth ./colasynth --released --dtype bf16 --tokenizer golden/tiny/tokenizer.json -o "$work/model"
  if attempt convert-released ./colaconv convert "$work/model" -o "$work/int8.cola" --type int8 --ada table --force --progress none; then
    for batch in 1 64; do
      measure int8-$batch "$work/int8.cola" --engine cuda --batch $batch
      measure int8-int8-$batch "$work/int8.cola" --engine cuda --batch $batch --activations int8
    done
  fi
fi
if [ -n "$python" ]; then
  model=golden/tiny
  [ -n "${TINY:-}" ] || model=$work/model
  for batch in 1 64; do
    attempt peer-$batch "$python" peer_generate.py --model "$model" --prompts golden/tiny/prompts.jsonl --device cuda --batch $batch --max-new-tokens 32 --runs 4 &&
      sed "s/^/      public package, batch $batch, 32 tokens: /" results/peer-$batch.txt
  done
fi
exit $bad
