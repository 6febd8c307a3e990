"""Which samples of a batch are positives, and which negatives, of one another."""

from __future__ import annotations

import torch
from torch import Tensor

from refnet_mmf.core.messages import check_name
from refnet_mmf.core.precision import without_autocast

MATCHES = ("intersect", "exact")


def positives_and_negatives(targets: Tensor, match: str = "intersect") -> tuple[Tensor, Tensor]:
    """Tell the positive and the negative pairs of a batch from its labels.

    The number of dimensions alone says what the labels are: a vector holds one class each (three
    classes of entailment are three classes, not three labels), a matrix holds label sets.
    A sample is never its own partner; duplicates are told apart by their index, never by value.

    Args:
        targets: class indices [B], or multi-hot label sets [B, C] (an entry above 0 is a label).
        match: for label sets: ``intersect``: positive if they share a label, negative if they are
            disjoint; ``exact``: positive if they are equal, negative otherwise. A sample without
            labels has no positives either way.

    Returns:
        Two symmetric bool matrices [B, B], positives and negatives; no pair is in both.

    Raises:
        ValueError: ``match`` is unknown, or ``targets`` has neither one nor two dimensions.
    """
    check_name("targets", "match", match, MATCHES)
    if targets.dim() not in (1, 2):
        raise ValueError(
            "targets: expected class indices [B] or multi-hot label sets [B, C], "
            f"got shape {tuple(targets.shape)}"
        )
    if targets.dim() == 1:
        same = targets.unsqueeze(0) == targets.unsqueeze(1)
    else:
        with without_autocast(targets):
            labels = (targets > 0).float()
            shared = labels @ labels.T
        same = shared > 0
        if match == "exact":
            count = labels.sum(dim=1)
            same &= (shared == count.unsqueeze(0)) & (shared == count.unsqueeze(1))
    own = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    return same & ~own, ~same & ~own
