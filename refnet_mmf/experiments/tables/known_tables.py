"""All tables of scores by name: their parts, and what has to be measured of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from refnet_mmf.experiments.tables import gamma_table, probe_table
from refnet_mmf.experiments.tables.embedding_measures import EmbeddingMeasure
from refnet_mmf.experiments.tables.paper_tables import TABLES
from refnet_mmf.experiments.tables.probe_scores import PROBES
from refnet_mmf.experiments.tables.retrieval_scores import RETRIEVAL
from refnet_mmf.experiments.tables.retrieval_tables import TITLES as RETRIEVAL_TITLES
from refnet_mmf.experiments.tables.retrieval_tables import retrieval_tables
from refnet_mmf.experiments.tables.score_table import ScoreTable


class MeasuredTable(NamedTuple):
    """A table of what is measured of its runs' embeddings.

    Attributes:
        title: what it shows.
        measures: what it needs, beside the scores that the runs leave.
        parts: makes its parts, of the rule of matching.
    """

    title: str
    measures: tuple[EmbeddingMeasure, ...]
    parts: Callable[[str], list[ScoreTable]]


MEASURED: Mapping[str, MeasuredTable] = {
    **{
        name: MeasuredTable(title, (RETRIEVAL,), partial(retrieval_tables, name))
        for name, title in RETRIEVAL_TITLES.items()
    },
    probe_table.NAME: MeasuredTable(
        probe_table.TITLE, (PROBES,), lambda match: probe_table.probe_tables()
    ),
    gamma_table.NAME: MeasuredTable(
        gamma_table.TITLE, (PROBES, RETRIEVAL), lambda match: gamma_table.gamma_tables()
    ),
}

SCORE_TABLES: Mapping[str, str] = {
    **{name: make().title for name, make in TABLES.items()},
    **{name: table.title for name, table in MEASURED.items()},
}
"""What each table of scores shows, by the name that ``refnet table`` takes."""


def measures_of(name: str) -> tuple[EmbeddingMeasure, ...]:
    """Return what a table needs of its runs' embeddings, beside the scores that the runs leave."""
    return MEASURED[name].measures if name in MEASURED else ()


def parts_of(name: str, match: str = "exact") -> list[ScoreTable]:
    """Return the parts of a table.

    Args:
        name: a key of `SCORE_TABLES`.
        match: of tables of retrieval: ``exact`` or ``any``.
    """
    return MEASURED[name].parts(match) if name in MEASURED else [TABLES[name]()]
