"""Where a model's fused embedding and its modalities' features are, and how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, repeat

import torch
from torch import Tensor, nn

from refnet_mmf.core.modality_tokens import ModalityTokens, read_target
from refnet_mmf.core.poolers import POOLERS
from refnet_mmf.core.taps import Tap, Taps
from refnet_mmf.plugin.features import Features


@dataclass(frozen=True)
class FusionTaps:
    """What REFINER reads of a model.

    Attributes:
        fused: the fused embedding F_emb, [B, fused_dim]; several are concatenated.
        fused_dim: its width.
        modalities: each modality's token states, upstream of the fused embedding, by its name.
        token_dims: width of each modality's token states.
        fused_tokens: of each of ``fused`` that finds token states [B, T, D], the position that is
            meant; those that are not named: 0.
    """

    fused: tuple[Tap, ...]
    fused_dim: int
    modalities: Mapping[str, ModalityTokens]
    token_dims: Mapping[str, int]
    fused_tokens: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[Tap]:
        """Yield all taps."""
        yield from self.fused
        for tokens in self.modalities.values():
            yield from tokens.taps


class FusionReader:
    """Reads the fused embedding and the targets of a model's forward call.

    Args:
        model: the model that the taps' paths start from.
        where: the taps.

    Raises:
        ValueError: a path leads to no module.
    """

    def __init__(self, model: nn.Module, where: FusionTaps) -> None:
        self.where = where
        self.taps = Taps(model, where)

    def follow(self, reading: bool) -> None:
        """Put the hooks on where the model will be read, and take them off where it will not."""
        if reading:
            self.taps.attach()
        else:
            self.taps.detach()

    def record(self) -> AbstractContextManager[None]:
        """Keep what passes by within this context."""
        return self.taps.record()

    def fused(self) -> Tensor:
        """Return the fused embedding of the recorded call, [B, fused_dim].

        Raises:
            ValueError: a tap finds no tensor of shape [B, D] or [B, T, D].
        """
        tokens = chain(self.where.fused_tokens, repeat(0))
        parts = [
            self._fused_part(tap, token)
            for tap, token in zip(self.where.fused, tokens, strict=False)
        ]
        fused = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        _check_width(self.where.fused, fused, self.where.fused_dim)
        return fused

    def target(self, modality: str, pooler: str) -> tuple[Tensor, Tensor | None]:
        """Return a modality's target, and which samples have any token of it (None: all)."""
        tokens = self.where.modalities[modality]
        target, present = read_target(self.taps, tokens, pooler)
        expected = self.where.token_dims[modality] * POOLERS[pooler].width
        _check_width(tokens.states, target, expected)
        return target, present

    def features(self, modalities: Iterable[str], pooler: str) -> Features:
        """Return what the recorded call holds for these modalities.

        Raises:
            ValueError: a tap does not find what it should.
        """
        read = {name: self.target(name, pooler) for name in modalities}
        targets = {name: target for name, (target, _) in read.items()}
        present = {name: mask for name, (_, mask) in read.items() if mask is not None}
        return Features(self.fused(), targets, present)

    def _fused_part(self, tap: Tap, token: int) -> Tensor:
        tensor = self.taps.read_tensor(tap)
        if tensor.dim() == 3 and -tensor.shape[1] <= token < tensor.shape[1]:
            return tensor[:, token]
        if tensor.dim() != 2:
            raise ValueError(
                f"tap {tap}: expected the fused embedding [B, D], or token states [B, T, D] with "
                f"a token at position {token}, got {tuple(tensor.shape)}"
            )
        return tensor


def _check_width(taps: Sequence[Tap], found: Tensor, expected: int) -> None:
    if found.shape[1] != expected:
        raise ValueError(
            f"tap {', '.join(map(str, taps))}: found a width of {found.shape[1]}, "
            f"expected {expected}, as its dim (or its last layer) says"
        )
