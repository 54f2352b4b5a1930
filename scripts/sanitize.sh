#!/usr/bin/env bash
# Runs the short tests of the emulated device, of all kernels and of the engine, a whole generation with it, under
# sanitizers, each of which has to see planted mistakes, too, and to say in which kernel, block and thread.
#   scripts/sanitize.sh [address] [thread] [valgrind]    default: all; 4 minutes of two processors
# address: AddressSanitizer and UndefinedBehaviorSanitizer, overruns and misaligned vector accesses. thread: ThreadSanitizer
# with one fiber for each CUDA thread, missing barriers and fences. valgrind, where it is installed: reads of what nobody
# wrote; the engine is left out there, as valgrind takes what Go does with its memory for mistakes.
# The tests of kernels/ops fail where they leave a kernel out.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sanitizers=${*:-address thread valgrind}

# build NAME PACKAGES FLAGS…: test binaries. `go test` alone strips the symbols that reports need.
build() {
  local name=$1 packages=$2
  shift 2
  mkdir -p "$work/$name"
  for package in $packages; do
    go test -c "$@" -o "$work/$name/$package.test" "./kernels/$package"
  done
}
# tests NAME PACKAGE COMMAND…: runs them in the package's folder
tests() {
  local name=$1 package=$2
  shift 2
  (cd "kernels/$package" && EMULATED_SANITIZER=$name "$@" "$work/$name/$package.test" -test.short ${skip:+-test.skip "$skip"}) || { echo "kernels/$package fails under $name" >&2; exit 1; }
}
# planted NAME KERNEL PATTERN COMMAND…: the mistake must be reported, with its place
planted() {
  local name=$1 kernel=$2 pattern=$3
  shift 3
  (cd kernels/emulated && EMULATED_SANITIZER=$name EMULATED_PLANT=$kernel "$@" "$work/$name/emulated.test" -test.run '^TestPlanted$') >"$work/log" 2>&1 || true
  grep -m 1 -E "$pattern" "$work/log" && grep -m 1 -E "^that was kernel $kernel, block .*, thread " "$work/log" ||
    { cat "$work/log" >&2; echo "$name did not see the planted mistake of $kernel, or not where it is" >&2; exit 1; }
}

address() {
  # -asan instruments C alone, hence CGO_CXXFLAGS; setting them drops Go's own -O2 -g
  CGO_CXXFLAGS='-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined' CGO_LDFLAGS=-lubsan build address 'emulated ops engine' -asan
  for package in emulated ops engine; do tests address $package; done
  planted address bad_index use-after-poison
  planted address bad_static 'out.of.bounds'
  planted address bad_align misaligned
}

thread() {
  CGO_CXXFLAGS='-O1 -g1 -fsanitize=thread' CGO_CFLAGS=-fsanitize=thread CGO_LDFLAGS=-fsanitize=thread build thread 'emulated ops engine'
  # a Go program leaves without libtsan's exit code, so the first report has to end it
  export TSAN_OPTIONS=halt_on_error=1:exitcode=66
  for package in emulated ops engine; do tests thread $package; done
  for kernel in bad_race_quiet bad_race_blocks bad_race_warp; do
    planted thread $kernel "#0.*$kernel"
  done
}

valgrind() {
  local command=(env GODEBUG=asyncpreemptoff=1 valgrind -q --leak-check=no --error-exitcode=9 --max-stackframe=8000000 --suppressions="$top/scripts/valgrind.supp")
  if ! type -P valgrind >/dev/null; then
    echo 'not run: no valgrind'
    return
  fi
  # -tags valgrind tells it about goroutine stacks, EMULATED_VALGRIND about those of CUDA threads
  CGO_CXXFLAGS='-O1 -g1 -DEMULATED_VALGRIND' build valgrind 'emulated ops' -tags valgrind
  local skip='^TestOutOfRange$|^TestFirstFault$|^TestConformance$/^fault$' # it reports faults made on purpose in its own way
  tests valgrind emulated "${command[@]}" 2>&1 | quieter
  skip='' tests valgrind ops "${command[@]}" 2>&1 | quieter # a skipped test would end the count of kernels
  planted valgrind bad_decision uninitialised "${command[@]}"
}
quieter() { grep -v -e 'DW_FORM' -e 'When reading debug info' -e 'Serious error' || true; }

for name in $sanitizers; do
  case $name in address | thread | valgrind) ;; *) echo "usage: $0 [address] [thread] [valgrind]" >&2 && exit 2 ;; esac
  echo "== $name"
  begin=$SECONDS
  "$name"
  echo "   $((SECONDS - begin)) s"
done
