#!/usr/bin/env bash
# Runs on a machine with a GPU what scripts/gpu-bundle.sh built: which devices there are, then the kernels' tests.
# Prints a summary; everything else goes to the folder results. Exit code 1 if a test failed.
set -uo pipefail
cd "$(dirname "$0")"
mkdir -p results
bad=0
./cola devices | tee results/devices.txt
nvidia-smi >results/nvidia-smi.txt 2>&1 || echo 'nvidia-smi does not run here'
grep -q '^cuda:[0-9].* yes$' results/devices.txt || { echo 'no usable CUDA device: nothing can be tested' >&2; exit 1; }
for test in tests/*.test; do
  name=$(basename "$test" .test) only=
  case $name in cmd-*) only=^TestCUDA ;; esac # the rest needs no device
  if (cd tests && timeout 900 "./$name.test" -test.v -test.run "$only") >"results/$name.txt" 2>&1; then
    printf 'ok    %-28s %s\n' "$name" "$(grep -c '^ *--- PASS' "results/$name.txt") passed, $(grep -c '^ *--- SKIP' "results/$name.txt") not run"
  else
    printf 'FAIL  %-28s see results/%s.txt\n' "$name" "$name"
    bad=1
  fi
done
exit $bad
