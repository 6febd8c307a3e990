"""All tables of scores by name: their parts, and what has to be measured of their runs."""

from __future__ import annotations

from collections.abc import Mapping

from refnet_mmf.experiments.tables import gamma_table, probe_table
from refnet_mmf.experiments.tables.embedding_measures import EmbeddingMeasure
from refnet_mmf.experiments.tables.paper_tables import TABLES
from refnet_mmf.experiments.tables.probe_scores import PROBES
from refnet_mmf.experiments.tables.retrieval_scores import RETRIEVAL
from refnet_mmf.experiments.tables.retrieval_tables import TITLES as RETRIEVAL_TITLES
from refnet_mmf.experiments.tables.retrieval_tables import retrieval_tables
from refnet_mmf.experiments.tables.score_table import ScoreTable

SCORE_TABLES: Mapping[str, str] = {
    **{name: make().title for name, make in TABLES.items()},
    **RETRIEVAL_TITLES,
    probe_table.NAME: probe_table.TITLE,
    gamma_table.NAME: gamma_table.TITLE,
}
"""What each table of scores shows, by the name that ``refnet table`` takes."""

MEASURES: Mapping[str, EmbeddingMeasure] = {
    **dict.fromkeys(RETRIEVAL_TITLES, RETRIEVAL),
    probe_table.NAME: PROBES,
    gamma_table.NAME: PROBES,
}
"""What a table needs of its runs' embeddings, beside the scores that the runs leave."""


def parts_of(name: str, match: str = "exact") -> list[ScoreTable]:
    """Return the parts of a table.

    Args:
        name: a key of `SCORE_TABLES`.
        match: of tables of retrieval: ``exact`` or ``any``.
    """
    if name in RETRIEVAL_TITLES:
        return retrieval_tables(name, match)
    if name == probe_table.NAME:
        return [probe_table.probe_table()]
    if name == gamma_table.NAME:
        return gamma_table.gamma_tables()
    return [TABLES[name]()]
