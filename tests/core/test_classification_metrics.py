"""The metrics equal scikit-learn's on the same predictions, on random and on awkward data."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from refnet_mmf.core.classification_metrics import (
    accuracy,
    class_roc_aucs,
    macro_f1,
    micro_f1,
    roc_auc,
)

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def softmax(scores):
    return torch.softmax(scores.double(), dim=1).numpy()


@st.composite
def single_label(draw, classes=None):
    """Scores of few values, so that many are equal, and classes, so that some have no sample."""
    size = draw(st.integers(1, 40))
    count = classes or draw(st.integers(2, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    levels = draw(st.sampled_from([2, 5, 1000]))
    scores = torch.randint(-levels, levels, (size, count), generator=generator) / levels * 4
    present = draw(st.integers(1, count))
    targets = torch.randint(0, present, (size,), generator=generator)
    return scores.to(draw(st.sampled_from(DTYPES))), targets


@st.composite
def label_sets(draw):
    """Logits around the threshold, and label sets with columns that nobody has."""
    size, count = draw(st.integers(1, 30)), draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    levels = draw(st.sampled_from([1, 2, 1000]))
    scores = torch.randint(-levels, levels + 1, (size, count), generator=generator) / levels
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    targets = torch.rand(size, count, generator=generator) < share
    targets[:, 0] &= draw(st.booleans())
    return scores.to(draw(st.sampled_from(DTYPES))), targets.float()


@given(single_label())
@settings(deadline=None, max_examples=200)
def test_accuracy_is_scikit_learn_s(data):
    scores, targets = data
    expected = accuracy_score(targets, scores.float().numpy().argmax(axis=1))
    assert accuracy(scores, targets).item() == pytest.approx(expected, abs=1e-12)
    one_hot = torch.nn.functional.one_hot(targets, scores.shape[1]).float()
    assert accuracy(scores, one_hot).item() == accuracy(scores, targets).item()


@given(single_label(classes=2))
@settings(deadline=None, max_examples=200)
def test_binary_roc_auc_is_scikit_learn_s(data):
    scores, targets = data
    value = roc_auc(scores, targets).item()
    if len(targets.unique()) < 2:
        assert math.isnan(value)
        return
    margin = (scores[:, 1].double() - scores[:, 0].double()).numpy()
    assert value == pytest.approx(roc_auc_score(targets, margin), abs=1e-12)
    # Softmax rounds margins that are equal apart by less than a part in 1e15: a few pairs.
    assert value == pytest.approx(roc_auc_score(targets, softmax(scores)[:, 1]), abs=1e-12)
    one_logit = torch.from_numpy(margin)[:, None]
    assert roc_auc(one_logit, targets[:, None].float()).item() == pytest.approx(value, abs=1e-12)


@given(st.integers(0, 10**6), st.integers(3, 5), st.sampled_from(DTYPES))
@settings(deadline=None, max_examples=100)
def test_roc_auc_of_more_classes_is_scikit_learn_s_macro_one_vs_rest(seed, count, dtype):
    generator = torch.Generator().manual_seed(seed)
    scores = (3 * torch.randn(30, count, generator=generator)).to(dtype)
    targets = torch.cat([torch.arange(count), torch.randint(0, count, (30 - count,))])
    expected = roc_auc_score(
        targets, softmax(scores), multi_class="ovr", average="macro", labels=range(count)
    )
    assert roc_auc(scores, targets).item() == pytest.approx(expected, abs=1e-9)


@given(single_label())
@settings(deadline=None, max_examples=100)
def test_roc_auc_leaves_out_the_classes_that_have_no_curve(data):
    scores, targets = data
    areas = class_roc_aucs(scores, targets)
    log_odds = scores.double() - torch.stack(
        [
            torch.cat([scores[:, :c], scores[:, c + 1 :]], dim=1).double().logsumexp(dim=1)
            for c in range(scores.shape[1])
        ],
        dim=1,
    )
    expected = []
    for column, area in enumerate(areas.tolist()):
        is_class = (targets == column).numpy()
        if is_class.all() or not is_class.any():
            assert math.isnan(area)
        else:
            expected.append(roc_auc_score(is_class, log_odds[:, column].numpy()))
            assert area == pytest.approx(expected[-1], abs=1e-12)
    value = roc_auc(scores, targets).item()
    if expected:
        assert value == pytest.approx(np.mean(expected), abs=1e-12)
    else:
        assert math.isnan(value)


def test_roc_auc_tells_large_scores_apart_where_the_softmax_is_1():
    scores = torch.tensor([[0.0, 40.0], [0.0, 50.0], [0.0, 60.0], [0.0, 70.0]])
    targets = torch.tensor([0, 1, 0, 1])
    assert torch.softmax(scores, dim=1)[:, 1].unique().numel() == 1
    assert roc_auc(scores, targets).item() == 0.75


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_roc_auc_of_scores_without_an_order_is_nan(bad):
    scores = torch.tensor([[0.0, 1.0], [bad, bad], [2.0, 0.0]])
    assert math.isnan(roc_auc(scores, torch.tensor([0, 1, 1])).item())


@given(label_sets())
@settings(deadline=None, max_examples=200)
def test_f1_is_scikit_learn_s(data):
    scores, targets = data
    predicted = (torch.sigmoid(scores.double()) > 0.5).numpy()
    for average, ours in (("micro", micro_f1), ("macro", macro_f1)):
        # As pairs: scikit-learn takes a single column for classes 0 and 1.
        if average == "micro":
            expected = f1_score(targets.numpy().ravel(), predicted.ravel(), zero_division=0)
        else:
            columns = zip(targets.numpy().T, predicted.T, strict=True)
            expected = np.mean([f1_score(t, p, zero_division=0) for t, p in columns])
        assert ours(scores, targets).item() == pytest.approx(expected, abs=1e-12)
        if targets.shape[1] > 1:
            whole = f1_score(targets.numpy(), predicted, average=average, zero_division=0)
            assert ours(scores, targets).item() == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "scores", "targets", "message"),
    [
        (accuracy, torch.zeros(0, 3), torch.zeros(0), "not empty"),
        (accuracy, torch.zeros(4), torch.zeros(4), r"expected \[B, C\]"),
        (accuracy, torch.zeros(4, 3), torch.zeros(5), r"expected class indices \[4\]"),
        (roc_auc, torch.zeros(2, 3), torch.tensor([0, 3]), "expected classes 0 to 2.*got 3"),
        (roc_auc, torch.zeros(2, 3), torch.tensor([0, -1]), "got -1"),
        (accuracy, torch.zeros(2, 3), torch.ones(2, 3), "expected one label a sample"),
        (roc_auc, torch.zeros(2, 3), torch.zeros(2, 3), "expected one label a sample"),
        (
            accuracy,
            torch.zeros(2, 3),
            torch.eye(5)[:2],
            r"one-hot rows \[2, 3\], got shape \(2, 5\)",
        ),
        (micro_f1, torch.zeros(2, 3), torch.zeros(2), r"expected multi-hot \[2, 3\]"),
        (macro_f1, torch.zeros(2, 3), torch.zeros(2, 4), r"expected multi-hot \[2, 3\]"),
        (macro_f1, torch.zeros(0, 3), torch.zeros(0, 3), "not empty"),
    ],
)
def test_what_a_metric_is_not_for_is_named(metric, scores, targets, message):
    with pytest.raises(ValueError, match=message):
        metric(scores, targets)
