"""The table of gamma: what its size does to the scores, and to what the fused embedding keeps.

The paper looks at gamma up to 0.3, by the accuracy alone (section 4.2, Fig. 4), and at retrieval
with one gamma (Tables 1 and 7).
"""

from __future__ import annotations

from dataclasses import replace

from refnet_mmf.experiments.experiment_names import MODALITIES, MOVIES, NAMES
from refnet_mmf.experiments.grid.cell import Cell
from refnet_mmf.experiments.tables.paper_tables import (
    EACH_SEED_DRAWS,
    MICRO,
    gamma_cell,
    label_cell,
)
from refnet_mmf.experiments.tables.probe_scores import score_name
from refnet_mmf.experiments.tables.probe_table import PERCENTS, columns_of
from refnet_mmf.experiments.tables.retrieval_scores import chance_name
from refnet_mmf.experiments.tables.retrieval_scores import score_name as retrieval_name
from refnet_mmf.experiments.tables.score_table import Row, ScoreTable

NAME = "gamma"
TITLE = "what the size of gamma does, MM-IMDB"
MODELS = ("gmu", "vilbert")
GAMMAS = (0.1, 1.0, 10.0, 30.0)

_CHOICE = {"validation micro F1": MICRO.metric}
_MEASURES = {
    "micro F1": MICRO.metric,
    **{f"{modality} R^2": score_name(modality, "inputs") for modality in MODALITIES},
}
_MATCH, _K = "exact", 10
_FOUND = {
    f"by {modality}: top-{_K}": retrieval_name(modality, "fused", _MATCH, _K)
    for modality in MODALITIES
}


def gamma_tables() -> list[ScoreTable]:
    """Return a part for each model: each gamma, with all labels and with 5 % of them."""
    return [_part(model) for model in MODELS]


def _part(model: str) -> ScoreTable:
    baseline = {str(p): label_cell(MOVIES, model, "baseline", p) for p in PERCENTS}
    rows = [Row(NAMES[model], baseline)]
    for gamma in GAMMAS:
        cells = {str(percent): _cell(model, gamma, percent) for percent in PERCENTS}
        rows.append(Row(f"ReFNet-{NAMES[model]}, gamma {gamma:g}", cells, NAMES[model]))
    found = (replace(column, chance=chance_name(_MATCH, _K)) for column in columns_of(_FOUND))
    columns = [*columns_of(_CHOICE, "val"), *columns_of(_MEASURES), *found]
    return ScoreTable(NAME, TITLE, columns, rows, _NOTES, NAMES[model])


def _cell(model: str, gamma: float, percent: float) -> Cell:
    """Return ReFNet with this gamma for each modality, and this part of the labels."""
    strong = gamma_cell(MOVIES, model, gamma)
    few = label_cell(MOVIES, model, strong.variant, percent)
    return replace(
        few,
        overrides=(*few.overrides, *strong.overrides),
        label="-".join(filter(None, (few.label, strong.label))),
    )


_NOTES = (
    "gamma is that of each modality. MMF multiplies the logit_bce of label sets by the number of "
    "classes, so that gamma weighs that many times less beside it than beside a mean.",
    "Validation: the score by which a gamma would be chosen, that of the checkpoint that it chose.",
    "R^2: of the inputs, as in table probes.",
    f"By the text, or the image, alone: top-{_K} as in tables 7 and 1, query fused, the same label "
    "set.",
    EACH_SEED_DRAWS,
)
