#!/usr/bin/env bash
# Installs a Debian package unless its program is there. Says on standard error why it cannot.
#   scripts/apt.sh PROGRAM PACKAGE…
set -euo pipefail
program=$1
shift
! command -v "$program" >/dev/null || exit 0
command -v apt-get >/dev/null || { echo "not run: no $program, and no apt-get to install it" >&2; exit 1; }
as_root=
[ "$(id -u)" = 0 ] || as_root='sudo -n'
retry=$(dirname "$0")/retry.sh
# another apt-get may be at work: wait for its lock
install=($as_root apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@")
{ "${install[@]}" || { "$retry" $as_root apt-get -q update && "$retry" "${install[@]}"; }; } >&2 ||
  { echo "not run: no $program, and apt-get cannot install $*" >&2; exit 1; }
