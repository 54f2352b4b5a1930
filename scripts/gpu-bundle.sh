#!/usr/bin/env bash
# Builds a folder to carry to a machine with a GPU that has neither Go nor network: the programs and the kernels' tests,
# built with the tag cuda, and run.sh, which runs them there. It needs glibc and the CUDA driver, nothing else.
#   scripts/gpu-bundle.sh [FOLDER]   (bin/gpu)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-bin/gpu}
mkdir -p "$out/tests"
out=$(cd "$out" && pwd)
environment=$(scripts/cuda-env.sh)
eval "$environment"
export CGO_LDFLAGS="$CGO_LDFLAGS -static-libstdc++ -static-libgcc"

go build -tags cuda -trimpath -o "$out/" ./cmd/...
for package in $(go list -tags cuda -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./kernels/...); do
  go test -c -tags cuda -trimpath -o "$out/tests/$(echo "${package#*/}" | tr / -).test" "$package"
done
cp scripts/gpu-run.sh "$out/run.sh"
git describe --always --dirty >"$out/commit" 2>/dev/null || rm -f "$out/commit"
du -sh "$out"
