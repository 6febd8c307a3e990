"""The decoder D_i of Eq. 2: an MLP from the fused embedding to one modality's target."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from refnet_mmf.core.messages import check_name, check_number

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def build_decoder(
    fused_dim: int,
    target_dim: int,
    hidden_dims: Sequence[int],
    *,
    activation: str = "gelu",
    dropout: float = 0.0,
) -> nn.Sequential:
    """Build an MLP [B, fused_dim] -> [B, target_dim] with at least one hidden layer.

    Args:
        fused_dim: width of the fused embedding.
        target_dim: width of the modality's target.
        hidden_dims: widths of the hidden layers.
        activation: a key of `ACTIVATIONS`, after each hidden layer.
        dropout: probability, after each activation; at 0 there is no such layer, so that the
            decoder draws no random numbers.

    Raises:
        TypeError: a width is not a whole number, or ``dropout`` not a number.
        ValueError: no hidden layer, a width below 1, dropout outside [0, 1), unknown activation.
    """
    if isinstance(hidden_dims, str) or not isinstance(hidden_dims, Sequence) or not hidden_dims:
        raise ValueError(
            f"hidden_dims: expected a list of at least one width (section 3.2), got {hidden_dims!r}"
        )
    for place, width in [
        ("fused_dim", fused_dim),
        ("target_dim", target_dim),
        *((f"hidden_dims[{i}]", width) for i, width in enumerate(hidden_dims)),
    ]:
        check_width(place, width)
    check_name("activation", "activation", activation, ACTIVATIONS)
    check_number("dropout", dropout, minimum=0, below=1)

    layers: list[nn.Module] = []
    for width_in, width_out in pairwise([fused_dim, *hidden_dims]):
        layers += [nn.Linear(width_in, width_out), ACTIVATIONS[activation]()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(hidden_dims[-1], target_dim))
    return nn.Sequential(*layers)


def check_width(place: str, width: object) -> None:
    """Refuse what can't be the width of a layer.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is below 1.
    """
    if isinstance(width, bool) or not isinstance(width, int):
        raise TypeError(f"{place}: expected a whole number, got {width!r}")
    check_number(place, width, minimum=1)
