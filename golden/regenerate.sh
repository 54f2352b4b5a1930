#!/usr/bin/env bash
# Regenerates the committed bundles under golden/bundles (or in the folder given as $1).
#
#   COLA_DLM=DIR golden/regenerate.sh [OUT]
#
# COLA_DLM       the folder that holds the package cola_dlm, unless it can be imported without
# COLAKIT_PYTHON a Python with golden/requirements.txt; without it .venv is made
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/bundles}")
cd "$(dirname "$0")"
python=${COLAKIT_PYTHON:-../.venv/bin/python}
work=

main() {
	prepare
	mkdir -p "$out"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	# The limits keep the four bundles together below 20 MB; every run has three blocks.
	local ops=(tiny/bundle_ops.jsonl --taps ops --steps 2 --block-limit 2)
	local layers=(tiny/bundle_layers.jsonl --taps layers --steps 16)
	export_to "$out/exact-ops" exact "${ops[@]}"
	export_to "$out/exact-layers" exact "${layers[@]}" --block-limit 2
	export_to "$out/released-ops" released "${ops[@]}"
	export_to "$out/released-layers" released "${layers[@]}"
	add_floors "$out/released-ops" "${ops[@]}"
	add_floors "$out/released-layers" "${layers[@]}"
}

prepare() {
	if [ -z "${COLAKIT_PYTHON:-}" ] && [ ! -x "$python" ]; then
		echo "regenerate.sh: making .venv from golden/requirements.txt" >&2
		python3 -m venv ../.venv
		"$python" -m pip install --quiet -r requirements.txt
	fi
	unset COLA_INFER_PER_SAMPLE_NOISE_SEED
}

# export_to OUT CONTRACT PROMPTS SETTING...
export_to() {
	local to=$1 contract=$2 prompts=$3
	shift 3
	"$python" export.py --model tiny --prompts "$prompts" --out "$to" --contract "$contract" \
		--device cpu --portable --max-new-tokens 12 "$@"
}

# add_floors BUNDLE PROMPTS SETTING...: the difference to the other attention backend and to batches of one.
add_floors() {
	local bundle=$1 prompts=$2
	shift 2
	export_to "$work/sdpa" released "$prompts" "$@" --attention sdpa
	local variations=(--with "$work/sdpa") parts=() line
	if [ "$(wc -l <"$prompts")" -gt 1 ]; then
		while IFS= read -r line; do
			printf '%s\n' "$line" >"$work/one.jsonl"
			parts+=("$work/part${#parts[@]}")
			export_to "${parts[-1]}" released "$work/one.jsonl" "$@"
		done <"$prompts"
		variations+=(--with "${parts[@]}")
	fi
	"$python" floors.py "$bundle" "${variations[@]}"
}

main
