"""The state of all random generators that a run draws from."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """State of the generators of Python, NumPy and torch, the latter of CPU and current GPU.

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


@contextmanager
def drawn_aside(device: torch.device) -> Iterator[None]:
    """Leave torch's generators as they were, whatever is drawn from them within this context.

    What is drawn there follows from their state, and is not what is drawn after it.

    Args:
        device: the one that is computed on, beside the CPU.
    """
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    states = [generator.get_state() for generator in generators]
    try:
        for generator, state in zip(generators, states, strict=True):
            digest = hashlib.sha256(state.numpy().tobytes()).digest()
            generator.manual_seed(int.from_bytes(digest[:7], "big"))
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, (list, tuple)) else value
