"""Watches a training run for what makes it worthless, and says so once, while there is time.

Targets that collapse, decoders without a gradient, a metric loss that finds no pair, a loss that
is not finite. Numbers stay on the device until MMF logs its own: nothing waits for the GPU between.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from refnet_mmf.core.global_batch import rank, world_size
from refnet_mmf.plugin.atomic_file import write_atomically
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.json_numbers import numbers_for_json

COLLAPSED = 0.01
"""Share of a target's first variance below which its encoder is said to collapse."""
LONELY_BATCHES = 100
"""After so many batches without one positive pair a metric loss is said to be idle."""

logger = logging.getLogger("mmf.train.refnet")


@dataclass(frozen=True)
class Seen:
    """One forward pass.

    Attributes:
        update: number of the update that it is for, from 1.
        losses: by MMF's name, weighted, without a graph.
        finite: whether all of them are: a scalar.
    """

    update: int
    losses: Mapping[str, Tensor]
    finite: Tensor


class RunWatch:
    """What was seen of a run since the last look at it.

    Args:
        folder: of the run; the samples of a batch whose loss is not finite are written there.
        batches: gives, and forgets, the positions of the samples of as many batches as it is
            asked for.
        ids_of: the ids of the samples at these positions.
        stops: end the run at a loss that is not finite; else only say so.
    """

    def __init__(
        self,
        folder: Path,
        batches: Callable[[int], Sequence[Sequence[int]]],
        ids_of: Callable[[Sequence[int]], Sequence[str]],
        stops: bool = True,
    ) -> None:
        self.folder = folder
        self.batches = batches
        self.ids_of = ids_of
        self.stops = stops
        self.seen: list[Seen] = []
        self.variances: dict[str, Tensor] = {}  # the largest since the last look
        self.first_variances: dict[str, float] = {}
        self.with_positives: list[Tensor] = []
        self.lonely = 0
        self.warned: set[str] = set()

    def see(
        self,
        update: int,
        losses: Mapping[str, Tensor],
        metrics: Mapping[str, Tensor],
        samples: int,
    ) -> None:
        """Take note of a forward pass of training.

        Args:
            update: the update that it is for, from 1.
            losses: what MMF adds up.
            metrics: what MMF only logs; ours are known by their names.
            samples: how many there were; the targets of a single one have no variance to judge.
        """
        kept = {name: value.detach() for name, value in losses.items()}
        if kept:
            finite = torch.stack([torch.isfinite(value).all() for value in kept.values()]).all()
            self.seen.append(Seen(update, kept, finite))
        for name, value in metrics.items():
            if name.endswith("_target_variance") and samples > 1:
                largest = self.variances.get(name, value)
                self.variances[name] = torch.maximum(largest, value.detach())
            elif name.endswith("_with_positives"):
                self.with_positives.append(value.detach())

    def look(self, gradient_norms: Mapping[str, Tensor]) -> None:
        """Judge what was seen since the last look.

        Args:
            gradient_norms: of the decoders by modality, after a backward pass.

        Raises:
            RefnetError: a loss was not finite.
        """
        seen, self.seen = self.seen, []
        batches = self.batches(len(seen))
        if seen and not bool(torch.stack([each.finite for each in seen]).all()):
            self._say_not_finite(seen, batches)
        self._judge_variances()
        self._judge_positives()
        for name, norm in gradient_norms.items():
            if seen and float(norm) == 0:
                self._warn(
                    f"decoder {name}",
                    f"The decoder of {name} gets no gradient: its weight, or the fused embedding, "
                    "is cut off from the loss.",
                )

    def _say_not_finite(self, seen: Sequence[Seen], batches: Sequence[Sequence[int]]) -> None:
        place = next(n for n, each in enumerate(seen) if not bool(each.finite))
        first = seen[place]
        values = {name: value.float().sum().item() for name, value in first.losses.items()}
        ids = list(self.ids_of(batches[place])) if place < len(batches) else []
        file = self.folder / f"not_finite_rank{rank()}.json"
        losses = numbers_for_json(values)
        content = {"update": first.update, "losses": losses, "samples": ids}
        write_atomically(json.dumps(content, indent=2) + "\n", file)
        bad = ", ".join(f"{k} is {v}" for k, v in values.items() if not math.isfinite(v))
        line = f"update {first.update}: {bad}; the samples of its batch are in {file}"
        if self.stops:
            raise RefnetError(f"{line}; the checkpoints are of earlier updates")
        self._warn("not finite", f"Loss not finite: {line}.")

    def _judge_variances(self) -> None:
        variances, self.variances = self.variances, {}
        for name, value in variances.items():
            now = float(value)
            if now == 0 and name not in self.first_variances:
                continue  # batches without a sample that has the modality
            first = self.first_variances.setdefault(name, now)
            if now < COLLAPSED * first:
                self._warn(
                    name,
                    f"{name} has fallen from {first:.3g} to {now:.3g}: the encoder makes all "
                    "samples alike (refiner.stop_gradient: true keeps the refiner from it).",
                )

    def _judge_positives(self) -> None:
        found, self.with_positives = self.with_positives, []
        if not found or world_size() > 1:
            return  # one rank does not see the pairs with the others' samples
        share = torch.stack([value.reshape(()) for value in found]).sum()
        self.lonely = 0 if float(share) > 0 else self.lonely + len(found)
        if self.lonely >= LONELY_BATCHES:
            self._warn(
                "positives",
                f"No sample of the last {self.lonely} batches had another one of its label: the "
                "metric loss pulls nothing together. A larger training.batch_size helps.",
            )

    def _warn(self, what: str, line: str) -> None:
        if what not in self.warned:
            self.warned.add(what)
            logger.warning(line)


@torch.no_grad()
def gradient_norm(module: nn.Module) -> Tensor:
    """Return the norm of the gradients of a module's parameters together: a scalar, on its device.

    Parameters without a gradient count as 0.
    """
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    return torch.stack([g.float().norm() for g in gradients]).norm()


def gradient_metrics(gradient_norms: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return what MMF logs of the decoders' gradients, each of shape [1]."""
    return {
        f"{prefix}/refiner_{name}_gradient_norm": norm.view(1)
        for name, norm in gradient_norms.items()
    }
