"""What the paper claims, and the comparisons of its tables that speak for or against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refnet_mmf.experiments.experiment_names import MODALITIES
from refnet_mmf.experiments.grid.cell import Job
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.grid.statistics import Comparison
from refnet_mmf.experiments.retrieval import KS, QUERIES
from refnet_mmf.experiments.tables import probe_table
from refnet_mmf.experiments.tables.score_table import ScoreTable, compare_gains, comparison_of


@dataclass(frozen=True)
class Claim:
    """A statement of the paper.

    Attributes:
        text: what it says.
        where: its section.
        table: the table whose comparisons test it.
        pairs: method and what it is compared with, by the titles of the table's rows.
        columns: titles of the columns that count; of two titles, the gain in the first counts,
            less the gain in the second.
        part: of a table in several parts, which one.
    """

    text: str
    where: str
    table: str
    pairs: Sequence[tuple[str, str]]
    columns: Sequence[str | tuple[str, str]]
    part: str = ""


_F1 = ("macro F1 test", "micro F1 test")
_FEW_LABELS = ("5 % macro F1 test", "5 % micro F1 test")
_TRANSFORMERS = ("ViLBERT", "MMBT")


def _on(prefix: str, models: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((f"{prefix}{model}", model) for model in models)


CLAIMS = (
    Claim(
        "ReFNet improves GMU, LinearSum and Concat on MM-IMDB",
        "section 5, Table 2",
        "2",
        _on("ReFNet-", ("GMU", "LinearSum", "Concat")),
        _F1,
    ),
    Claim(
        "ReFNet improves ViLBERT and MMBT on MM-IMDB",
        "section 5, Table 3",
        "3",
        _on("ReFNet-", _TRANSFORMERS),
        _F1,
    ),
    Claim(
        "ReFNet improves the AUROC of ViLBERT and MMBT on Hateful Memes",
        "section 5, Table 3",
        "3",
        _on("ReFNet-", _TRANSFORMERS),
        ("AUROC test",),
    ),
    Claim(
        "ReFNetMS improves the AUROC of ViLBERT and MMBT on Hateful Memes",
        "section 5, Table 3",
        "3",
        _on("ReFNetMS-", _TRANSFORMERS),
        ("AUROC test",),
    ),
    Claim(
        "The metric loss adds to REFINER",
        "section 1, Table 3",
        "3",
        tuple((f"ReFNetMS-{model}", f"ReFNet-{model}") for model in _TRANSFORMERS),
        ("AUROC test", *_F1),
    ),
    Claim(
        "ReFNetMS improves ViLBERT on SNLI-VE",
        "section 5",
        "snli-ve",
        _on("ReFNetMS-", ("ViLBERT",)),
        ("accuracy test",),
    ),
    Claim(
        "With 5 % of the labels ReFNet improves the AUROC on Hateful Memes",
        "section 6, Table 4",
        "4",
        _on("ReFNet-", _TRANSFORMERS),
        ("5 % AUROC test",),
    ),
    Claim(
        "With 5 % of the labels ReFNet improves both F1 on MM-IMDB",
        "section 6, Table 6",
        "6",
        _on("ReFNet-", _TRANSFORMERS),
        _FEW_LABELS,
    ),
    Claim(
        "The fewer the labels, the larger the gain: 5 % against 20 %, MM-IMDB",
        "section 7, Table 6",
        "6",
        _on("ReFNet-", _TRANSFORMERS),
        tuple((few, few.replace("5 %", "20 %")) for few in _FEW_LABELS),
    ),
    Claim(
        "The fewer the labels, the larger the gain: 5 % against 20 %, Hateful Memes",
        "section 7, Table 4",
        "4",
        _on("ReFNet-", _TRANSFORMERS),
        (("5 % AUROC test", "20 % AUROC test"),),
    ),
    *(
        Claim(
            f"ReFNet finds more by the {modality} alone, query: {form}",
            where,
            table,
            _on("ReFNet-", ("GMU", "MMBT")),
            tuple(f"top-{k}" for k in KS),
            f"query {form}",
        )
        for modality, where, table in (
            ("image", "section 4.2, Table 1", "1"),
            ("text", "A.8, Table 7", "7"),
        )
        for form in QUERIES
    ),
    Claim(
        "The fused embedding keeps more of each modality with REFINER",
        "section 1",
        probe_table.NAME,
        _on("ReFNet-", ("GMU", "LinearSum", "Concat", "ViLBERT", "MMBT")),
        tuple(probe_table.column_title(100, f"{name} R^2") for name in MODALITIES),
    ),
    Claim(
        "Targets of the last two layers are better than of the last alone",
        "section 6, Table 5",
        "5",
        (
            ("average last two layers", "average last layer"),
            ("average sum last two layers", "average last layer"),
        ),
        _F1,
    ),
    Claim(
        "The contrastive loss lags behind the cosine loss",
        "A.2",
        "a2",
        (("ReFNet-MMBT, cosine", "ReFNet-MMBT, contrastive"),),
        _F1,
    ),
    Claim(
        "ReFNet improves where one modality alone means something",
        "section 4.2, A.5",
        "a5",
        (("ReFNet-MMBT", "MMBT"),),
        ("text alone: macro F1 test", "text alone: micro F1 test", "image alone: micro F1 test"),
    ),
)

Results = Mapping[str, Mapping[Job, Result]]
"""What is finished, by a table's name."""


def claim_rows(tables: Mapping[str, Sequence[ScoreTable]], results: Results) -> list[list[str]]:
    """Return a row for each claim: its text, where it stands, what was seen, by what.

    Args:
        tables: the parts of each table, by its name.
        results: their finished runs.
    """
    rows = []
    for claim in CLAIMS:
        table = next(part for part in tables[claim.table] if part.part == claim.part)
        compared = comparisons_of(claim, table, results.get(claim.table, {}))
        rows.append([claim.text, claim.where, verdict(compared), evidence(compared)])
    return rows


def comparisons_of(
    claim: Claim, table: ScoreTable, results: Mapping[Job, Result]
) -> list[Comparison]:
    """Return the comparisons that test a claim, each paired over seeds."""
    columns = {column.title: column for column in table.columns}
    found = []
    for method, against in claim.pairs:
        own, baseline = table.row(method), table.row(against)
        for title in claim.columns:
            if isinstance(title, str):
                found.append(comparison_of(own, baseline, columns[title], results))
            else:
                few, many = title
                found.append(compare_gains(own, baseline, (columns[few], columns[many]), results))
    return found


def verdict(compared: Sequence[Comparison]) -> str:
    """Judge a claim by its comparisons: by which side of 0 their 95 % intervals lie on."""
    known = [c for c in compared if not math.isnan(c.low)]
    if not known:
        return "too few pairs" if any(c.count for c in compared) else "not run"
    if len(known) < len(compared):
        return "in part run"
    gains, losses = sum(c.low > 0 for c in known), sum(c.high < 0 for c in known)
    if gains == len(known):
        return "seen here"
    if gains and not losses:
        return "seen here in part"
    return "the opposite seen here" if losses > gains else "not seen here"


def evidence(compared: Sequence[Comparison]) -> str:
    """Word how many intervals lie above 0 and below, and the range of the differences."""
    known = [c for c in compared if not math.isnan(c.low)]
    if not known:
        most = max((c.count for c in compared), default=0)
        return f"{most} pair of runs; an interval needs two or more" if most else "-"
    gains, losses = sum(c.low > 0 for c in known), sum(c.high < 0 for c in known)
    differences = [c.difference for c in known]
    return (
        f"{gains} of {len(known)} above 0, {losses} below; difference "
        f"{min(differences):+.2f} to {max(differences):+.2f} points; "
        f"{min(c.count for c in known)} pairs"
    )
