"""Losses over the batch of all ranks equal those of one process: values and gradients.

The ranks are real processes that talk by gloo, and the gradients are DDP's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from refnet_mmf import MultiSimilarityLoss, Refiner, RefinerContrastiveLoss
from refnet_mmf.core.global_batch import gather_rows, global_mean, world_size

SPLITS = {2: [(6, 6), (7, 2), (5, 0), (0, 0)], 3: [(4, 4, 4), (5, 3, 1), (4, 0, 2), (0, 0, 1)]}
DTYPES = {torch.float32: 1e-6, torch.float64: 1e-12}
WIDTH = 5


class Batch:
    """A batch with every kind of label, for twelve samples or fewer."""

    def __init__(self, rows: slice, dtype: torch.dtype) -> None:
        random = torch.Generator().manual_seed(7)
        inputs = torch.randn(12, 4, generator=random, dtype=torch.float64)
        targets = torch.randn(12, WIDTH, generator=random, dtype=torch.float64)
        self.inputs = inputs.to(dtype)[rows]
        self.targets = targets.to(dtype)[rows]
        self.classes = torch.randint(3, (12,), generator=random)[rows]
        self.label_sets = (torch.rand(12, 4, generator=random) < 0.4).float()[rows]
        self.present = (torch.rand(12, generator=random) < 0.6)[rows]


class Network(nn.Module):
    """An encoder and a refiner, whose loss is one of CASES."""

    def __init__(self, case: str, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder = nn.Linear(4, WIDTH, dtype=dtype)
        self.loss = CASES[case](self)
        self.to(dtype)

    def forward(self, batch: Batch) -> Tensor:
        loss: Tensor = self.loss(self.encoder(batch.inputs), batch)
        return loss


Loss = Callable[[Tensor, Batch], Tensor]


def _metric(labels: str, **settings: object) -> Callable[[Network], Loss]:
    loss = MultiSimilarityLoss(gather_distributed=True, **settings)  # type: ignore[arg-type]
    return lambda network: lambda fused, batch: loss(fused, getattr(batch, labels))


def _contrastive(form: str) -> Callable[[Network], Loss]:
    loss = RefinerContrastiveLoss(form=form, gather_distributed=True)
    return lambda network: lambda fused, batch: loss(fused, batch.targets)


def _refiner(loss: str, masked: bool) -> Callable[[Network], Loss]:
    def build(network: Network) -> Loss:
        network.refiner = Refiner(
            WIDTH, {"text": WIDTH}, loss=loss, weights={"text": 0.7}, gather_distributed=True
        )

        def of(fused: Tensor, batch: Batch) -> Tensor:
            mask = {"text": batch.present} if masked else None
            return network.refiner(fused, {"text": batch.targets}, mask).total

        return of

    return build


CASES: dict[str, Callable[[Network], Loss]] = {
    "multi-similarity, classes": _metric("classes"),
    "multi-similarity, no mining": _metric("classes", epsilon=None),
    "multi-similarity, label sets": _metric("label_sets"),
    "multi-similarity, equal label sets": _metric("label_sets", match="exact"),
    "contrastive, row": _contrastive("row"),
    "contrastive, column": _contrastive("column"),
    **{
        f"refiner, {loss}{', masked' if masked else ''}": _refiner(loss, masked)
        for loss, masked in itertools.product(("cosine", "mse", "contrastive"), (False, True))
    },
}


def _value_and_gradients(network: nn.Module, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    loss = network(batch)
    loss.backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None for gradient in gradients)
    return loss.detach(), gradients


def _rows(split: tuple[int, ...], rank: int) -> slice:
    return slice(sum(split[:rank]), sum(split[: rank + 1]))


def _join(rank: int, ranks: int, folder: str) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=ranks,
        timeout=timedelta(seconds=60),
    )


def _run_rank(rank: int, ranks: int, folder: str) -> None:
    torch.set_num_threads(1)
    _join(rank, ranks, folder)
    results = {}
    for case, dtype, split in itertools.product(CASES, DTYPES, SPLITS[ranks]):
        network = DistributedDataParallel(Network(case, dtype))
        batch = Batch(_rows(split, rank), dtype)
        results[case, dtype, split] = _value_and_gradients(network, batch)
    try:
        gather_rows(torch.zeros(2, 3 + rank))
    except ValueError as error:
        results["error"] = str(error)
    torch.save(results, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module", params=[2, 3], ids=["2 ranks", "3 ranks"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list:
    """What each rank has computed, for 2 ranks and for 3."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(_run_rank, (request.param, str(folder)), nprocs=request.param)
    return [torch.load(f) for f in sorted(Path(folder).glob("*.pt"))]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_ranks_compute_the_loss_and_the_gradients_of_one_process(
    results: list, case: str, dtype: torch.dtype
) -> None:
    for split in SPLITS[len(results)]:
        whole = Batch(slice(0, sum(split)), dtype)
        value, gradients = _value_and_gradients(Network(case, dtype), whole)
        tolerance = {"rtol": 0, "atol": DTYPES[dtype]}
        for rank_results in results:
            rank_value, rank_gradients = rank_results[case, dtype, split]
            torch.testing.assert_close(rank_value, value, **tolerance)
            for rank_gradient, gradient in zip(rank_gradients, gradients, strict=True):
                torch.testing.assert_close(rank_gradient, gradient, **tolerance)


def test_the_cases_have_something_to_do() -> None:
    for case, dtype in itertools.product(CASES, DTYPES):
        value, gradients = _value_and_gradients(Network(case, dtype), Batch(slice(12), dtype))
        assert value > 0.01
        assert max(gradient.abs().max() for gradient in gradients) > 0.01


def test_ranks_whose_rows_differ_in_shape_all_say_so(results: list) -> None:
    for rank_results in results:
        assert "rank 0 has float32 [B, 3], rank 1 has float32 [B, 4]" in rank_results["error"]


def test_without_a_process_group_nothing_changes() -> None:
    rows, labels = torch.randn(4, 3), torch.arange(4)
    assert world_size() == 1
    gathered = gather_rows(rows, labels)
    assert gathered[0] is rows
    assert gathered[1] is labels
    torch.testing.assert_close(global_mean(rows[:, 0]), rows[:, 0].mean())
    mask = torch.tensor([True, False, True, False])
    torch.testing.assert_close(global_mean(rows[:, 0], mask), rows[::2, 0].mean())
    assert global_mean(rows[:, 0], mask & False) == 0


def _run_rank_of_modules(rank: int, ranks: int, folder: str) -> None:
    torch.set_num_threads(1)
    _join(rank, ranks, folder)
    embeddings = torch.randn(4, 3, generator=torch.Generator().manual_seed(rank))
    # One rank has labels, the other none, not even their shape.
    labels = torch.tensor([[1, 0], [1, 0], [0, 1], [1, 1]]) if rank == 0 else torch.empty(0)
    loss = MultiSimilarityLoss(gather_distributed=True)
    value = loss(embeddings[: len(labels)], labels)
    torch.save((embeddings, labels, value), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_a_rank_without_labels_takes_part(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_run_rank_of_modules, (2, str(tmp_path)), nprocs=2)
    (embeddings, labels, first), (_, _, second) = (torch.load(tmp_path / f"{r}.pt") for r in (0, 1))
    expected = MultiSimilarityLoss()(embeddings, labels)
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, expected)
