"""What each modality holds at the network's inputs, as one vector a sample.

It is the same for every network on the same data, whatever its encoders have become: by it two
networks can be compared in what they keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from refnet_mmf.core.poolers import pool_tokens
from refnet_mmf.plugin.missing_modality import PICTURE, REGIONS

WORD_BUCKETS = 256
"""Words are counted by the remainder of their index: with a small vocabulary each by itself."""
THUMBNAIL = 8
"""Height and width, in pixels, to which a picture is averaged."""


def word_counts(batch: Any) -> Tensor | None:
    """Return how often each word piece is in each text, [B, `WORD_BUCKETS`]; padding is none.

    None: the batch has no texts as indices of a vocabulary.
    """
    ids = batch.get("input_ids", batch.get("text", None))
    if not isinstance(ids, Tensor) or ids.dim() != 2 or ids.is_floating_point():
        return None
    there = batch.get("input_mask", None)
    there = ids != 0 if there is None else there > 0
    counts = torch.zeros(len(ids), WORD_BUCKETS, device=ids.device)
    return counts.scatter_add_(1, ids.long() % WORD_BUCKETS, there.float())


def picture_vector(batch: Any) -> Tensor | None:
    """Return the mean of each sample's region features, [B, D], or its picture's thumbnail.

    Regions of zeros are padding. None: the batch has neither region features [B, R, D] nor
    pictures [B, C, H, W].
    """
    regions, pictures = batch.get(f"{REGIONS}0", None), batch.get(PICTURE, None)
    if isinstance(regions, Tensor) and regions.dim() == 3:
        return pool_tokens([regions], (regions != 0).any(dim=-1))
    if isinstance(pictures, Tensor) and pictures.dim() == 4:
        return F.adaptive_avg_pool2d(pictures.float(), THUMBNAIL).flatten(start_dim=1)
    return None


INPUTS: Mapping[str, Callable[[Any], Tensor | None]] = {
    "text": word_counts,
    "image": picture_vector,
}
"""What a modality holds, by its name."""
