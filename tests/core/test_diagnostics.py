"""What is logged of the refiner, against the formula in loops."""

from __future__ import annotations

import math

import pytest
import torch

from refnet_mmf.core.diagnostics import reconstruction_r2, target_variance

COUNT, WIDTH = 7, 3


@pytest.fixture
def batch():
    """Targets, reconstructions, and which samples count."""
    random = torch.Generator().manual_seed(0)
    targets, decoded = torch.randn(2, COUNT, WIDTH, generator=random, dtype=torch.float64)
    return targets, targets + decoded, torch.rand(COUNT, generator=random) < 0.6


def rows_of(values, present):
    return [row for row, there in zip(values.tolist(), present.tolist(), strict=True) if there]


def variance(rows):
    """Mean over features of the variance over samples, in loops."""
    of_features = []
    for column in zip(*rows, strict=True):
        mean = math.fsum(column) / len(column)
        of_features.append(math.fsum((x - mean) ** 2 for x in column) / len(column))
    return math.fsum(of_features) / len(of_features)


def explained(decoded, targets, rescale):
    """1 - residual / spread, in loops."""
    residual = 0.0
    for own, target in zip(decoded, targets, strict=True):
        scale = 1.0
        if rescale:
            energy = math.fsum(x * x for x in own)
            scale = math.fsum(x * y for x, y in zip(own, target, strict=True)) / energy
        residual += math.fsum((scale * x - y) ** 2 for x, y in zip(own, target, strict=True))
    return 1 - residual / (variance(targets) * len(targets) * len(targets[0]))


@pytest.mark.parametrize("masked", [False, True])
def test_the_variance_is_that_of_the_samples_that_count(batch, masked):
    targets, _, present = batch
    present = present if masked else torch.ones(COUNT, dtype=torch.bool)
    found = target_variance(targets, present if masked else None)
    assert float(found) == pytest.approx(variance(rows_of(targets, present)), abs=1e-12)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_quality_is_the_explained_share_of_the_samples_that_count(batch, masked, rescale):
    targets, decoded, present = batch
    present = present if masked else torch.ones(COUNT, dtype=torch.bool)
    mask = present if masked else None
    found = reconstruction_r2(decoded, targets, mask, rescale=rescale)
    expected = explained(rows_of(decoded, present), rows_of(targets, present), rescale)
    assert float(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rescale", [False, True])
def test_what_a_sample_without_the_modality_holds_has_no_influence(batch, rescale):
    targets, decoded, present = batch
    spoilt = targets.clone()
    spoilt[~present] = torch.nan
    assert target_variance(spoilt, present) == target_variance(targets, present)
    found = reconstruction_r2(decoded, spoilt, present, rescale=rescale)
    assert found == reconstruction_r2(decoded, targets, present, rescale=rescale)


def test_the_targets_themselves_explain_all_and_their_mean_nothing(batch):
    targets, _, present = batch
    assert reconstruction_r2(targets, targets, rescale=False) == 1
    assert reconstruction_r2(3 * targets, targets, rescale=True) == pytest.approx(1)
    mean = targets[present].mean(dim=0).expand_as(targets)
    assert abs(float(reconstruction_r2(mean, targets, present, rescale=False))) < 1e-12


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "case", ["one sample", "none", "all alike", "none present", "one present", "zeros"]
)
def test_awkward_batches_give_0(case, dtype, rescale):
    targets = torch.ones(4, WIDTH, dtype=dtype)
    present = None
    if case == "one sample":
        targets = targets[:1]
    elif case == "none":
        targets = targets[:0]
    elif case == "none present":
        present = torch.zeros(4, dtype=torch.bool)
    elif case == "one present":
        targets, present = torch.arange(12.0).reshape(4, WIDTH).to(dtype), torch.arange(4) == 2
    elif case == "zeros":
        targets = 0 * targets
    for found in (
        target_variance(targets, present) if len(targets) else torch.zeros(()),
        reconstruction_r2(2 * targets, targets, present, rescale=rescale),
    ):
        assert found.shape == () and found == 0 and not found.requires_grad
        assert found.dtype == torch.float32


def test_half_precision_is_computed_in_full(batch):
    targets, decoded, _ = batch
    for dtype in (torch.float16, torch.bfloat16):
        half = (1000 * targets).to(dtype)
        assert float(target_variance(half)) == pytest.approx(1e6 * variance(targets.tolist()), 1e-2)
        found = reconstruction_r2(decoded.to(dtype), targets.to(dtype), rescale=True)
        assert float(found) == pytest.approx(
            explained(decoded.tolist(), targets.tolist(), True), abs=0.05
        )


def test_order_does_not_matter(batch):
    targets, decoded, present = batch
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    assert target_variance(targets[order], present[order]) == pytest.approx(
        float(target_variance(targets, present))
    )
    assert reconstruction_r2(
        decoded[order], targets[order], present[order], rescale=True
    ) == pytest.approx(float(reconstruction_r2(decoded, targets, present, rescale=True)))
