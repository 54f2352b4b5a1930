#!/usr/bin/env bash
# Makes every generated file of the tree again; each names its generator.
set -euo pipefail
cd "$(dirname "$0")/.."
go generate ./...
