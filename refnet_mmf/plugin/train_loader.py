"""The training data of a run: labelled and unlabelled samples, and a position to resume from.

It stands where the stock loader stood. Where all samples are labelled, it gives the same batches.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    get_worker_info,
)

from refnet_mmf.core.global_batch import rank, world_size
from refnet_mmf.plugin.dataset_views import LABEL_KEYS, DatasetView
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.random_state import RandomState

UNLABELLED = "refnet_unlabelled"
"""Key under which a batch of labelled samples holds the batch of the unlabelled ones."""


class Key(NamedTuple):
    """What a sample is asked for by.

    Attributes:
        epoch: of the run.
        position: of the sample in the stock data set.
        labelled: whether its label is used.
    """

    epoch: int
    position: int
    labelled: bool


class TrainSamples(DatasetView):
    """The samples of a training set, asked for by a `Key`.

    In a worker process a sample's random augmentation depends on the run's seed, the epoch and the
    sample alone, so that a resumed run draws what one that was never stopped draws.

    Args:
        viewed: the stock data set.
        labelled: positions of the samples whose labels are used.
        seed: of the run.
    """

    def __init__(self, viewed: Any, labelled: Sequence[int], seed: int) -> None:
        super().__init__(viewed)
        self.labelled = labelled
        self.seed = seed

    def __len__(self) -> int:
        """Return the number of labelled samples, through which an epoch goes once."""
        return len(self.labelled)

    def __getitem__(self, key: Key) -> tuple[Key, Any]:
        if get_worker_info() is not None:
            seed = _combine(self.seed, key.epoch, key.position)
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
        sample = self.viewed[key.position]
        if not key.labelled:
            for name in LABEL_KEYS:
                sample.pop(name, None)
        return key, sample


class UnlabelledSamples:
    """The unlabelled samples in an endless order, reshuffled whenever all have been drawn.

    It draws from a generator of its own: the labelled batches of a run are those of its baseline.

    Args:
        positions: of the unlabelled samples in the stock data set.
        seed: of the run.
    """

    def __init__(self, positions: Sequence[int], seed: int) -> None:
        self.positions = positions
        self.seed = seed
        self._orders: dict[int, list[int]] = {}

    def draw(self, before: int, count: int) -> list[int]:
        """Return ``count`` samples for this rank, which has drawn ``before`` samples earlier.

        The ranks take turns.
        """
        places = ((before + n) * world_size() + rank() for n in range(count))
        return [self._at(*divmod(place, len(self.positions))) for place in places]

    def reseed(self, seed: int) -> None:
        """Take the order of another seed."""
        self.seed = seed
        self._orders = {}

    def _at(self, pass_: int, offset: int) -> int:
        if pass_ not in self._orders:
            generator = torch.Generator().manual_seed(_combine(self.seed, pass_))
            order = torch.randperm(len(self.positions), generator=generator).tolist()
            recent = dict(list(self._orders.items())[-1:])
            self._orders = {**recent, pass_: order}
        return self.positions[self._orders[pass_][offset]]


class TrainBatches(Sampler[list[Key]]):
    """Draws the samples of each batch of an epoch.

    Args:
        labelled: positions of the samples whose labels are used.
        sampler: draws the order of these, anew for each epoch.
        batch_size: labelled samples in a batch of this rank.
        unlabelled: the other samples; None: they are not used.
        unlabelled_per_labelled: how many for each labelled one.

    Attributes:
        drawn: the batches that were drawn and that nobody has asked for yet by
            `TrainLoader.take_positions`.
    """

    def __init__(
        self,
        labelled: Sequence[int],
        sampler: Sampler[int],
        batch_size: int,
        unlabelled: UnlabelledSamples | None,
        unlabelled_per_labelled: int,
    ) -> None:
        self.labelled = labelled
        self.sampler = sampler
        self.batch_size = batch_size
        self.unlabelled = unlabelled
        self.unlabelled_per_labelled = unlabelled_per_labelled
        self.epoch = 0
        self.first = 0
        self.order_state: Tensor | None = None
        self.resume_state: RandomState | None = None
        self.drawn: deque[list[Key]] = deque()

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[Key]]:
        """Yield the batches from number ``first`` on.

        The order of the epoch is drawn from torch's generator, as the stock loader draws it. After
        a resume that is in the state from which the order was drawn then; from there on all
        generators are in the state of the checkpoint.
        """
        first, self.first = self.first, 0
        resume_state, self.resume_state = self.resume_state, None
        if resume_state is None or self.order_state is None:
            self.order_state = torch.get_rng_state()
        else:
            torch.set_rng_state(self.order_state)
        order = [self.labelled[position] for position in self.sampler]
        if resume_state is not None:
            resume_state.restore()
        for start in range(first * self.batch_size, len(order), self.batch_size):
            labelled = order[start : start + self.batch_size]
            keys = [Key(self.epoch, position, True) for position in labelled]
            if self.unlabelled is not None:
                drawn = (self.epoch - 1) * len(order) + start
                others = self.unlabelled.draw(
                    drawn * self.unlabelled_per_labelled,
                    len(labelled) * self.unlabelled_per_labelled,
                )
                keys += [Key(self.epoch, position, False) for position in others]
            self.drawn.append(keys)
            yield keys


class TrainCollator:
    """Makes a batch of the labelled samples, which holds that of the unlabelled ones.

    Args:
        stock: makes a batch of samples.
    """

    def __init__(self, stock: Callable[[list[Any]], Any]) -> None:
        self.stock = stock

    def __call__(self, items: list[tuple[Key, Any]]) -> Any:
        """Make the batch of samples and the keys that they were asked for by."""
        batch = self.stock([sample for key, sample in items if key.labelled])
        unlabelled = [sample for key, sample in items if not key.labelled]
        if unlabelled:
            batch[UNLABELLED] = self.stock(unlabelled)
        return batch


class TrainLoader:
    """Yields the batches of a training set, and can say and take its position in it.

    Args:
        stock: the loader of the line's own, in whose place this stands.
        seed: of the run.
        labelled: positions of the samples whose labels are used; None: all.
        unlabelled_per_labelled: samples without labels for each of these in a batch.
        regime: what else a position depends on, in words.
    """

    def __init__(
        self,
        stock: DataLoader[Any],
        seed: int,
        labelled: Sequence[int] | None = None,
        unlabelled_per_labelled: int = 0,
        regime: str = "",
    ) -> None:
        everything = range(len(stock.dataset))  # type: ignore[arg-type]
        chosen = everything if labelled is None else labelled
        self.dataset = TrainSamples(stock.dataset, chosen, seed)
        self.dataset_type = self.dataset.dataset_type
        self.sampler = _sampler_like(stock.sampler, self.dataset, whole=labelled is None)
        others = sorted(set(everything).difference(chosen)) if unlabelled_per_labelled else []
        self.batches = TrainBatches(
            chosen,
            self.sampler,
            stock.batch_size or 1,
            UnlabelledSamples(others, seed) if others else None,
            unlabelled_per_labelled,
        )
        self.loader = DataLoader(
            self.dataset,
            batch_sampler=self.batches,
            collate_fn=TrainCollator(stock.collate_fn),
            num_workers=stock.num_workers,
            pin_memory=stock.pin_memory,
            persistent_workers=stock.persistent_workers,
        )
        self.taken = 0
        self.resuming = False
        made_of = (len(everything), *chosen, stock.batch_size, unlabelled_per_labelled, regime)
        self.fingerprint = hashlib.sha256(repr(made_of).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.batches)

    @property
    def remaining(self) -> int:
        """Batches from here to the end of the epoch."""
        return len(self) - self.batches.first

    def __iter__(self) -> Iterator[Any]:
        if self.resuming:
            self.resuming = False
        else:
            self.batches.epoch += 1
            self.taken = 0
        for batch in self.loader:
            self.taken += 1
            yield batch

    def take_positions(self, count: int) -> list[list[int]]:
        """Return, and forget, the samples of the next ``count`` batches in the order of training.

        Given are their positions in the stock data set.
        """
        drawn = self.batches.drawn
        batches = [drawn.popleft() for _ in range(min(count, len(drawn)))]
        return [[key.position for key in keys] for keys in batches]

    def state_dict(self) -> dict[str, Any]:
        """Return the position: the epoch, the batches taken of it, and how to draw its order."""
        return {
            "epoch": self.batches.epoch,
            "taken": self.taken,
            "order_state": self.batches.order_state,
            "seed": self.dataset.seed,
            "samples": len(self.dataset),
            "fingerprint": self.fingerprint,
        }

    def reason_against(self, state: Mapping[str, Any]) -> str | None:
        """Return why the loader can't go on at a position; None: it can."""
        if state["samples"] != len(self.dataset):
            return (
                f"it was in an epoch of {state['samples']} labelled samples, there are "
                f"{len(self.dataset)} now"
            )
        if state["fingerprint"] != self.fingerprint:
            return "it was among other samples, or with another batch size, stage or pairing"
        return None

    def load_state_dict(self, state: Mapping[str, Any], random_state: RandomState) -> None:
        """Go on at a position.

        Args:
            state: the position.
            random_state: what the generators are put into before the next batch is loaded.
        """
        self.batches.epoch = state["epoch"]
        self.batches.first = self.taken = state["taken"]
        order_state = state["order_state"]  # MMF loads a checkpoint to the device of the run
        self.batches.order_state = None if order_state is None else order_state.cpu()
        self.dataset.seed = state["seed"]
        if self.batches.unlabelled is not None:
            self.batches.unlabelled.reseed(state["seed"])
        self.batches.resume_state = random_state
        self.resuming = True


def _sampler_like(stock: Any, samples: TrainSamples, *, whole: bool) -> Any:
    """Return a sampler of ``samples`` that shuffles as the stock one does.

    Raises:
        RefnetError: the stock one is of a kind that can't be told to leave samples out.
    """
    if whole:
        return stock
    if type(stock) is DistributedSampler:
        return DistributedSampler(samples, shuffle=stock.shuffle, seed=stock.seed)
    if type(stock) not in (RandomSampler, SequentialSampler):
        raise RefnetError(
            "refnet.labels.fraction: samples are chosen among those of MMF's own samplers, not of "
            f"a {type(stock).__name__}: set it to 1"
        )
    return type(stock)(samples)


def _combine(*numbers: int) -> int:
    """Make a seed of 32 bits of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
