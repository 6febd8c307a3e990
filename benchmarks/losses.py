"""The losses beside the loop of their formula, MMF main's own, and pytorch-metric-learning's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.interleaved import Ratio, interleaved_times, ratio
from benchmarks.memory import peak_mebibytes
from refnet_mmf import multi_similarity_loss, refiner_contrastive_loss

OURS = "refnet_mmf"
LOOP = "loop"
MMF_MAIN = "MMF main"
PML = "pytorch-metric-learning"
PRODUCTS = "products alone"
CLASSES = 8
ALPHA, BETA, BASE, EPSILON, MARGIN = 2.0, 50.0, 0.5, 0.1, 0.1

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        loss: which one.
        batch: samples B.
        width: features D.
        dtype: of the embeddings.
        milliseconds: that ours takes, forward and backward.
        ratios: how many times longer the others take.
        mebibytes: what ours and pytorch-metric-learning's hold at the most.
    """

    loss: str
    batch: int
    width: int
    dtype: str
    milliseconds: float
    ratios: dict[str, Ratio]
    mebibytes: dict[str, float]


def multi_similarity_by_loop(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Eq. 5 with mining, one anchor after the other."""
    rows = F.normalize(embeddings.float())
    similarity = rows @ rows.T
    indices = torch.arange(len(rows), device=rows.device)
    total = similarity.new_zeros(())
    for i, row in enumerate(similarity):
        same = targets == targets[i]
        positives, negatives = row[same & (indices != i)], row[~same]
        if len(positives) == 0 or len(negatives) == 0:
            continue
        farthest, nearest = positives.min(), negatives.max()
        positives = positives[positives - EPSILON < nearest]
        negatives = negatives[negatives + EPSILON > farthest]
        pull = torch.log1p(torch.exp(-ALPHA * (positives - BASE)).sum()) / ALPHA
        push = torch.log1p(torch.exp(BETA * (negatives - BASE)).sum()) / BETA
        total = total + pull + push
    return total / len(rows)


def refiner_contrastive_by_loop(reconstructions: Tensor, targets: Tensor) -> Tensor:
    """Eq. 4, one decoded signal after the other."""
    similarity = F.normalize(reconstructions.float()) @ F.normalize(targets.float()).T
    total = similarity.new_zeros(())
    for t, row in enumerate(similarity):
        others = torch.cat([row[:t], row[t + 1 :]])
        total = total + (others - row[t] + MARGIN).clamp(min=0).sum()
    return total / len(similarity)


def multi_similarity_contenders() -> dict[str, Loss]:
    """Implementations of the multi-similarity loss with mining, all of one value."""
    from pytorch_metric_learning.losses import MultiSimilarityLoss
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    loss, miner = MultiSimilarityLoss(ALPHA, BETA, BASE), MultiSimilarityMiner(EPSILON)

    def of_pml(embeddings: Tensor, targets: Tensor) -> Tensor:
        value: Tensor = loss(embeddings, targets, miner(embeddings, targets))
        return value

    contenders: dict[str, Loss] = {
        OURS: multi_similarity_loss,
        LOOP: multi_similarity_by_loop,
        PML: of_pml,
    }
    if (theirs := _mmf_main_loss("MSLoss")) is not None:
        module = theirs(alpha=BETA, beta=ALPHA, margin=BASE)
        contenders[MMF_MAIN] = lambda embeddings, targets: module(
            {"targets": targets}, {"fused_embedding": embeddings}
        )
    return contenders


def refiner_contrastive_contenders() -> dict[str, Loss]:
    """Implementations of the refiner-contrastive loss; MMF main's is the mean over violators."""
    contenders: dict[str, Loss] = {
        OURS: refiner_contrastive_loss,
        LOOP: refiner_contrastive_by_loop,
    }
    if (theirs := _mmf_main_loss("RefinerContrastiveLoss")) is not None:
        module = theirs(sim_thresh=MARGIN)
        contenders[MMF_MAIN] = lambda reconstructions, targets: module(
            {"targets": targets}, {"scores": reconstructions}
        )
    return contenders


LOSSES = {
    "multi-similarity": multi_similarity_contenders,
    "refiner-contrastive": refiner_contrastive_contenders,
}


def random_batch(
    loss: str, batch: int, width: int, dtype: torch.dtype, device: str
) -> tuple[Tensor, Tensor]:
    """Embeddings [B, D] that ask for a gradient, with classes [B] or decoder targets [B, D]."""
    generator = torch.Generator().manual_seed(batch + width)
    embeddings = torch.randn(batch, width, generator=generator).to(device, dtype)
    if loss == "multi-similarity":
        targets = torch.randint(CLASSES, (batch,), generator=generator).to(device)
    else:
        targets = torch.randn(batch, width, generator=generator).to(device, dtype)
    return embeddings.requires_grad_(), targets


def measure(
    batches: list[int],
    widths: list[int],
    dtypes: list[torch.dtype],
    *,
    rounds: int,
    seconds: float,
    device: str = "cpu",
) -> Iterator[Row]:
    """Time forward and backward of each loss at each size.

    Args:
        batches: samples B.
        widths: features D.
        dtypes: of the embeddings.
        rounds: measurements of each implementation at the most.
        seconds: time for one row, about.
        device: of torch.

    Yields:
        A row for each loss, width, type and batch.
    """
    for loss, contenders in LOSSES.items():
        implementations = contenders()
        for width in widths:
            for dtype in dtypes:
                for batch in batches:
                    first, second = random_batch(loss, batch, width, dtype, device)
                    steps = {
                        name: _step(function, first, second)
                        for name, function in implementations.items()
                    }
                    memory = {
                        name: peak_mebibytes(steps[name], device)
                        for name in (OURS, PML)  # a loop's allocations are too many to record
                        if name in steps
                    }
                    steps[PRODUCTS] = _products(first, second)
                    times = interleaved_times(steps, rounds=rounds, seconds=seconds)
                    ours = times.pop(OURS)
                    yield Row(
                        loss,
                        batch,
                        width,
                        str(dtype).removeprefix("torch."),
                        1000 * sorted(ours)[len(ours) // 2],
                        {name: ratio(taken, ours) for name, taken in times.items()},
                        memory,
                    )


def _step(function: Loss, first: Tensor, second: Tensor) -> Callable[[], None]:
    def step() -> None:
        first.grad = None
        torch.autograd.backward(function(first, second).sum())

    return step


def _products(first: Tensor, second: Tensor) -> Callable[[], None]:
    """All similarities [B, B], and what their gradient gives the embeddings: the least to do."""
    rows = first.detach().float()
    others = second.float() if second.dim() == 2 else rows

    def step() -> None:
        (rows @ others.T) @ others

    return step


def _mmf_main_loss(name: str) -> Any:
    """MMF main's class of that name; None where no MMF, or its other line, is importable."""
    try:
        from mmf.modules import losses
    except ImportError:
        return None
    return getattr(losses, name, None)
