#!/usr/bin/env bash
# Runs the tests of the kernels on the emulated device under sanitizers, each of which has to see planted mistakes, too.
#   scripts/sanitize.sh [PACKAGES]   (the tests of single kernels; an engine on top takes minutes and many GB)
# AddressSanitizer + UndefinedBehaviorSanitizer: overruns, misaligned vector accesses. ThreadSanitizer with one fiber for
# each CUDA thread: missing barriers and fences. valgrind, where it is installed: reads of what nobody wrote.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packages=${*:-./kernels/emulated ./kernels/ops}

# build NAME FLAGS…: the test binaries of all packages. `go test` alone strips the symbols that reports need.
build() {
  local name=$1
  shift
  mkdir -p "$work/$name"
  for package in $packages; do
    go test -c "$@" -o "$work/$name/$(basename "$package").test" "$package"
  done
}
# tests NAME COMMAND…: runs them in their packages' folders
tests() {
  local name=$1
  shift
  for package in $packages; do
    (cd "$(go list -f '{{.Dir}}' "$package")" && EMULATED_SANITIZER=$name "$@" "$work/$name/$(basename "$package").test" -test.short ${skip:+-test.skip "$skip"})
  done
}
# planted NAME KERNEL PATTERN COMMAND…: the mistake must be reported
planted() {
  local name=$1 kernel=$2 pattern=$3
  shift 3
  (cd "$top/kernels/emulated" && EMULATED_SANITIZER=$name EMULATED_PLANT=$kernel "$@" "$work/$name/emulated.test" -test.run '^TestPlanted$') >"$work/log" 2>&1 || true
  grep -m 1 -E "$pattern" "$work/log" || { cat "$work/log" >&2; echo "$name did not see the planted mistake of $kernel" >&2; exit 1; }
}

echo '== AddressSanitizer and UndefinedBehaviorSanitizer'
(
  # -asan instruments C alone, hence CGO_CXXFLAGS; setting them drops Go's own -O2 -g
  export CGO_CXXFLAGS='-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined' CGO_LDFLAGS=-lubsan
  build address -asan
)
tests address
planted address bad_index use-after-poison
planted address bad_static 'out.of.bounds'
planted address bad_align misaligned

echo '== ThreadSanitizer'
(
  export CGO_CXXFLAGS='-O1 -g1 -fsanitize=thread' CGO_CFLAGS=-fsanitize=thread CGO_LDFLAGS=-fsanitize=thread
  build thread
)
# a Go program leaves without libtsan's exit code, so the first report has to end it
export TSAN_OPTIONS=halt_on_error=1:exitcode=66
tests thread
for kernel in bad_race_quiet bad_race_blocks bad_race_warp; do
  planted thread $kernel "#0.*$kernel"
done

if ! command -v valgrind >/dev/null; then
  echo 'not run: no valgrind'
  exit
fi
echo '== valgrind'
valgrind=(valgrind -q --leak-check=no --error-exitcode=9 --max-stackframe=8000000 --suppressions="$top/scripts/valgrind.supp")
# -tags valgrind tells it about goroutine stacks, EMULATED_VALGRIND about those of CUDA threads
CGO_CXXFLAGS='-O1 -g1 -DEMULATED_VALGRIND' build valgrind -tags valgrind
export GODEBUG=asyncpreemptoff=1
skip='^TestOutOfRange$|^TestFirstFault$|^TestConformance$/^fault$' # it reports faults made on purpose in its own way
tests valgrind "${valgrind[@]}" 2>&1 | { grep -v -e 'DW_FORM' -e 'When reading debug info' -e 'Serious error' || true; }
planted valgrind bad_uninitialised uninitialised "${valgrind[@]}"
