#!/usr/bin/env bash
# Puts what the finished runs and searches below a folder have come to (JSON; no logs, no
# checkpoints), and the drawn figures, into runs.tar.xz, from which commands.sh goes on elsewhere:
#
#     docs/results/keep.sh FOLDER
set -euo pipefail
kept=$(cd "$(dirname "$0")" && pwd)/runs.tar.xz
cd "$1"
list=$(mktemp)
trap 'rm -f "$list" "$kept.new"' EXIT
find runs -name result.json -printf '%h\n' | sort | while read -r folder; do
  find "$folder" -maxdepth 1 '(' -name run.json -o -name result.json -o -name '*_test.json' ')' | sort
done > "$list"
runs=$(grep -c '/result.json$' "$list") || { echo "$1: no finished run below it" >&2; exit 1; }
find runs -name 'round-*.json' | sort >> "$list"
test ! -d tune || find tune -name '*.json' | sort >> "$list"
test ! -d figures || find figures -name 'figure_*' | sort >> "$list"
tar --create --xz --file "$kept.new" --mtime=@0 --owner=0 --group=0 --numeric-owner --files-from "$list"
mv "$kept.new" "$kept"
echo "kept: $runs finished runs in $kept"
