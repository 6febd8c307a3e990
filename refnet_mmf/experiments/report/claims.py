"""What the paper claims, and the comparisons of its tables that speak for or against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refnet_mmf.experiments.experiment_names import MODALITIES
from refnet_mmf.experiments.retrieval import KS, QUERIES
from refnet_mmf.experiments.tables import probe_table


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
    *(
        Claim(
            f"The fused embedding keeps more of each modality with REFINER{labels}",
            "section 1",
            probe_table.NAME,
            _on("ReFNet-", models),
            tuple(probe_table.column_title(percent, f"{name} R^2") for name in MODALITIES),
            "inputs",
        )
        for labels, percent, models in (
            ("", 100, ("GMU", "LinearSum", "Concat", *_TRANSFORMERS)),
            (", 5 % of the labels", 5, _TRANSFORMERS),
        )
    ),
    Claim(
        "Targets of the last two layers are better than of the last alone",
        "section 6, Table 5",
        "5",
        (("average last two layers", "average last layer"),),
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
