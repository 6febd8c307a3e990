"""What a search has come to, as tables: its trials, and its choice against the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from refnet_mmf.experiments.experiment_names import MODALITIES
from refnet_mmf.experiments.grid.cell import Cell, Job
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.grid.statistics import summarize
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.tables.score_table import (
    COMPARISON,
    Column,
    compare_scores,
    count_of,
    of_shared_seeds,
    scores,
    spell,
    spell_comparison,
)
from refnet_mmf.experiments.tune.search import Trial


def trial_rows(trials: Sequence[Trial], metric: str, chosen: int | None) -> Table:
    """Return the trials in the order in which they were begun, the chosen one marked.

    Args:
        trials: of a search.
        metric: what they are judged by; values in 0..1.
        chosen: number of the chosen one; None: none is yet.
    """
    rows = []
    for trial in trials:
        state = "finished" if trial.values else "not finished"
        rows.append(
            [
                str(trial.number),
                *(f"{trial.setting.gamma[name]:g}" for name in MODALITIES),
                f"{trial.setting.zeta:g}",
                spell(summarize([100 * value for value in trial.values])),
                "chosen" if trial.number == chosen else state,
            ]
        )
    header = ["trial", *(f"gamma {name}" for name in MODALITIES), "zeta", f"{metric} val.", "state"]
    return Table("Trials of the search, validation split, per cent", header, rows)


def choice_columns(data_set: str, metrics: Sequence[str]) -> list[Column]:
    """Return what the choice and the baseline are compared by."""
    return [
        Column(f"{metric} {title}", data_set, split, metric)
        for split, title in (("val", "val."), ("test", "test"))
        for metric in metrics
    ]


def choice_rows(
    results: Mapping[Job, Result], chosen: Cell, baseline: Cell, columns: Sequence[Column]
) -> list[Table]:
    """Return the choice beside the baseline on both splits, and the paired difference."""
    found = [
        of_shared_seeds(
            {
                name: scores(results, cell, column)
                for name, cell in (("baseline", baseline), ("chosen", chosen))
            }
        )
        for column in columns
    ]
    rows = [
        [name, *(spell(summarize(list(one.get(name, {}).values()))) for one in found)]
        for name in ("baseline", "chosen")
    ]
    compared = [compare_scores(one.get("chosen", {}), one.get("baseline", {})) for one in found]
    header = ["metric", *COMPARISON]
    return [
        Table(
            "The chosen setting and the baseline, per cent",
            ["model", *(column.title for column in columns)],
            rows,
        ),
        Table(
            f"Chosen minus baseline in points, paired over seeds: {count_of(compared)} "
            "comparisons, p of each by itself (two-sided paired t-test). By the samples of the "
            "validation split, with other seeds, the choice was made",
            header,
            [[c.title, *spell_comparison(one)] for c, one in zip(columns, compared, strict=True)],
        ),
    ]
