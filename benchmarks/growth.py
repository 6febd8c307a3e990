"""How the cost of ours grows: with the batch, the modalities, the tokens and the ranks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from benchmarks.interleaved import interleaved_times, seconds_a_call
from refnet_mmf import MultiSimilarityLoss, Refiner, multi_similarity_loss, pool_tokens
from refnet_mmf.experiments.table_files import markdown_cells

WIDTH = 512
SERIES = {
    "multi-similarity, samples": (64, 128, 256, 512, 1024, 2048),
    "refiner of 64 samples, modalities": (1, 2, 4, 8),
    "pooling of 64 samples, tokens": (32, 64, 128, 256, 512),
}
RANKS = (1, 2, 4)
SHARE = 32


@dataclass(frozen=True)
class Point:
    """One number of a series: its size, and the milliseconds forward and backward."""

    series: str
    size: int
    milliseconds: float


def measure_growth(*, rounds: int, seconds: float) -> Iterator[Point]:
    """Time each size of each series, in turn; then the metric loss on several gloo ranks."""
    for series, sizes in SERIES.items():
        steps = {str(size): STEPS[series](size) for size in sizes}
        for size, times in interleaved_times(steps, rounds=rounds, seconds=seconds).items():
            yield Point(series, int(size), 1000 * sorted(times)[len(times) // 2])
    for ranks in RANKS:
        yield Point(f"multi-similarity of {SHARE} samples a rank, ranks", ranks, _on_ranks(ranks))


def _losses(samples: int) -> Callable[[], None]:
    embeddings = torch.randn(samples, WIDTH, requires_grad=True)
    labels = torch.arange(samples) % 8
    return lambda: _backward(multi_similarity_loss(embeddings, labels), embeddings)


def _refiner(modalities: int) -> Callable[[], None]:
    fused = torch.randn(64, WIDTH, requires_grad=True)
    targets = {f"m{k}": torch.randn(64, WIDTH) for k in range(modalities)}
    refiner = Refiner(WIDTH, dict.fromkeys(targets, WIDTH))
    return lambda: _backward(refiner(fused, targets).total, fused)


def _pooling(tokens: int) -> Callable[[], None]:
    layers = [torch.randn(64, tokens, WIDTH, requires_grad=True) for _ in range(2)]
    mask = torch.arange(tokens).expand(64, -1) < tokens - 3
    return lambda: _backward(pool_tokens(layers, mask, "average_last_two").sum(), *layers)


STEPS: dict[str, Callable[[int], Callable[[], None]]] = dict(
    zip(SERIES, (_losses, _refiner, _pooling), strict=True)
)


def _backward(loss: Tensor, *inputs: Tensor) -> None:
    for value in inputs:
        value.grad = None
    torch.autograd.backward(loss)


def _on_ranks(ranks: int) -> float:
    """Return the milliseconds of the gathered loss; the slowest rank's median."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = torch.zeros(ranks, dtype=torch.float64).share_memory_()  # type: ignore[no-untyped-call]
    spawn(_rank, (ranks, port, results), nprocs=ranks)  # type: ignore[no-untyped-call]
    return float(results.max())


def _rank(rank: int, ranks: int, port: int, results: Tensor) -> None:
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", address, rank=rank, world_size=ranks)
    loss = MultiSimilarityLoss(gather_distributed=True)
    embeddings = torch.randn(SHARE, WIDTH, requires_grad=True)
    labels = torch.arange(SHARE) % 8
    # As many calls on every rank: a gather waits for all of them.
    torch.set_num_threads(1)

    def step() -> None:
        _backward(loss(embeddings, labels), embeddings)

    seconds_a_call(step, 20)
    results[rank] = 1000 * sorted(seconds_a_call(step, 20) for _ in range(9))[4]
    torch.distributed.destroy_process_group()


def growth_table(points: list[Point]) -> str:
    """Return the points as a Markdown table, each beside its factor over the one before."""
    rows = []
    before: Point | None = None
    for point in points:
        known = before is not None and before.series == point.series
        factor = f"{point.milliseconds / before.milliseconds:.1f}" if known and before else "-"
        rows.append((point.series, point.size, f"{point.milliseconds:.2f}", factor))
        before = point
    return markdown_cells(("what grows", "size", "ms", "times the one before"), rows)
