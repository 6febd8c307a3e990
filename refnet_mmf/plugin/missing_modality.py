"""Batches with one modality taken away, at the network's inputs.

What is left is what a network computes from the other modality alone: the query of retrieval. The
batch's own fields are replaced, so that this is the same for every model. All but these stays: the
number of regions, padding and labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refnet_mmf.plugin.errors import RefnetError

PICTURE = "image"
REGIONS = "image_feature_"
REGION_INFO = "image_info_"
BOXES = "bbox"


def without_text(batch: Any) -> Any:
    """Return a copy of a batch whose texts are empty sentences.

    Of token ids the first and the last one stay ([CLS] and [SEP]), and the mask is that of two
    tokens. A text that is a tensor of a vocabulary's indices becomes one of index 0, the padding.

    Raises:
        RefnetError: the batch has neither.
    """
    emptied = batch.copy()
    if "input_ids" in batch and "input_mask" in batch:
        ids, mask = batch["input_ids"], batch["input_mask"]
        last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
        emptied["input_ids"] = torch.zeros_like(ids)
        emptied["input_ids"][:, :2] = torch.cat([ids[:, :1], ids.gather(1, last)], dim=1)
        emptied["input_mask"] = torch.zeros_like(mask)
        emptied["input_mask"][:, :2] = 1
        if "segment_ids" in batch:
            emptied["segment_ids"] = torch.zeros_like(batch["segment_ids"])
    elif isinstance(batch.get("text"), Tensor):
        emptied["text"] = torch.zeros_like(batch["text"])
    else:
        raise RefnetError(_nothing("text", "input_ids and input_mask, or a tensor text", batch))
    return emptied


def without_image(batch: Any) -> Any:
    """Return a copy of a batch whose pictures, region features and boxes are zeros.

    A picture of zeros is one of the mean colour, since MMF's pictures are normalised.

    Raises:
        RefnetError: the batch has no pictures and no features.
    """
    emptied = batch.copy()
    found = [key for key in batch if key == PICTURE or key.startswith(REGIONS)]
    if not found:
        raise RefnetError(_nothing("picture", f"{PICTURE} or {REGIONS}0", batch))
    for key in found:
        emptied[key] = _zeros(batch[key])
    for key in batch:
        if key.startswith(REGION_INFO) and isinstance(batch[key], Mapping) and BOXES in batch[key]:
            emptied[key] = batch[key].copy()
            emptied[key][BOXES] = _zeros(batch[key][BOXES])
    return emptied


WITHOUT: Mapping[str, Callable[[Any], Any]] = {"text": without_text, "image": without_image}
"""How a modality is taken away, by its name."""


def _zeros(value: Any) -> Any:
    """Return zeros in the place of a tensor, of an array, or of each in a list."""
    if isinstance(value, Tensor):
        return torch.zeros_like(value)
    if isinstance(value, list):
        return [_zeros(item) for item in value]
    return np.zeros_like(value)


def _nothing(kind: str, wanted: str, batch: Mapping[str, Any]) -> str:
    return (
        f"a batch of dataset={batch['dataset_name']}: no {kind} to take away: expected {wanted} "
        f"(there: {', '.join(batch)})"
    )
