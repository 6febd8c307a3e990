"""Which token states of a network belong to one modality, and their pooling into its target."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from refnet_mmf.core.poolers import pool_tokens
from refnet_mmf.core.taps import Tap, Taps

SIDES = ("first", "last", "before_last")


@dataclass(frozen=True)
class Keep:
    """The part of a joint sequence that is one modality's own.

    Attributes:
        side: with L the length of ``length_of``: ``first``: the first L positions; ``last``: the
            last L; ``before_last``: all but the last L.
        length_of: a tensor [B, L, ...] whose second dimension is that length.
        skip_first: positions to leave out at the start of the part (a start token).
        skip_last: positions to leave out at its end (an end token).
    """

    side: str
    length_of: Tap
    skip_first: int = 0
    skip_last: int = 0

    def span(self, total: int, length: int) -> slice:
        """Return the positions kept of ``total``, where ``length_of`` has ``length``."""
        start, stop = {
            "first": (0, length),
            "last": (total - length, total),
            "before_last": (0, total - length),
        }[self.side]
        return slice(start + self.skip_first, stop - self.skip_last)


@dataclass(frozen=True)
class ModalityTokens:
    """Where one modality's token states and their mask are.

    Attributes:
        states: the layers' states [B, T, D], last layer last.
        mask: [B, T], non-zero where a token counts; None: all count. A mask as long as the joint
            sequence is cut like the states; one that is as long as the part is taken as it is.
        keep: the modality's own part of a joint sequence; None: the whole.
    """

    states: tuple[Tap, ...]
    mask: Tap | None = None
    keep: Keep | None = None

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps that this reads."""
        masks = () if self.mask is None else (self.mask,)
        lengths = () if self.keep is None else (self.keep.length_of,)
        return (*self.states, *masks, *lengths)


def read_target(taps: Taps, tokens: ModalityTokens, pooler: str) -> tuple[Tensor, Tensor | None]:
    """Pool a modality's token states of the recorded call into its target H_i(F_i).

    Returns:
        The target [B, D] (or [B, 2 D]), and a bool [B] that tells which samples have any token of
        this modality; None: all do.
    """
    states = [taps.read_tensor(tap) for tap in tokens.states]
    mask = None if tokens.mask is None else taps.read_tensor(tokens.mask)
    if tokens.keep is not None:
        total = states[-1].shape[1]
        span = tokens.keep.span(total, taps.read_tensor(tokens.keep.length_of).shape[1])
        states = [state[:, span] for state in states]
        if mask is not None and mask.shape[1] == total:
            mask = mask[:, span]
    present = None if mask is None else torch.any(mask != 0, dim=1)
    return pool_tokens(states, mask, pooler), present
