"""Same seed, same bytes: random streams with a name, and PyTorch made repeatable for a while."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np


def stream(seed: int, *purpose: str) -> np.random.Generator:
    """Return the random stream of ``seed`` for a purpose.

    Streams of other purposes are independent of it, so that drawing more from one leaves the
    others as they were.
    """
    return np.random.default_rng([seed, zlib.crc32("/".join(purpose).encode())])


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    """Return one of ``options``, each as likely as the others."""
    return options[int(rng.integers(len(options)))]


@contextmanager
def repeatable_torch(seed: int) -> Iterator[None]:
    """Run PyTorch seeded, on one thread, with deterministic algorithms; restore all afterwards.

    One thread, because the order of a parallel sum, and with it the last bits of every weight,
    depends on the number of threads.
    """
    import torch

    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.set_num_threads(threads)
