#!/usr/bin/env bash
# Measures conversion, checking and generation at the released sizes, and prints
# a table. It writes a synthetic checkpoint (9.3 GB) and its artifacts into a
# folder, and removes the artifacts again.
#
#   scripts/benchmark.sh [DIR]        default: a folder in ${TMPDIR:-/tmp}
#
# COLAKIT_PYTHON names a Python with torch and safetensors: then a plain script
# converts the same checkpoint beside it, in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-$(mktemp -d "${TMPDIR:-/tmp}/colakit-benchmark.XXXXXX")}
mkdir -p "$work/bin"
go build -o "$work/bin/" ./cmd/...
PATH=$work/bin:$PATH
model=$work/model

# run LABEL BYTES COMMAND…: seconds, GB/s of BYTES, CPU seconds, peak anonymous memory.
run() {
  local label=$1 bytes=$2; shift 2
  python3 - "$label" "$bytes" "$@" <<'PY'
import os, subprocess, sys, threading, time
label, size, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
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
rate = f"{size / seconds / 1e9:.2f}" if size else ""
print(f"| {label} | {seconds:.2f} | {rate} | {usage.children_user + usage.children_system:.1f} | {peak / 1024:.0f} |", flush=True)
if child.returncode:
    sys.exit(f"{label}: {error}")
PY
}

[ -d "$model" ] || { echo "writing the synthetic checkpoint"; colasynth --released -o "$model" >/dev/null; }
size=$(find "$model" -name '*.safetensors' -printf '%s\n' | awk '{s += $1} END {print s}')
cat $(find "$model" -name '*.safetensors') >/dev/null # into the page cache
echo "| what | seconds | GB/s | CPU seconds | anonymous MB |"
echo "|---|---|---|---|---|"
run 'plan' 0 colaconv plan "$model" --no-tokenizer
for type in f16 bf16 int8; do
  run "convert --type $type" "$size" colaconv convert "$model" -o "$work/$type.cola" --no-tokenizer --type $type --force --progress none
  bytes=$(stat -c %s "$work/$type.cola")
  run "dd of as many bytes, fsync" "$size" dd if=/dev/zero of="$work/zeros" bs=4M count=$((bytes / 4194304)) conv=fsync
  rm "$work/zeros"
  run "check ($type)" "$bytes" colaconv check "$work/$type.cola" --progress none
done
run 'inspect (int8)' 0 colaconv inspect "$work/int8.cola"
if [ -n "${COLAKIT_PYTHON:-}" ]; then
  for type in f16 int8; do
    run "torch script, $type" "$size" "$COLAKIT_PYTHON" scripts/peer_convert.py "$model" "$work/peer" $type
    rm -rf "$work/peer"
  done
fi
rm -f "$work"/*.cola
