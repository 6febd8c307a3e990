"""REFINER (section 3): decoders that give back, from the fused embedding, what was fused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from refnet_mmf.core.decoder import build_decoder, check_width
from refnet_mmf.core.messages import check_name, check_number
from refnet_mmf.core.precision import at_least_float32
from refnet_mmf.core.reconstruction_losses import cosine_loss, mse_loss
from refnet_mmf.core.reduction import connected_zero
from refnet_mmf.core.refiner_contrastive_loss import FORMS, RefinerContrastiveLoss

Comparison = Callable[..., Tensor]
"""Compares reconstructions [B, D] with targets [B, D], those of a mask [B] alone: a scalar."""


class LossOfReconstructions(NamedTuple):
    """What a `Refiner` can compare reconstructions with targets by.

    Attributes:
        make: makes the comparison, of ``gather_distributed`` and the loss's own settings.
        blind_to_scale: a reconstruction and its double are the same to it.
        settings: names of its own settings, which are arguments of `Refiner`.
    """

    make: Callable[..., Comparison]
    blind_to_scale: bool
    settings: tuple[str, ...] = ()


LOSSES = {
    "cosine": LossOfReconstructions(lambda **gather: partial(cosine_loss, **gather), True),
    "mse": LossOfReconstructions(lambda **gather: partial(mse_loss, **gather), False),
    "contrastive": LossOfReconstructions(RefinerContrastiveLoss, True, ("margin", "form")),
}
DEFAULT_WEIGHT = 0.1


def check_modality_name(place: str, name: object) -> None:
    """Refuse a name that a decoder can't have as a part of the model.

    Raises:
        ValueError: one line.
    """
    if not isinstance(name, str) or not name or "." in name or hasattr(nn.ModuleDict, name):
        raise ValueError(f"{place}: {name!r} can't be the name of a modality; 'text' could be")


@dataclass(frozen=True)
class RefinerOutput:
    """What a `Refiner` gives for one batch.

    Attributes:
        reconstructions: R_i = D_i(F_emb) of each modality, [B, target_dim].
        losses: L_i,ss of each modality (Eq. 3), a scalar, not weighted.
        total: sum_i gamma_i L_i,ss, a scalar; where there is nothing to do, a zero that is still
            part of the graph.
    """

    reconstructions: dict[str, Tensor]
    losses: dict[str, Tensor]
    total: Tensor


class Refiner(nn.Module):
    """One decoder a modality on the fused embedding, and the loss of what they give (Eqs. 2-4).

    It acts in training only: nothing else of the network depends on it, so it can be left out at
    inference.

    Args:
        fused_dim: width F of the fused embedding F_emb.
        target_dims: width of each modality's target H_i(F_i), by the modality's name.
        loss: ``cosine``, ``mse`` or ``contrastive``.
        weights: gamma_i by the modality's name; 0.1 for each that is not named. A modality of
            weight 0 gets no decoder, and no entry in the output.
        hidden_dims: widths of the decoders' hidden layers, at least one; None: one as wide as the
            fused embedding, or as the projection.
        projection_dim: width of a linear map of the fused embedding, which all decoders read
            instead; None: they read the fused embedding as it is.
        stop_gradient: keep the refiner's gradient out of the targets. Without it the encoders can
            lower the loss by making their features all alike.
        margin: of the contrastive loss.
        form: of the contrastive loss, ``row`` or ``column``.
        activation: of the decoders: ``gelu``, ``relu``, ``silu`` or ``tanh``.
        dropout: of the decoders.
        gather_distributed: take the batch of all ranks of the default process group, if there is
            one: the losses are those of one process with the global batch, the gradients are right
            under DDP. All ranks must call the refiner together.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an unknown loss, form, activation or modality, a weight that is negative or not
            finite, no modality, no hidden layer, or a width below 1.
    """

    def __init__(
        self,
        fused_dim: int,
        target_dims: Mapping[str, int],
        *,
        loss: str = "cosine",
        weights: Mapping[str, float] | None = None,
        hidden_dims: Sequence[int] | None = None,
        projection_dim: int | None = None,
        stop_gradient: bool = True,
        margin: float = 0.1,
        form: str = "row",
        activation: str = "gelu",
        dropout: float = 0.0,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__()
        weights = {} if weights is None else weights
        _check_modalities(target_dims, weights)
        check_name("Refiner: loss", "loss", loss, LOSSES)
        check_name("Refiner: form", "form", form, FORMS)
        check_number("Refiner: margin", margin, minimum=0)
        if not isinstance(stop_gradient, bool):
            raise TypeError(
                f"Refiner: stop_gradient: expected True or False, got {stop_gradient!r}"
            )

        self.fused_dim = fused_dim
        self.target_dims = dict(target_dims)
        self.weights = {name: float(weights.get(name, DEFAULT_WEIGHT)) for name in target_dims}
        self.loss = loss
        self.stop_gradient = stop_gradient
        self.margin = margin
        self.form = form
        self.gather_distributed = gather_distributed
        decoded = [name for name, weight in self.weights.items() if weight > 0]
        width = fused_dim if projection_dim is None else projection_dim
        check_width("Refiner: fused_dim", fused_dim)
        check_width("Refiner: projection_dim", width)
        self.projection = (
            nn.Linear(fused_dim, width) if decoded and projection_dim is not None else nn.Identity()
        )
        self.decoders = nn.ModuleDict(
            {
                name: build_decoder(
                    width,
                    target_dim,
                    [width] if hidden_dims is None else hidden_dims,
                    activation=activation,
                    dropout=dropout,
                )
                for name, target_dim in self.target_dims.items()
                if name in decoded
            }
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that have a decoder."""
        return tuple(self.decoders)

    def forward(
        self,
        fused: Tensor,
        targets: Mapping[str, Tensor],
        mask: Mapping[str, Tensor] | None = None,
    ) -> RefinerOutput:
        """Decode ``fused`` and compare what comes out with ``targets``.

        Args:
            fused: the fused embedding F_emb, [B, fused_dim].
            targets: H_i(F_i) by modality, [B, target_dim]; those of modalities without a decoder
                are not read.
            mask: by modality, bool [B]: which samples have it; None or missing: all. What a
                target holds for a sample that lacks it, even NaN, has no influence.

        Raises:
            ValueError: a modality is missing or unknown, or a shape does not fit.
        """
        mask = {} if mask is None else mask
        self._check_inputs(fused, targets, mask)
        make, _, settings = LOSSES[self.loss]
        own = {name: getattr(self, name) for name in settings}
        compare = make(gather_distributed=self.gather_distributed, **own)
        reconstructions: dict[str, Tensor] = {}
        losses: dict[str, Tensor] = {}
        total = connected_zero(at_least_float32(fused))
        projected = self.projection(fused)
        for name, decoder in self.decoders.items():
            target = targets[name].detach() if self.stop_gradient else targets[name]
            present = mask.get(name)
            if present is not None:
                present = present.bool()
                target = torch.where(present.unsqueeze(1), target, 0)
            reconstructions[name] = decoder(projected)
            losses[name] = compare(reconstructions[name], target, mask=present)
            total = total + self.weights[name] * losses[name]
        return RefinerOutput(reconstructions, losses, total)

    def extra_repr(self) -> str:
        """Settings, as they show when the module is printed."""
        weights = ", ".join(f"{name}: {weight:g}" for name, weight in self.weights.items())
        return (
            f"loss={self.loss!r}, weights={{{weights}}}, stop_gradient={self.stop_gradient}, "
            f"gather_distributed={self.gather_distributed}"
        )

    def _check_inputs(
        self, fused: Tensor, targets: Mapping[str, Tensor], mask: Mapping[str, Tensor]
    ) -> None:
        if fused.dim() != 2 or fused.shape[1] != self.fused_dim:
            raise ValueError(
                f"Refiner: expected a fused embedding [B, {self.fused_dim}], "
                f"got {tuple(fused.shape)}"
            )
        for place, given in (("targets", targets), ("mask", mask)):
            for name in given:
                check_name(f"Refiner: {place}", "modality", name, self.target_dims)
        for name in self.decoders:
            if name not in targets:
                raise ValueError(f"Refiner: targets: modality {name!r} is missing")
            expected = (len(fused), self.target_dims[name])
            if tuple(targets[name].shape) != expected:
                raise ValueError(
                    f"Refiner: targets[{name!r}]: expected shape {expected}, "
                    f"got {tuple(targets[name].shape)}"
                )
            if name in mask and mask[name].shape != fused.shape[:1]:
                raise ValueError(
                    f"Refiner: mask[{name!r}]: expected shape ({len(fused)},), "
                    f"got {tuple(mask[name].shape)}"
                )


def _check_modalities(target_dims: Mapping[str, int], weights: Mapping[str, float]) -> None:
    """Refuse names that can't be those of modalities, and weights of others or below 0.

    Raises:
        TypeError: a weight is no number, or there is no mapping of them.
        ValueError: one line.
    """
    if not isinstance(target_dims, Mapping) or not target_dims:
        raise ValueError(
            "Refiner: target_dims: expected the width of each modality's target by its name, "
            f"e.g. {{'text': 768, 'image': 2048}}, got {target_dims!r}"
        )
    for name in target_dims:
        check_modality_name("Refiner: target_dims", name)
    if not isinstance(weights, Mapping):
        raise TypeError(
            f"Refiner: weights: expected gamma by modality, e.g. {{'text': 0.1}}, got {weights!r}"
        )
    for name, weight in weights.items():
        check_name("Refiner: weights", "modality", name, target_dims)
        check_number(f"Refiner: weights[{name!r}]", weight, minimum=0)
