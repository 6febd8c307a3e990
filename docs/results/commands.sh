#!/usr/bin/env bash
# Everything that docs/results.md shows, on miniature data:
#
#     docs/results/commands.sh [FOLDER [OPTIONS]]
#
# It goes on from what is finished below the folder (results). A folder without runs begins with what
# runs.tar.xz has kept of them, which is of the versions that docs/results.md names; ANEW=1 leaves that
# aside. OPTIONS are for every table and figure of runs: --workers 4, or --dry-run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-results}
options=("${@:2}")
failed=0

# Run a command with --out; go on if it fails, but not after Ctrl-C.
run() {
  echo "refnet $*"
  local code=0
  refnet "$@" || code=$?
  test $code -ne 130 || exit 130
  test $code -eq 0 || failed=1
}

on_runs() {
  run "$@" --out "$out" "${options[@]}"
}

mkdir -p "$out"
if test ! -e "$out/runs" && test -f "$here/runs.tar.xz" && test -z "${ANEW:-}"; then
  kept=$(mktemp -d "$out/.kept-XXXXXX")
  tar --extract --xz --file "$here/runs.tar.xz" --directory "$kept"
  for part in "$kept"/*; do
    test -e "$out/$(basename "$part")" || mv "$part" "$out/"
  done
  rm -rf "$kept"
fi

# What gamma weighs on this data comes first: it tells what the others can show.
on_runs table gamma --seeds 8 --only gmu

# Where the effect is the point: 8 seeds on each of 3 miniature sets; one set after the other, so that
# embeddings are measured soon after their network is trained.
for data_seed in 0 1 2; do
  on_one="--seeds 8 --data-seeds $data_seed,"
  on_runs table probes $on_one --only labels05
  on_runs table probes $on_one --only gmu --only linear_sum --only concat
  on_runs table 1 $on_one
  on_runs table 4 $on_one --only labels05
done
on_all="--seeds 8 --data-seeds 3"
on_runs table 2 $on_all
on_runs table 1 $on_all
on_runs table 7 $on_all
on_runs figure 7 --data-set mmimdb --model gmu --labels 5,100 $on_all
on_runs figure 7 --data-set mmimdb --model concat --labels 5,100 $on_all

# The rest: 5 seeds on one set. Figures 5 and 10 read checkpoints and logs, which are not kept: where
# they are drawn already, they stay.
for table in snli-ve 3 6 4 5 a2 a5 probes a7; do
  on_runs table $table --seeds 5
  case $table in
    snli-ve) figure=5 ;;
    6) figure=10 ;;
    *) continue ;;
  esac
  test -f "$out/figures/figure_${figure}_mini.svg" || on_runs figure $figure --seeds 5
done
on_runs table gamma --seeds 8
on_runs tune mmimdb --model gmu --set refnet.labels.fraction=0.05 --gamma 0:30 --zeta 0
on_runs figure 4 --seeds 5
on_runs figure 7 --seeds 5

case " ${options[*]} " in *" --dry-run "*) exit $failed ;; esac
for figure in 8 9; do
  run figure $figure --out "$out/figures"
done
run report --out "$out" --markdown "$here/../results.md"
exit $failed
