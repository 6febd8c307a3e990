"""Poolers: from a modality's token states to one target vector a sample (Table 5).

Each is a masked mean over the modality's own tokens of one or two of the last layers' states:

====================== ================================================= ======
pooler                 state of a token                                  width
====================== ================================================= ======
average_last           the last layer                                    D
average_last_two       mean of the last two layers                       D
average_sum_last       sum over the last layer alone: as average_last    D
average_sum_last_two   sum of the last two layers                        D
average_concat         the last two layers, second to last first         2 D
average_second_to_last the second to last layer alone                    D
====================== ================================================= ======

Under the cosine loss, which is blind to scale, ``average_sum_last_two`` is the same objective as
``average_last_two``. The authors' release reads "k from last" as the k-th layer from the end
alone, which is ``average_second_to_last`` for k = 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from refnet_mmf.core.messages import check_name
from refnet_mmf.core.precision import at_least_float32, without_autocast


class Pooler(NamedTuple):
    """One row of the table above.

    Attributes:
        layers: how many of the last layers it reads.
        combine: makes one state [B, T, width * D] of those layers' states, last layer last.
        width: width of the result as a multiple of the layers' width.
    """

    layers: int
    combine: Callable[[Sequence[Tensor]], Tensor]
    width: int = 1


POOLERS: dict[str, Pooler] = {
    "average_last": Pooler(1, lambda states: states[-1]),
    "average_last_two": Pooler(2, lambda states: (states[-2] + states[-1]) / 2),
    "average_sum_last": Pooler(1, lambda states: states[-1]),
    "average_sum_last_two": Pooler(2, lambda states: states[-2] + states[-1]),
    "average_concat": Pooler(2, lambda states: torch.cat((states[-2], states[-1]), dim=-1), 2),
    "average_second_to_last": Pooler(2, lambda states: states[-2]),
}


def pool_tokens(
    hidden_states: Sequence[Tensor], mask: Tensor | None = None, pooler: str = "average_last"
) -> Tensor:
    """Pool token states into one vector a sample (H_i of Eq. 3; Table 5).

    Args:
        hidden_states: states of the layers, last layer last, each [B, T, D]. Only the last one or
            two are read.
        mask: [B, T], non-zero where a token counts; None: all count. What stands at positions
            that do not count, even NaN, has no influence.
        pooler: a key of `POOLERS`.

    Returns:
        [B, D], or [B, 2 D] for ``average_concat``, float32 or better. A row whose mask is empty
        is zeros.

    Raises:
        ValueError: unknown pooler, too few layers, or shapes that do not fit.
    """
    check_name("pool_tokens: pooler", "pooler", pooler, POOLERS)
    chosen = POOLERS[pooler]
    if len(hidden_states) < chosen.layers:
        raise ValueError(
            f"pool_tokens: pooler {pooler!r} reads the last {chosen.layers} layers, "
            f"got {len(hidden_states)}"
        )
    states = hidden_states[-chosen.layers :]
    if any(state.dim() != 3 or state.shape != states[0].shape for state in states):
        raise ValueError(
            "pool_tokens: expected hidden states of one shape [B, T, D], "
            f"got {', '.join(str(tuple(state.shape)) for state in states)}"
        )
    with without_autocast(states[-1]):
        tokens = chosen.combine([at_least_float32(state) for state in states])
        if mask is None:
            return tokens.sum(dim=1) / max(tokens.shape[1], 1)
        if mask.shape != tokens.shape[:2]:
            raise ValueError(
                f"pool_tokens: expected a mask of shape {tuple(tokens.shape[:2])} [B, T], "
                f"got {tuple(mask.shape)}"
            )
        counts = (mask != 0).unsqueeze(-1)
        return torch.where(counts, tokens, 0).sum(dim=1) / counts.sum(dim=1).clamp(min=1)
