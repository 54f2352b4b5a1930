#!/usr/bin/env bash
# Measures conversion and checking at the released sizes, and prints a table and the
# ratios to the peers. It writes a synthetic checkpoint (9.3 GB) and its artifacts
# into a folder, and removes the artifacts again.
#
#   scripts/benchmark.sh [DIR] [ROUNDS]    default: a folder in ${TMPDIR:-/tmp}, 3
#
# Every round measures every row once; the table has the fastest of each row, so
# that work beside counts as little as can be. COLAKIT_PYTHON names a Python with
# torch and safetensors: then a plain script converts the same checkpoint in every
# round, too.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-$(mktemp -d "${TMPDIR:-/tmp}/colakit-benchmark.XXXXXX")}
rounds=${2:-3}
mkdir -p "$work/bin"
go build -o "$work/bin/" ./cmd/...
PATH=$work/bin:$PATH
model=$work/model
figures=$work/figures.tsv

# run LABEL BYTES COMMAND…: notes seconds, CPU seconds, peak anonymous memory.
run() {
  local label=$1 bytes=$2; shift 2
  python3 - "$figures" "$label" "$bytes" "$@" <<'PY'
import os, subprocess, sys, threading, time
figures, label, size, command = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
begin = time.time()
child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
peak = 0
def watch():
    global peak
    while child.poll() is None:
        try:
            for line in open(f"/proc/{child.pid}/status"):
                if line.startswith("RssAnon:"):
                    peak = max(peak, int(line.split()[1]))
        except OSError:
            pass
        time.sleep(0.02)
threading.Thread(target=watch, daemon=True).start()
error = child.stderr.read().decode()
child.wait()
seconds = time.time() - begin
usage = os.times()
if child.returncode:
    sys.exit(f"{label}: {error}")
with open(figures, "a") as f:
    print(label, size, seconds, usage.children_user + usage.children_system, peak / 1024, sep="\t", file=f)
PY
}

# cached FILE…: reads files into the page cache.
cached() { cat "$@" >/dev/null; }

[ -d "$model" ] || { echo "writing the synthetic checkpoint"; colasynth --released -o "$model" >/dev/null; }
mapfile -t weights < <(find "$model" -name '*.safetensors')
size=$(cat "${weights[@]}" | wc -c)
: >"$figures"
for _ in $(seq "$rounds"); do
  run 'plan' 0 colaconv plan "$model" --no-tokenizer
  for type in f16 bf16 int8; do
    cached "${weights[@]}"
    run "convert --type $type" "$size" colaconv convert "$model" -o "$work/$type.cola" --no-tokenizer --type $type --force --progress none
    bytes=$(stat -c %s "$work/$type.cola")
    blocks=$((bytes / 4194304))
    run "dd of zeros, fsync ($type)" "$bytes" dd if=/dev/zero of="$work/zeros" bs=4M count=$blocks conv=fsync
    rm "$work/zeros"
    run "dd of zeros, direct ($type)" "$bytes" dd if=/dev/zero of="$work/zeros" bs=4M count=$blocks oflag=direct conv=fsync
    rm "$work/zeros"
    cached "$work/$type.cola"
    run "check ($type)" "$bytes" colaconv check "$work/$type.cola" --progress none
    [ $type = int8 ] || rm "$work/$type.cola"
  done
  run 'inspect (int8)' 0 colaconv inspect "$work/int8.cola"
  rm "$work/int8.cola"
  if [ -n "${COLAKIT_PYTHON:-}" ]; then
    for type in f16 int8; do
      cached "${weights[@]}"
      run "torch script, $type" "$size" "$COLAKIT_PYTHON" scripts/peer_convert.py "$model" "$work/peer" $type
      rm -rf "$work/peer"
    done
  fi
done
python3 - "$figures" <<'PY'
import sys
best = {}
for line in open(sys.argv[1]):
    label, size, *rest = line.rstrip("\n").split("\t")
    row = [float(x) for x in (size, *rest)]
    if label not in best or row[1] < best[label][1]:
        best[label] = row
print("| what | seconds | GB/s | CPU seconds | anonymous MB |\n|---|---|---|---|---|")
for label, (size, seconds, cpu, peak) in best.items():
    rate = f"{size / seconds / 1e9:.2f}" if size else ""
    print(f"| {label} | {seconds:.2f} | {rate} | {cpu:.1f} | {peak:.0f} |")
print()
for type in ("f16", "bf16", "int8"):
    ours = best[f"convert --type {type}"][1]
    for peer in (f"torch script, {type}", f"dd of zeros, fsync ({type})", f"dd of zeros, direct ({type})"):
        if peer in best:
            print(f"convert --type {type}: {ours / best[peer][1]:.2f} × the time of {peer}")
PY
rm -f "$figures"
