#!/usr/bin/env bash
# Loads exports of the embedded model with the real Python packages.
#
#   [COLA_DLM=DIR] scripts/test-exports.sh
#
# COLA_DLM       the folder that holds the package cola_dlm; without it, and where it can't be
#                imported either, the exports are loaded by the other packages alone
# COLAKIT_PYTHON a Python with convert/export/requirements.txt; without it .venv-exports is made
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${COLAKIT_PYTHON:-}" ]; then
	export COLAKIT_PYTHON=$PWD/.venv-exports/bin/python
	if [ ! -x "$COLAKIT_PYTHON" ]; then
		echo "test-exports.sh: making .venv-exports from convert/export/requirements.txt" >&2
		python3 -m venv .venv-exports
		"$COLAKIT_PYTHON" -m pip install --quiet -r convert/export/requirements.txt
	fi
fi
"$COLAKIT_PYTHON" -c 'import torch, transformers, tokenizers, safetensors, compressed_tensors, gguf'
go test -count=1 -run '^TestPython$' -v ./convert/export
