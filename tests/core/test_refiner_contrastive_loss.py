"""The refiner-contrastive loss is Eq. 4: each decoded signal nearest to its own target."""

import pytest
import torch

from refnet_mmf import Refiner, RefinerContrastiveLoss, refiner_contrastive_loss


def loop_of_the_formula(reconstructions, targets, margin=0.1, form="row"):
    """Eq. 4 with loops, in float64."""

    def cosine(a, b):
        a = a / a.norm() if a.norm() > 1e-6 else a
        b = b / b.norm() if b.norm() > 1e-6 else b
        return a @ b

    reconstructions, targets = reconstructions.double(), targets.double()
    size = len(reconstructions)
    total = torch.zeros((), dtype=torch.float64)
    for t in range(size):
        own = cosine(reconstructions[t], targets[t])
        for k in range(size):
            if k == t:
                continue
            other = (
                cosine(reconstructions[t], targets[k])
                if form == "row"
                else cosine(reconstructions[k], targets[t])
            )
            total = total + torch.clamp(other - own + margin, min=0)
    return total / size


@pytest.mark.parametrize("form", ["row", "column"])
@pytest.mark.parametrize("margin", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_loop_of_the_formula(seed, margin, form):
    torch.manual_seed(seed)
    size, width = 2 + 5 * seed, 3 + 4 * seed
    first, second = torch.randn(2, size, width, dtype=torch.float64)
    assert refiner_contrastive_loss(
        first, second, margin=margin, form=form
    ).item() == pytest.approx(loop_of_the_formula(first, second, margin, form).item(), abs=1e-10)


@pytest.mark.parametrize("form", ["row", "column"])
def test_gradient_is_the_derivative(form):
    torch.manual_seed(0)
    inputs = torch.randn(2, 5, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda both: refiner_contrastive_loss(both[0], both[1], form=form), inputs
    )


@pytest.mark.parametrize("form", ["row", "column"])
def test_order_of_the_batch_does_not_matter(form):
    first, second = torch.randn(2, 9, 5, dtype=torch.float64)
    expected = refiner_contrastive_loss(first, second, form=form).item()
    order = torch.randperm(9)
    assert refiner_contrastive_loss(first[order], second[order], form=form).item() == pytest.approx(
        expected, abs=1e-12
    )


def test_row_form_moves_a_decoded_signal_away_from_other_targets():
    """Two decoded signals on the same target: in the row form only the wrong one pays."""
    targets = torch.eye(2, dtype=torch.float64)
    reconstructions = targets[[0, 0]]
    assert refiner_contrastive_loss(reconstructions, targets, margin=0.5).item() == pytest.approx(
        (0 + 1.5) / 2
    )
    assert refiner_contrastive_loss(
        reconstructions, targets, margin=0.5, form="column"
    ).item() == pytest.approx((0.5 + 0.5) / 2)


def test_samples_that_lack_the_modality_do_not_count():
    first, second = torch.randn(2, 6, 4, dtype=torch.float64)
    mask = torch.tensor([True, False, True, True, False, True])
    for form in ("row", "column"):
        assert refiner_contrastive_loss(
            first, second, form=form, mask=mask
        ).item() == pytest.approx(
            refiner_contrastive_loss(first[mask], second[mask], form=form).item(), abs=1e-12
        )


AWKWARD = {
    "one sample": torch.randn(1, 4),
    "no sample": torch.randn(0, 4),
    "identical rows": torch.ones(5, 4),
    "rows of zeros": torch.zeros(5, 4),
    "huge rows": 1e4 * torch.randn(5, 4),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", ["row", "column"])
@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_batches_give_a_finite_value_with_a_graph(case, form, dtype):
    first = AWKWARD[case].clone().to(dtype).requires_grad_()
    second = AWKWARD[case].clone().to(dtype).requires_grad_()
    loss = refiner_contrastive_loss(first, second, form=form)
    loss.backward()
    assert loss.shape == () and torch.isfinite(loss)
    assert torch.isfinite(first.grad).all() and torch.isfinite(second.grad).all()


def test_an_empty_mask_gives_a_zero_with_a_graph():
    first = torch.randn(3, 4).requires_grad_()
    loss = refiner_contrastive_loss(first, torch.randn(3, 4), mask=torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and first.grad.abs().sum() == 0


def test_autocast_changes_nothing():
    first, second = torch.randn(2, 6, 4)
    expected = refiner_contrastive_loss(first, second)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert refiner_contrastive_loss(first, second).item() == expected.item()


def test_module_equals_function():
    first, second = torch.randn(2, 6, 4)
    module = RefinerContrastiveLoss(margin=0.3, form="column")
    assert (
        module(first, second).item()
        == refiner_contrastive_loss(first, second, margin=0.3, form="column").item()
    )


def test_the_margin_is_a_tenth_by_default():
    first, second = torch.randn(2, 6, 4, dtype=torch.float64)
    expected = loop_of_the_formula(first, second, margin=0.1).item()
    assert refiner_contrastive_loss(first, second).item() == pytest.approx(expected)
    decoded = Refiner(4, {"text": 4}, loss="contrastive").double()(first, {"text": second})
    expected = loop_of_the_formula(decoded.reconstructions["text"], second, margin=0.1)
    assert decoded.losses["text"].item() == pytest.approx(expected.item())


def test_signals_and_targets_of_two_types_are_compared_in_the_wider():
    first, second = torch.randn(2, 6, 4, dtype=torch.float64)
    expected = refiner_contrastive_loss(first, second).item()
    for signals, targets in ((first.float(), second), (first, second.float())):
        loss = refiner_contrastive_loss(signals, targets)
        assert loss.dtype == torch.float64
        assert loss.item() == pytest.approx(expected, abs=1e-5)
