"""Tables 1 and 7: samples found by one modality, as tables of scores; one a form of the query."""

from __future__ import annotations

from refnet_mmf.experiments.experiment_names import MOVIES, NAMES, VARIANTS
from refnet_mmf.experiments.retrieval import KS, MEANING, QUERIES
from refnet_mmf.experiments.tables.embedding_measures import SPLIT
from refnet_mmf.experiments.tables.paper_tables import gamma_cell
from refnet_mmf.experiments.tables.retrieval_scores import chance_name, score_name
from refnet_mmf.experiments.tables.score_table import Column, Row, ScoreTable

MODELS = ("gmu", "mmbt")
GAMMA = 0.2
_PAPER = {
    "image": {
        "baseline": (27.44, 42.83, 60.51, 67.02),
        "refnet": (42.67, 46.99, 58.15, 70.05),
    },
    "text": {
        "baseline": (23.30, 34.26, 49.45, 59.26),
        "refnet": (23.66, 36.40, 53.05, 63.82),
    },
}
_MODALITY = {"1": "image", "7": "text"}
TITLES = {
    name: f"retrieval on MM-IMDB by the {modality} alone" for name, modality in _MODALITY.items()
}
"""What the tables of retrieval show, by the name that ``refnet table`` takes."""


def retrieval_tables(name: str, match: str = "exact") -> list[ScoreTable]:
    """Return the parts of Table 1 (image) or 7 (text): one for each form of the query.

    Args:
        name: ``1`` or ``7``.
        match: ``exact``: a sample of the same label set is a match; ``any``: one that shares a
            label.
    """
    return [_part(name, form, match) for form in QUERIES]


def _part(name: str, form: str, match: str) -> ScoreTable:
    modality = _MODALITY[name]
    columns = [
        Column(
            f"top-{k}",
            MOVIES,
            SPLIT,
            score_name(modality, form, match, k),
            chance=chance_name(match, k),
        )
        for k in KS
    ]
    rows = []
    for model in MODELS:
        for variant, numbers in _PAPER[modality].items():
            paper = {
                column.title: (number, None)
                for column, number in zip(columns, numbers, strict=True)
            }
            title = VARIANTS[variant] + NAMES[model]
            baseline = "" if variant == "baseline" else NAMES[model]
            cell = gamma_cell(MOVIES, model, GAMMA if baseline else 0)
            rows.append(Row(title, {MOVIES: cell}, baseline, paper))
    title = f"{TITLES[name]}, query: {MEANING[form]}; a match {MEANING[match]}"
    return ScoreTable(name, title, columns, rows, _NOTES, f"query {form}")


_NOTES = (
    "Percent of the test samples for which one of the k nearest others, by cosine of their fused "
    "embeddings to the query, is a match.",
    "The paper does not say of which model these tables are, nor what a match is: its numbers "
    "stand beside each of ours. Its query is the modality's own feature, padded. Nothing in "
    "training ties that space to the fused one.",
    f"gamma is {GAMMA}, as Table 7 has it; Table 1 does not state one. In MMBT a modality's "
    "padded feature has seen the other modality; in GMU it has not.",
)
