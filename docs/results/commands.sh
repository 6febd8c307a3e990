#!/usr/bin/env bash
# Everything that docs/results.md shows, on miniature data:
#
#     docs/results/commands.sh [FOLDER [OPTIONS]]
#
# It goes on from what is finished below the folder (results) and from what runs.tar.xz has kept.
# OPTIONS are for every table and figure of runs: --workers 4, or --dry-run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-results}
options=("${@:2}")
failed=0

on_runs() {
  echo "refnet $*"
  refnet "$@" --out "$out" "${options[@]}" || failed=1
}

mkdir -p "$out"
if test -f "$here/runs.tar.xz"; then
  tar --extract --xz --skip-old-files --file "$here/runs.tar.xz" --directory "$out"
fi

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

# The rest: 5 seeds on one set.
for table in 3 snli-ve 6 4 5 a2 a5 probes a7; do
  on_runs table $table --seeds 5
done
for figure in 4 5 7 10; do
  on_runs figure $figure --seeds 5
done

case " ${options[*]} " in *" --dry-run "*) exit $failed ;; esac
for figure in 8 9; do
  refnet figure $figure --out "$out/figures" || failed=1
done
refnet report --out "$out" --markdown "$here/../results.md"
exit $failed
