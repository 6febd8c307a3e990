"""The state of all random generators that a run draws from."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """State of the generators of Python, NumPy and torch, the latter for each device.

    As a mapping it holds tensors and plain containers alone, which torch loads as plain data.
    """

    python: tuple[Any, ...]
    numpy: tuple[Any, ...]
    cpu: Tensor
    cuda: Tensor | None

    @classmethod
    def now(cls) -> RandomState:
        """Return the present state."""
        name, keys, *rest = np.random.get_state(legacy=True)
        return cls(
            python=random.getstate(),
            numpy=(name, np.asarray(keys).tolist(), *rest),
            cpu=torch.get_rng_state(),
            cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> RandomState:
        """Return the state that `as_mapping` gave."""
        return cls(**mapping)

    def as_mapping(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return dict(vars(self))

    def restore(self) -> None:
        """Put the generators into this state."""
        random.setstate(_as_tuple(self.python))
        name, keys, *rest = self.numpy
        np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
        torch.set_rng_state(self.cpu.cpu())
        if self.cuda is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.cuda.cpu())


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, (list, tuple)) else value
