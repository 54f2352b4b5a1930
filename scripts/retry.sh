#!/usr/bin/env bash
# Runs a command that uses the network, up to three times until it succeeds.
#   scripts/retry.sh COMMAND…
for pause in 5 20; do
  "$@" && exit
  echo "retry.sh: again in $pause s: $*" >&2
  sleep "$pause"
done
exec "$@"
