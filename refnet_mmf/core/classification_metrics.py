"""Metrics of a classifier, each from all scores and targets of a set at once.

They equal scikit-learn's on the same predictions, in plain PyTorch, on any device. Whoever holds a
set in parts (batches, ranks) joins the parts first: none of them is a mean over parts.
"""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(scores: Tensor, targets: Tensor) -> Tensor:
    """Share of the samples whose highest score is that of their class; the first of equal scores.

    Args:
        scores: [B, C], or [B, 1]: the logit of class 1 against class 0.
        targets: class indices [B] or [B, 1], or one-hot [B, C].

    Returns:
        A float64 scalar.

    Raises:
        ValueError: no samples, other shapes, a target that is no class or several.
    """
    scores, classes = _single_label(scores, targets)
    return (scores.argmax(dim=1) == classes).double().mean()


def roc_auc(scores: Tensor, targets: Tensor) -> Tensor:
    """Area under the ROC curve: of class 1 where there are two, else macro one-vs-rest.

    A sample is ranked by its log-odds of a class, the order of its softmax without the rounding
    that ties large scores. Equal scores count half.

    Args:
        scores: as for `accuracy`.
        targets: as for `accuracy`.

    Returns:
        A float64 scalar. Classes without a sample, or that all samples are of, have no curve and
        are left out of the macro mean; NaN where none has one, or where a rank is NaN.

    Raises:
        ValueError: as for `accuracy`.
    """
    return mean_roc_auc(class_roc_aucs(scores, targets))


def class_roc_aucs(scores: Tensor, targets: Tensor) -> Tensor:
    """Area under the ROC curve of each class against the rest [C]; NaN where there is no curve."""
    scores, classes = _single_label(scores, targets)
    scores = scores.double()
    return torch.stack(
        [_roc_auc(_log_odds(scores, c), classes == c) for c in range(scores.shape[1])]
    )


def mean_roc_auc(of_classes: Tensor) -> Tensor:
    """The scalar of `roc_auc` from the areas of `class_roc_aucs` [C]."""
    return of_classes.nanmean()  # two classes have the same area


def micro_f1(scores: Tensor, targets: Tensor) -> Tensor:
    """F1 of all (sample, label) pairs; a label is predicted where its sigmoid is above 0.5.

    Args:
        scores: logits [B, C].
        targets: multi-hot [B, C]; an entry above 0 is a label.

    Returns:
        A float64 scalar; 0 where nothing is predicted and nothing is there.

    Raises:
        ValueError: no samples, no columns, or other shapes.
    """
    hits, total = _hits_and_total(scores, targets)
    return _f1(hits.sum(), total.sum())


def macro_f1(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean over the columns of each label's F1; a label never predicted and never there counts 0.

    Args:
        scores: logits [B, C].
        targets: multi-hot [B, C]; an entry above 0 is a label.

    Returns:
        A float64 scalar.

    Raises:
        ValueError: no samples, no columns, or other shapes.
    """
    return _f1(*_hits_and_total(scores, targets)).mean()


def _single_label(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores [B, C] with C > 1 and class indices [B]."""
    if scores.dim() != 2 or 0 in scores.shape:
        raise ValueError(f"scores: expected [B, C], not empty, got shape {tuple(scores.shape)}")
    one_hot = targets.dim() == 2 and targets.shape[1] > 1
    if targets.dim() not in (1, 2) or len(targets) != len(scores):
        raise ValueError(
            f"targets: expected class indices [{len(scores)}] or one-hot rows, "
            f"got shape {tuple(targets.shape)}"
        )
    if scores.shape[1] == 1:
        scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
    if one_hot:
        if targets.shape != scores.shape:
            raise ValueError(
                f"targets: expected one-hot rows {list(scores.shape)}, "
                f"got shape {tuple(targets.shape)}"
            )
        if not ((targets > 0).sum(dim=1) == 1).all():
            raise ValueError("targets: expected one label a sample, got label sets")
        classes = targets.argmax(dim=1)
    else:
        classes = targets.flatten().long()
    if classes.min() < 0 or classes.max() >= scores.shape[1]:
        wrong = classes[(classes < 0) | (classes >= scores.shape[1])][0].item()
        raise ValueError(
            f"targets: expected classes 0 to {scores.shape[1] - 1}, as many as scores, got {wrong}"
        )
    return scores, classes


def _log_odds(scores: Tensor, column: int) -> Tensor:
    """Log-odds [B] of one column of the logits [B, C] against the others."""
    others = torch.cat([scores[:, :column], scores[:, column + 1 :]], dim=1)
    return scores[:, column] - others.logsumexp(dim=1)


def _roc_auc(ranks: Tensor, positive: Tensor) -> Tensor:
    """Share of the (positive, negative) pairs [B] in the right order; equal ones count half."""
    if ranks.isnan().any():
        return ranks.new_full((), torch.nan)
    positives = ranks[positive]
    negatives = ranks[~positive].sort().values
    below = torch.searchsorted(negatives, positives)
    up_to = torch.searchsorted(negatives, positives, right=True)
    return (below + up_to).sum().double() / (2 * len(positives) * len(negatives))


def _hits_and_total(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Count, for each column, right predictions, and predictions plus labels."""
    if scores.dim() != 2 or 0 in scores.shape:
        raise ValueError(f"scores: expected [B, C], not empty, got shape {tuple(scores.shape)}")
    if targets.shape != scores.shape:
        raise ValueError(
            f"targets: expected multi-hot {list(scores.shape)}, as the scores, "
            f"got shape {tuple(targets.shape)}"
        )
    predicted, there = scores > 0, targets > 0
    return (predicted & there).sum(dim=0), predicted.sum(dim=0) + there.sum(dim=0)


def _f1(hits: Tensor, total: Tensor) -> Tensor:
    return 2 * hits.double() / total.clamp(min=1)
