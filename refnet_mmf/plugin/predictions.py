"""Predictions of a model, where MMF's data set writes none (MM-IMDB and SNLI-VE)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def or_scores(results: Sequence[Any], report: Mapping[str, Any]) -> list[Any]:
    """Return what the data set makes of a batch, or the scores of each sample if that is nothing.

    Args:
        results: the data set's predictions for the batch.
        report: MMF's report of it: ``scores`` [B, C], and ``targets`` if the samples have labels.

    Returns:
        A mapping for each sample: ``scores``, the logits, and ``targets``, its class or label set.
    """
    if results or "scores" not in report:
        return list(results)
    columns = {"scores": report["scores"]}
    if isinstance(report.get("targets"), Tensor) and len(report["targets"]) == len(
        report["scores"]
    ):
        columns["targets"] = report["targets"]
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]
