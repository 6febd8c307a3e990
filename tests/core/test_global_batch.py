"""Losses over the batch of all ranks equal those of one process: values and gradients.

The ranks are real processes that talk by gloo, and the gradients are DDP's.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from refnet_mmf import MultiSimilarityLoss, Refiner, RefinerContrastiveLoss
from refnet_mmf.core.global_batch import gather_objects, gather_rows, global_mean, world_size
from refnet_mmf.core.global_batch import rank as this_rank
from refnet_mmf.core.refiner import LOSSES

SPLITS = {2: [(6, 6), (7, 2), (5, 0), (0, 0)], 3: [(4, 4, 4), (5, 3, 1), (4, 0, 2), (0, 0, 1)]}
DTYPES = {torch.float32: 1e-6, torch.float64: 1e-12}
WIDTH = 5
Work = Callable[[int, int, str], None]


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
    """An encoder and a refiner, whose loss is one of CASES: of all ranks, or of this process."""

    def __init__(self, case: str, dtype: torch.dtype, *, gather: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder = nn.Linear(4, WIDTH, dtype=dtype)
        self.loss = CASES[case](self, gather)
        self.to(dtype)

    def forward(self, batch: Batch) -> Tensor:
        loss: Tensor = self.loss(self.encoder(batch.inputs), batch)
        return loss


Loss = Callable[[Tensor, Batch], Tensor]


Case = Callable[[Network, bool], Loss]


def _metric(labels: str, **settings: object) -> Case:
    def build(network: Network, gather: bool) -> Loss:
        loss = MultiSimilarityLoss(gather_distributed=gather, **settings)  # type: ignore[arg-type]
        return lambda fused, batch: loss(fused, getattr(batch, labels))

    return build


def _contrastive(form: str) -> Case:
    def build(network: Network, gather: bool) -> Loss:
        loss = RefinerContrastiveLoss(form=form, gather_distributed=gather)
        return lambda fused, batch: loss(fused, batch.targets)

    return build


def _refiner(loss: str, masked: bool) -> Case:
    def build(network: Network, gather: bool) -> Loss:
        network.refiner = Refiner(
            WIDTH, {"text": WIDTH}, loss=loss, weights={"text": 0.7}, gather_distributed=gather
        )

        def of(fused: Tensor, batch: Batch) -> Tensor:
            mask = {"text": batch.present} if masked else None
            return network.refiner(fused, {"text": batch.targets}, mask).total

        return of

    return build


CASES: dict[str, Case] = {
    "multi-similarity, classes": _metric("classes"),
    "multi-similarity, no mining": _metric("classes", epsilon=None),
    "multi-similarity, label sets": _metric("label_sets"),
    "multi-similarity, equal label sets": _metric("label_sets", match="exact"),
    "contrastive, row": _contrastive("row"),
    "contrastive, column": _contrastive("column"),
    **{
        f"refiner, {loss}{', masked' if masked else ''}": _refiner(loss, masked)
        for loss, masked in itertools.product(LOSSES, (False, True))
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


def _enter(index: int, work: Work, ranks: int, folder: str) -> None:
    """Be one of the other ranks, in a process of its own."""
    torch.set_num_threads(1)
    _join(index + 1, ranks, folder)
    work(index + 1, ranks, folder)
    dist.barrier()
    dist.destroy_process_group()


def on_ranks(ranks: int, work: Work, folder: Path) -> None:
    """Call ``work(rank, ranks, folder)`` on each rank; this process is rank 0."""
    multiprocessing.set_forkserver_preload([__name__])
    others = torch.multiprocessing.start_processes(
        _enter,
        (work, ranks, str(folder)),
        nprocs=ranks - 1,
        join=False,
        start_method="forkserver",
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _join(0, ranks, str(folder))
    try:
        work(0, ranks, str(folder))
        dist.barrier()
    except BaseException:
        for process in others.processes:
            process.kill()
        raise
    finally:
        dist.destroy_process_group()
        torch.set_num_threads(threads)
    while not others.join():
        pass


def _run_rank(rank: int, ranks: int, folder: str) -> None:
    results = {}
    for case, dtype, split in itertools.product(CASES, DTYPES, SPLITS[ranks]):
        network = DistributedDataParallel(Network(case, dtype, gather=True))
        batch = Batch(_rows(split, rank), dtype)
        results[case, dtype, split] = _value_and_gradients(network, batch)
    torch.save(results, f"{folder}/{rank}.pt")


@pytest.fixture(scope="module", params=[2, 3], ids=["2 ranks", "3 ranks"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list:
    """What each rank has computed, for 2 ranks and for 3."""
    folder = tmp_path_factory.mktemp("ranks")
    on_ranks(request.param, _run_rank, folder)
    return [torch.load(f) for f in sorted(Path(folder).glob("*.pt"))]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_ranks_compute_the_loss_and_the_gradients_of_one_process(
    results: list, case: str, dtype: torch.dtype
) -> None:
    for split in SPLITS[len(results)]:
        whole = Batch(slice(0, sum(split)), dtype)
        alone = Network(case, dtype, gather=False)
        value, gradients = _value_and_gradients(alone, whole)
        tolerance = {"rtol": 0, "atol": DTYPES[dtype]}
        for rank_results in results:
            rank_value, rank_gradients = rank_results[case, dtype, split]
            torch.testing.assert_close(rank_value, value, **tolerance)
            for rank_gradient, gradient in zip(rank_gradients, gradients, strict=True):
                torch.testing.assert_close(rank_gradient, gradient, **tolerance)


def test_the_cases_have_something_to_do() -> None:
    for case, dtype in itertools.product(CASES, DTYPES):
        alone = Network(case, dtype, gather=False)
        value, gradients = _value_and_gradients(alone, Batch(slice(12), dtype))
        assert value > 0.01
        assert max(gradient.abs().max() for gradient in gradients) > 0.01


def test_without_a_process_group_nothing_changes() -> None:
    rows, labels = torch.randn(4, 3), torch.arange(4)
    assert (world_size(), this_rank()) == (1, 0)
    assert gather_objects({"a": 1}) == [{"a": 1}]
    gathered = gather_rows(rows, labels)
    assert gathered[0] is rows
    assert gathered[1] is labels
    torch.testing.assert_close(global_mean(rows[:, 0]), rows[:, 0].mean())
    mask = torch.tensor([True, False, True, False])
    torch.testing.assert_close(global_mean(rows[:, 0], mask), rows[::2, 0].mean())
    assert global_mean(rows[:, 0], mask & False) == 0
    one = torch.tensor([False, True, False, False])
    assert global_mean(rows[:, 0], one) == rows[1, 0]


def test_the_gradient_of_a_mean_in_one_process_is_that_of_the_mean() -> None:
    values = torch.randn(5, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, False, True, True, False])
    global_mean(values, mask).backward()
    torch.testing.assert_close(values.grad, mask.double() / 3)


def _rows_of(rank: int, kind: str) -> tuple[Tensor, Tensor]:
    """Rows and labels of a rank: three, none and two; a rank without rows knows no shape either."""
    first = 10 * rank
    count = (3, 0, 2)[rank]
    if count == 0:
        return torch.empty(0, requires_grad=kind == "learnt"), torch.empty(0)
    rows = torch.arange(first, first + count * 4, dtype=torch.float64).reshape(count, 2, 2)
    return rows.requires_grad_(kind == "learnt"), torch.arange(first, first + count)


def _gather_parts(rank: int, ranks: int, folder: str) -> None:
    found = {}
    for kind in ("plain", "learnt"):
        rows, labels = _rows_of(rank, kind)
        gathered, gathered_labels = gather_rows(rows, labels)
        found[kind] = gathered.detach(), gathered_labels, gathered.requires_grad
        if kind == "learnt":
            weights = torch.arange(1.0, 6.0, dtype=torch.float64)[:, None, None]
            (gathered * weights).sum().backward()
            found["gradient"] = rows.grad
    vectors = [torch.full((rank + 1,), rank, dtype=dtype) for dtype in (torch.bool, torch.float16)]
    found["vectors"] = gather_rows(*vectors)
    found["nothing"] = gather_rows(torch.zeros(0, 3))[0]
    found["objects"] = gather_objects({"rank": rank})
    found["rank"] = this_rank(), world_size()
    values = torch.tensor([1.0, 2.0, 4.0]) * (rank + 1)
    mask = torch.tensor([True, rank == 1, False])
    found["means"] = (
        global_mean(values),
        global_mean(values, mask),
        global_mean(values, mask & False),
    )
    found["errors"] = []
    for rows in ((2, 3 + rank), (1, 2, 1 + rank), ((2,) if rank else (2, 3))):
        try:
            gather_rows(torch.zeros(rows[0], dtype=torch.int8), torch.zeros(rows))
        except ValueError as error:
            found["errors"].append(str(error))
    for wrong in ((torch.zeros(()),), (torch.zeros(1, 1, 1, 1),), (torch.zeros(2), torch.zeros(3))):
        try:
            gather_rows(*wrong)
        except ValueError as error:
            found["errors"].append(str(error))
    torch.save(found, f"{folder}/{rank}.pt")


def test_each_rank_gets_the_rows_of_all_in_their_order(tmp_path: Path) -> None:
    """Three ranks, one without rows; a gradient comes back to its own rows, times three."""
    on_ranks(3, _gather_parts, tmp_path)
    plain = [_rows_of(rank, "plain") for rank in (0, 2)]
    rows, labels = (torch.cat(parts) for parts in zip(*plain, strict=True))
    for rank in range(3):
        found = torch.load(tmp_path / f"{rank}.pt")
        for kind in ("plain", "learnt"):
            gathered, gathered_labels, learnt = found[kind]
            torch.testing.assert_close(gathered, rows, rtol=0, atol=0)
            torch.testing.assert_close(gathered_labels, labels, rtol=0, atol=0)
            assert learnt == (kind == "learnt")
        weights = {0: [3.0, 6, 9], 1: [], 2: [12.0, 15]}[rank]
        gradient = found["gradient"]
        assert len(gradient) == len(weights)
        for row, weight in zip(gradient, weights, strict=True):
            assert (row == weight).all()
        flags, halves = found["vectors"]
        assert flags.tolist() == [False, *5 * [True]] and flags.dtype == torch.bool
        assert halves.tolist() == [0, 1, 1, 2, 2, 2] and halves.dtype == torch.float16
        assert found["nothing"].shape == (0, 3)
        assert found["objects"] == [{"rank": 0}, {"rank": 1}, {"rank": 2}]
        assert found["rank"] == (rank, 3)
        means = [float(mean) for mean in found["means"]]
        assert means == pytest.approx([7 * 6 / 9, (1 + (2 + 4) + 3) / 4, 0])
        assert found["errors"] == [
            "gather_rows: rank 0 has float32 [B, 3], rank 1 has float32 [B, 4]",
            "gather_rows: rank 0 has float32 [B, 2, 1], rank 1 has float32 [B, 2, 2]",
            "gather_rows: rank 0 has float32 [B, 3], rank 1 has float32 [B]",
            "gather_rows: expected tensors [B, ...] of the same number of rows, got [()]",
            "gather_rows: expected tensors [B, ...] of the same number of rows, got [(1, 1, 1, 1)]",
            "gather_rows: expected tensors [B, ...] of the same number of rows, got [(2,), (3,)]",
        ]


def _run_rank_of_modules(rank: int, ranks: int, folder: str) -> None:
    embeddings = torch.randn(4, 3, generator=torch.Generator().manual_seed(rank))
    # One rank has labels, the other none, not even their shape.
    labels = torch.tensor([[1, 0], [1, 0], [0, 1], [1, 1]]) if rank == 0 else torch.empty(0)
    loss = MultiSimilarityLoss(gather_distributed=True)
    value = loss(embeddings[: len(labels)], labels)
    torch.save((embeddings, labels, value), f"{folder}/{rank}.pt")


def test_a_rank_without_labels_takes_part(tmp_path: Path) -> None:
    on_ranks(2, _run_rank_of_modules, tmp_path)
    (embeddings, labels, first), (_, _, second) = (torch.load(tmp_path / f"{r}.pt") for r in (0, 1))
    expected = MultiSimilarityLoss()(embeddings, labels)
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, expected)
