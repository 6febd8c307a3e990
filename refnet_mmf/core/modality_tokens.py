"""Which token states of a network belong to one modality, and their pooling into its target."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from refnet_mmf.core.messages import check_name
from refnet_mmf.core.poolers import pool_tokens
from refnet_mmf.core.taps import Tap, Taps

SIDES = ("first", "after_first", "last", "before_last", "after")


@dataclass(frozen=True)
class Keep:
    """The part of a joint sequence that is one modality's own.

    Attributes:
        side: with L the length of ``length_of``: ``first``: the first L positions;
            ``after_first``: all but these; ``last``: the last L; ``before_last``: all but these;
            ``after``: the L that follow the parts ``behind``.
        length_of: a tensor [B, L, ...] whose second dimension is that length.
        behind: with ``after``: tensors [B, L', ...] of the parts that come first.
        skip_first: positions to leave out at the start of the part (a start token).
        skip_last: positions to leave out at its end (an end token).

    Raises:
        ValueError: ``side`` is unknown.
    """

    side: str
    length_of: Tap
    behind: tuple[Tap, ...] = ()
    skip_first: int = 0
    skip_last: int = 0

    def __post_init__(self) -> None:
        check_name("Keep: side", "side", self.side, SIDES)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps that this reads."""
        return (self.length_of, *self.behind)

    def span(self, total: int, length: int, offset: int = 0) -> slice:
        """Return the positions kept of ``total``.

        Args:
            total: length of the joint sequence.
            length: that of ``length_of``.
            offset: that of all the parts ``behind``.
        """
        start, stop = {
            "first": (0, length),
            "after_first": (length, total),
            "last": (total - length, total),
            "before_last": (0, total - length),
            "after": (offset, offset + length),
        }[self.side]
        return slice(start + self.skip_first, stop - self.skip_last)


@dataclass(frozen=True)
class ModalityTokens:
    """Where one modality's token states and their mask are.

    Attributes:
        states: the layers' states [B, T, D], last layer last; or one vector a sample, [B, D].
        mask: [B, T], non-zero where a token counts, or the count of each sample's tokens, [B] or
            [B, 1]; None: all count. A mask as long as the joint sequence is cut like the states;
            one that is as long as the part is taken as it is.
        keep: the modality's own part of a joint sequence; None: the whole.
    """

    states: tuple[Tap, ...]
    mask: Tap | None = None
    keep: Keep | None = None

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps that this reads."""
        masks = () if self.mask is None else (self.mask,)
        return (*self.states, *masks, *(() if self.keep is None else self.keep.taps))


def read_target(taps: Taps, tokens: ModalityTokens, pooler: str) -> tuple[Tensor, Tensor | None]:
    """Pool a modality's token states of the recorded call into its target H_i(F_i).

    A tap on the mask may find None, where the network runs without one.

    Returns:
        The target [B, D] (or [B, 2 D]), and a bool [B] that tells which samples have any token of
        this modality; None: all do.

    Raises:
        ValueError: what the taps find has not the dimensions that are needed.
    """
    states = [_as_tokens(tokens, tap, taps.read_tensor(tap)) for tap in tokens.states]
    total = states[-1].shape[1]
    if tokens.keep is not None:
        lengths = [taps.read_tensor(tap).shape[1] for tap in tokens.keep.taps]
        span = tokens.keep.span(total, lengths[0], sum(lengths[1:]))
        states = [state[:, span] for state in states]
    if tokens.mask is None or taps.read(tokens.mask) is None:
        return pool_tokens(states, None, pooler), None
    mask = taps.read_tensor(tokens.mask)
    length = states[-1].shape[1]
    if mask.dim() == 1 or mask.shape[1:] == (1,):
        mask = token_mask(mask, length)
    elif tokens.keep is not None and mask.shape[1] == total:
        mask = mask[:, span]
    return pool_tokens(states, mask, pooler), torch.any(mask != 0, dim=1)


def token_mask(counts: Tensor, length: int) -> Tensor:
    """Return the mask [B, length] of sequences of which the first ``counts`` [B] tokens count."""
    return torch.arange(length, device=counts.device) < counts.view(-1, 1)


def _as_tokens(tokens: ModalityTokens, tap: Tap, states: Tensor) -> Tensor:
    """Return states as [B, T, D]; one vector a sample is one token."""
    if states.dim() == 2 and tokens.keep is None and tokens.mask is None:
        return states.unsqueeze(1)
    if states.dim() != 3:
        needed = "[B, D] or [B, T, D]" if states.dim() != 2 else "[B, T, D], to keep or mask parts"
        raise ValueError(
            f"tap {tap}: expected a tensor of shape {needed}, got {tuple(states.shape)}"
        )
    return states
