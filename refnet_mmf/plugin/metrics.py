"""Metrics of the plugin for MMF's ``evaluation.metrics``, the same on both lines of MMF.

===============================  ==========================================================
``refnet_accuracy``              one label a sample
``refnet_roc_auc``               one label a sample: class 1 of two, else macro one-vs-rest
``refnet_micro_f1``              label sets
``refnet_macro_f1``              label sets, mean over the real classes
``refnet_macro_f1_all_columns``  the same with the column of ``<unk>``, as stock MMF has it
===============================  ==========================================================

On several ranks each of them has a share of a split, and MMF takes the mean of the ranks' values.
These metrics gather the shares first, and have the value of one process on each rank.

MMF puts ``<unk>`` before the classes of a vocabulary file. It is no class, and no sample ever has
it: but for the last metric, its column counts in none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import torch
from mmf.common.registry import registry
from mmf.modules.metrics import BaseMetric
from torch import Tensor

from refnet_mmf.core import classification_metrics
from refnet_mmf.core.global_batch import gather_rows, world_size
from refnet_mmf.core.messages import unknown
from refnet_mmf.plugin.errors import RefnetError

CHANCE = 0.5
"""What an AUROC counts as where there is no curve: a constant score's."""

TWINS_OF_STOCK_METRICS = {
    "accuracy": "refnet_accuracy",
    "roc_auc": "refnet_roc_auc",
    "multilabel_micro_f1": "refnet_micro_f1",
    "multilabel_macro_f1": "refnet_macro_f1_all_columns",
}
"""By a stock metric, the one here that says the same, of the whole split."""

_SPLIT_SIZES = "refnet_split_sizes"

logger = logging.getLogger(__name__)


def know_split_sizes(sizes: Mapping[tuple[str, str], int]) -> None:
    """Tell the metrics how many samples each split of each data set has.

    The samplers of several ranks repeat samples until all ranks have equally many.
    """
    registry.register(_SPLIT_SIZES, dict(sizes))


class WholeSetMetric(BaseMetric):
    """A metric of all scores and all targets of a set, which MMF collects before it calls it.

    Attributes:
        registered_as: its name in MMF's registry, and in the log.
    """

    registered_as: ClassVar[str]

    def __init__(self, **params: Any) -> None:
        if params:
            raise RefnetError(
                f"evaluation.metrics: {self.registered_as}: params: "
                f"expected none, got {', '.join(map(str, params))}"
            )
        super().__init__(self.registered_as)
        self._said: set[str] = set()

    def value(self, scores: Tensor, targets: Tensor, dataset: str, split: str) -> Tensor:
        """Return the metric of ``scores`` [B, C] and ``targets`` [B] or [B, C], a scalar."""
        raise NotImplementedError

    def calculate(
        self,
        sample_list: Mapping[str, Any],
        model_output: Mapping[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """Return the metric as MMF asks for it.

        Raises:
            RefnetError: no scores or no targets, or such as the metric is not for.
        """
        dataset, split = sample_list["dataset_name"], sample_list["dataset_type"]
        place = f"{split}/{dataset}/{self.registered_as}"
        if "targets" not in sample_list:
            raise RefnetError(f"{place}: the samples have no labels to compare the scores with")
        if "scores" not in model_output:
            raise RefnetError(unknown(place, "key of the model's output", "scores", model_output))
        scores = model_output["scores"].detach()
        targets = sample_list["targets"].to(scores.device)
        if world_size() > 1:
            scores, targets = self._of_whole_split(scores, targets, dataset, split)
        try:
            return self.value(scores, targets, dataset, split)
        except ValueError as error:
            raise RefnetError(f"{place}: {error}") from None

    def _of_whole_split(
        self, scores: Tensor, targets: Tensor, dataset: str, split: str
    ) -> tuple[Tensor, Tensor]:
        """Gather the ranks' shares; in a whole split, each sample once.

        The samplers deal the samples out to the ranks in turn: the k-th of rank r is number
        ``k * ranks + r``, and those beyond the split's size are repetitions.
        """
        sizes: Mapping[tuple[str, str], int] = registry.get(_SPLIT_SIZES, {}, no_warning=True)
        own = len(scores)
        scores, targets = gather_rows(scores, targets)
        if split == "train" or len(scores) != own * world_size():
            return scores, targets
        if (split, dataset) not in sizes:
            self.say_once(
                split, "samples that the ranks have twice count twice: set training.trainer=refnet"
            )
            return scores, targets
        size = sizes[split, dataset]
        dealt = torch.arange(len(scores), device=scores.device)
        order = dealt.view(world_size(), own).T.flatten()[:size]
        return scores[order], targets[order]

    def say_once(self, split: str, message: str) -> None:
        """Warn of something, once in a run for each split."""
        line = f"{split}: {self.registered_as}: {message}"
        if line not in self._said:
            self._said.add(line)
            logger.warning(line)


MetricT = TypeVar("MetricT", bound=type[WholeSetMetric])


def _register(name: str) -> Callable[[MetricT], MetricT]:
    def register(metric: MetricT) -> MetricT:
        metric.registered_as = name
        registry.register_metric(name)(metric)
        return metric

    return register


@_register("refnet_accuracy")
class Accuracy(WholeSetMetric):
    """Share of the samples whose highest score is that of their class."""

    def value(self, scores: Tensor, targets: Tensor, dataset: str, split: str) -> Tensor:
        """Return the accuracy."""
        return classification_metrics.accuracy(scores, targets)


@_register("refnet_roc_auc")
class RocAuc(WholeSetMetric):
    """Area under the ROC curve.

    Where there is no curve, because all samples are of one class, the value is 0.5, with a
    warning: the stock metric's NaN is never better than anything, and leaves a run without a best
    checkpoint. Scores that are not finite give NaN: a model that has diverged is not the best one.
    """

    def value(self, scores: Tensor, targets: Tensor, dataset: str, split: str) -> Tensor:
        """Return the area: of class 1 where there are two, else macro one-vs-rest."""
        areas = classification_metrics.class_roc_aucs(scores, targets)
        area = classification_metrics.mean_roc_auc(areas)
        without = areas.isnan().nonzero().flatten().tolist()
        if not without:
            return area
        if not scores.isfinite().all():
            self.say_once(split, "NaN, because the scores are not finite: the model has diverged")
            return area.new_full((), torch.nan)
        if area.isnan():
            self.say_once(
                split,
                f"undefined, because all {len(targets)} samples are of one class; "
                f"counted as {CHANCE}, chance",
            )
            return area.new_full((), CHANCE)
        classes = ", ".join(map(str, without))
        self.say_once(split, f"no sample is of class {classes}; the mean is over the others")
        return area


@_register("refnet_micro_f1")
class MicroF1(WholeSetMetric):
    """F1 of all pairs of a sample and a real class."""

    def value(self, scores: Tensor, targets: Tensor, dataset: str, split: str) -> Tensor:
        """Return the F1."""
        return classification_metrics.micro_f1(*real_columns(scores, targets, dataset))


@_register("refnet_macro_f1")
class MacroF1(WholeSetMetric):
    """Mean over the real classes of each one's F1."""

    def value(self, scores: Tensor, targets: Tensor, dataset: str, split: str) -> Tensor:
        """Return the mean F1."""
        return classification_metrics.macro_f1(*real_columns(scores, targets, dataset))


@_register("refnet_macro_f1_all_columns")
class MacroF1AllColumns(WholeSetMetric):
    """Mean over all columns of each one's F1, where that of ``<unk>`` is 0."""

    def value(self, scores: Tensor, targets: Tensor, dataset: str, split: str) -> Tensor:
        """Return the mean F1."""
        return classification_metrics.macro_f1(scores, targets)


def real_columns(scores: Tensor, targets: Tensor, dataset: str) -> tuple[Tensor, Tensor]:
    """Leave the column of ``<unk>`` out of ``scores`` and ``targets`` [B, C].

    Which one that is, MMF knows: the answer processor that makes the targets of ``dataset`` stands
    in its registry, with the vocabulary that it has read from the class file. Where there is none,
    every column is a class.
    """
    processor = registry.get(f"{dataset}_answer_processor", no_warning=True)
    vocabulary: Any = getattr(processor, "answer_vocab", None)
    if vocabulary is None or scores.shape != targets.shape:
        return scores, targets
    if scores.dim() != 2 or scores.shape[1] != vocabulary.get_size():
        return scores, targets
    real = [c for c in range(scores.shape[1]) if c != vocabulary.get_unk_index()]
    return scores[:, real], targets[:, real]
