"""Linear probes: what of each modality, and of the labels, a fused embedding keeps.

A probe is a linear map, fitted on one split and judged on another. What it can't read may still be
there in another form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.multiclass import OneVsRestClassifier

from refnet_mmf.plugin.embedding_set import EmbeddingSet

Array = NDArray[Any]

READ = ("inputs", "features")
"""What of each modality is read from the fused embedding."""
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 6, 17))
MOST_STEPS = 2000


@dataclass(frozen=True)
class LabelProbe:
    """How well labels can be read from an embedding.

    Attributes:
        measure: ``accuracy``, or of label sets ``micro F1``.
        score: of the probe, in 0..1.
        floor: of the training split's most frequent class; of label sets, of the guess that keeps
            each label's frequency.
    """

    measure: str
    score: float
    floor: float


def modality_probes(
    train: EmbeddingSet, test: EmbeddingSet
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return what `feature_probe` gives, by what is read (of `READ`) and modality."""
    return {
        (of, name): feature_probe(
            (train.fused, getattr(train, of)[name]), (test.fused, getattr(test, of)[name])
        )
        for of in READ
        for name in sorted(getattr(train, of))
    }


def feature_probe(
    train: tuple[Array, Array], test: tuple[Array, Array], alphas: tuple[float, ...] = ALPHAS
) -> tuple[float, float]:
    """Fit ridge regression from embeddings to what is to be read from them.

    The embeddings are scaled by `_brought_to_unit_scale`, and alpha is chosen on the training split
    by leave-one-out.

    Args:
        train: embeddings [N, F] and features of a modality, or its inputs, [N, D].
        test: the same of other samples.
        alphas: to choose from.

    Returns:
        R^2 on the test samples, the columns' weighted by their variance: 1 is all, 0 is what the
        mean of the test samples gives, and below that is worse. And the alpha that was chosen.
    """
    fitted, judged = _brought_to_unit_scale(train[0], test[0])
    ridge = RidgeCV(alphas=alphas).fit(fitted, train[1].astype(np.float64))
    given, wanted = ridge.predict(judged), test[1].astype(np.float64)
    score = r2_score(wanted, given.reshape(wanted.shape), multioutput="variance_weighted")
    return float(score), float(ridge.alpha_)


def label_probe(train: tuple[Array, Array], test: tuple[Array, Array]) -> LabelProbe:
    """Fit logistic regression from embeddings, scaled as for `feature_probe`, to labels.

    Args:
        train: embeddings [N, F], and class indices [N] or label sets [N, C].
        test: the same of other samples.

    Raises:
        ValueError: the training split has one class alone.
    """
    inputs, others = _brought_to_unit_scale(train[0], test[0])
    logistic = LogisticRegression(max_iter=MOST_STEPS)
    if train[1].ndim == 1:
        classes, counts = np.unique(train[1], return_counts=True)
        if len(classes) < 2:
            raise ValueError("the training split has one class alone")
        given = logistic.fit(inputs, train[1]).predict(others)
        floor = float((test[1] == classes[counts.argmax()]).mean())
        return LabelProbe("accuracy", float(accuracy_score(test[1], given)), floor)
    varied = np.flatnonzero(train[1].any(axis=0) & ~train[1].all(axis=0))
    if len(varied) == 0:
        raise ValueError("the training split has one label set alone")
    given = np.tile(train[1].all(axis=0).astype(int), (len(others), 1))
    probe = OneVsRestClassifier(logistic).fit(inputs, train[1][:, varied])
    given[:, varied] = probe.predict(others).reshape(len(others), -1)
    score = f1_score(test[1], given, average="micro", zero_division=0)
    return LabelProbe("micro F1", float(score), _frequency_f1(train[1], test[1]))


def _brought_to_unit_scale(train: Array, test: Array) -> tuple[Array, Array]:
    """Subtract the training mean, and divide all columns by one number: their mean variance's root.

    A column of its own scale each would let a saturated one, nearly constant on the training split,
    stand thousands of deviations out in a test sample.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(train.var(axis=0, dtype=np.float64).mean())) or 1.0
    return (train - mean) / scale, (test - mean) / scale


def _frequency_f1(train: Array, test: Array) -> float:
    """Return the micro F1 expected of a guess that draws each label by its training frequency."""
    guessed, there = train.mean(axis=0), test.mean(axis=0)
    return float(2 * (guessed * there).sum() / max((guessed + there).sum(), 1e-12))
