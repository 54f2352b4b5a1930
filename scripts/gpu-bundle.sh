#!/usr/bin/env bash
# Builds a folder to carry to a machine with a GPU that has neither Go nor network: the programs and the kernels' tests,
# built with the tag cuda, run.sh, which runs the tests there, and benchmark-gpu.sh, which does all that is to be done there.
# It needs glibc 2.34 or newer, libgcc_s and the CUDA driver.
#   scripts/gpu-bundle.sh [FOLDER]   (bin/gpu)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-bin/gpu}
mkdir -p "$out/tests"
out=$(cd "$out" && pwd)
environment=$(scripts/cuda-env.sh)
eval "$environment"
# libstdc++ goes along; without --gc-sections parts of it that nothing uses would ask for a newer glibc than 2.34
export CGO_LDFLAGS="$CGO_LDFLAGS -static-libstdc++ -Wl,--gc-sections"

go build -tags cuda -trimpath -o "$out/" ./cmd/...
for package in $(go list -tags cuda -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./kernels/...); do
  go test -c -tags cuda -trimpath -o "$out/tests/$(echo "${package#*/}" | tr / -).test" "$package"
done
for program in cola colaverify; do # the engine on the device
  go test -c -tags cuda -trimpath -o "$out/tests/cmd-$program.test" "./cmd/$program"
done
cp scripts/gpu-run.sh "$out/run.sh"
cp scripts/benchmark-gpu.sh "$out/"
mkdir -p "$out/golden" # for Python, where it is, and as a checkpoint to convert
cp -r golden/export.py golden/exporter golden/tiny "$out/golden/"
cp scripts/peer_generate.py "$out/"
scripts/nvcc.sh "$out/kernels.fatbin" >/dev/null || rm -f "$out"/kernels.fatbin* # to be compared with the PTX there
git describe --always --dirty >"$out/commit" 2>/dev/null || rm -f "$out/commit"
du -sh "$out"
