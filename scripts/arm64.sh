#!/usr/bin/env bash
# Builds the programs for Linux on arm64 with a cross compiler, and runs the tests of the emulated device and short ones of
# all kernels under qemu-user: its fibers, its faults and its numbers are those of another processor there.
#   scripts/arm64.sh
# Installs g++-aarch64-linux-gnu and qemu-user by apt where they are missing and that is allowed.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/apt.sh aarch64-linux-gnu-g++ g++-aarch64-linux-gnu libc6-dev-arm64-cross || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOOS=linux GOARCH=arm64 CGO_ENABLED=1 CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++
go build -o "$work/" ./cmd/cola
for package in emulated ops; do
  go test -c -o "$work/$package.test" "./kernels/$package"
done
scripts/apt.sh qemu-aarch64 qemu-user || exit 0
for package in emulated ops; do
  # the folder of the cross compiler stands in for /
  (cd "kernels/$package" && qemu-aarch64 -L /usr/aarch64-linux-gnu "$work/$package.test" -test.short)
done
qemu-aarch64 -L /usr/aarch64-linux-gnu "$work/cola" devices
