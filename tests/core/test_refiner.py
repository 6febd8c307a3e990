"""REFINER: Eqs. 2 and 3, its weights, and where its gradients go."""

import copy

import pytest
import torch

from refnet_mmf import Refiner, refiner_contrastive_loss
from refnet_mmf.core.decoder import build_decoder
from refnet_mmf.core.refiner import LOSSES


def batch(size=6, dtype=torch.float32):
    torch.manual_seed(1)
    fused = torch.randn(size, 8, dtype=dtype)
    targets = {
        "text": torch.randn(size, 5, dtype=dtype),
        "image": torch.randn(size, 7, dtype=dtype),
    }
    return fused, targets


def refiner(**settings):
    torch.manual_seed(0)
    return Refiner(8, {"text": 5, "image": 7}, **settings)


def loop_of_the_formula(loss, reconstructions, targets):
    """Mean over samples of Eq. 3's L, with loops, in float64."""
    total = 0.0
    for decoded, target in zip(reconstructions.double(), targets.double(), strict=True):
        if loss == "cosine":
            total += 1 - (decoded @ target) / (decoded.norm() * target.norm())
        else:
            total += sum((a - b) ** 2 for a, b in zip(decoded, target, strict=True)) / len(target)
    return float(total / len(targets))


@pytest.mark.parametrize("loss", ["cosine", "mse"])
@pytest.mark.parametrize("size", [1, 2, 13])
def test_losses_equal_the_loop_of_the_formula(loss, size):
    module = refiner(loss=loss).double()
    fused, targets = batch(size, torch.float64)
    output = module(fused, targets)
    for name, target in targets.items():
        assert output.losses[name].item() == pytest.approx(
            loop_of_the_formula(loss, output.reconstructions[name], target), abs=1e-10
        )


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_is_the_derivative(loss):
    module = refiner(loss=loss, stop_gradient=False).double()
    fused, targets = batch(4, torch.float64)
    assert torch.autograd.gradcheck(
        lambda f, t: module(f, {"text": t, "image": targets["image"]}).total,
        (fused.requires_grad_(), targets["text"].requires_grad_()),
    )


def test_contrastive_loss_takes_margin_and_form():
    module = refiner(loss="contrastive", margin=0.4, form="column")
    fused, targets = batch()
    output = module(fused, targets)
    for name, target in targets.items():
        expected = refiner_contrastive_loss(
            output.reconstructions[name], target, margin=0.4, form="column"
        )
        assert output.losses[name].item() == expected.item()


@pytest.mark.parametrize("loss", LOSSES)
def test_total_is_weighted_by_gamma_for_every_loss(loss):
    """MMF's own head ignores the weights for its contrastive loss."""
    module = refiner(loss=loss, weights={"text": 0.3, "image": 0.05})
    output = module(*batch())
    assert output.total.item() == pytest.approx(
        0.3 * output.losses["text"].item() + 0.05 * output.losses["image"].item(), rel=1e-6
    )


def test_gamma_is_a_tenth_where_it_is_not_given():
    assert refiner().weights == {"text": 0.1, "image": 0.1}
    assert refiner(weights={"text": 0.2}).weights == {"text": 0.2, "image": 0.1}


def test_decoders_are_part_of_the_module():
    """MMF's own head keeps its decoders in a plain dict: neither trained, nor saved, nor moved."""
    module = refiner(dropout=0.5)
    names = {name for name, _ in module.named_parameters()}
    assert names == set(module.state_dict())
    assert {name.split(".")[1] for name in names} == {"text", "image"}
    module.eval()
    assert not any(part.training for part in module.modules())
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD(module.train().parameters(), lr=0.1)
    module(*batch()).total.backward()
    optimizer.step()
    assert all(not torch.equal(before[name], now) for name, now in module.state_dict().items())


def test_a_decoder_is_an_mlp_with_one_hidden_layer_as_wide_as_the_fused_embedding():
    linear = [part for part in refiner().decoders["image"] if isinstance(part, torch.nn.Linear)]
    assert [(part.in_features, part.out_features) for part in linear] == [(8, 8), (8, 7)]
    deep = [
        p for p in refiner(hidden_dims=[16, 4]).decoders["text"] if isinstance(p, torch.nn.Linear)
    ]
    assert [(part.in_features, part.out_features) for part in deep] == [(8, 16), (16, 4), (4, 5)]


def test_decoders_read_one_projection_where_one_is_wanted():
    module = refiner(projection_dim=3)
    assert {name: tuple(value.shape) for name, value in module.named_parameters()} == {
        "projection.weight": (3, 8),
        "projection.bias": (3,),
        "decoders.text.0.weight": (3, 3),
        "decoders.text.0.bias": (3,),
        "decoders.text.2.weight": (5, 3),
        "decoders.text.2.bias": (5,),
        "decoders.image.0.weight": (3, 3),
        "decoders.image.0.bias": (3,),
        "decoders.image.2.weight": (7, 3),
        "decoders.image.2.bias": (7,),
    }
    fused, targets = batch()
    output = module(fused.requires_grad_(), targets)
    projected = fused @ module.projection.weight.T + module.projection.bias
    for name, decoder in module.decoders.items():
        torch.testing.assert_close(output.reconstructions[name], decoder(projected))
    output.total.backward()
    assert all(p.grad.abs().sum() > 0 for p in [fused, *module.parameters()])
    assert not list(refiner(projection_dim=3, weights={"text": 0, "image": 0}).parameters())


def test_a_decoder_has_an_activation_and_dropout_after_each_hidden_layer():
    def kinds(**settings):
        return [type(part) for part in build_decoder(4, 3, [5, 6], **settings)]

    linear = torch.nn.Linear
    assert kinds() == [linear, torch.nn.GELU, linear, torch.nn.GELU, linear]
    dropped = [linear, torch.nn.Tanh, torch.nn.Dropout]
    assert kinds(activation="tanh", dropout=0.25) == [*dropped, *dropped, linear]
    assert build_decoder(4, 3, [5], dropout=0.25)[2].p == 0.25
    assert refiner(dropout=0.25).decoders["text"][2].p == 0.25


def test_gamma_of_zero_builds_no_decoder():
    module = refiner(weights={"text": 0.0, "image": 0.1})
    assert module.modalities == ("image",)
    fused, targets = batch()
    output = module(fused, {"image": targets["image"]})
    assert set(output.losses) == set(output.reconstructions) == {"image"}


def test_all_gammas_zero_give_a_zero_with_a_graph():
    module = refiner(weights={"text": 0, "image": 0})
    fused, targets = batch()
    output = module(fused.requires_grad_(), targets)
    output.total.backward()
    assert not list(module.parameters())
    assert output.total.item() == 0 and (fused.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_stop_gradient_keeps_the_loss_out_of_the_targets_but_not_out_of_the_fusion(loss):
    fused, targets = batch()
    fused.requires_grad_()
    targets = {name: target.requires_grad_() for name, target in targets.items()}
    refiner(loss=loss)(fused, targets).total.backward()
    assert fused.grad.abs().sum() > 0
    assert all(target.grad is None for target in targets.values())
    refiner(loss=loss, stop_gradient=False)(fused, targets).total.backward()
    assert all(target.grad.abs().sum() > 0 for target in targets.values())


@pytest.mark.parametrize("loss", LOSSES)
def test_order_of_the_batch_does_not_matter(loss):
    module = refiner(loss=loss).double()
    fused, targets = batch(dtype=torch.float64)
    expected = module(fused, targets).total.item()
    order = torch.randperm(6)
    shuffled = {name: target[order] for name, target in targets.items()}
    assert module(fused[order], shuffled).total.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_said_of_a_loss_is_so(loss):
    """Whether it is blind to scale, and which settings change it."""
    fused, targets = batch(dtype=torch.float64)
    make, blind_to_scale, settings = LOSSES[loss]
    compare = make(gather_distributed=False)
    decoded, target = targets["text"].flip(0), targets["text"]
    doubled = float(compare(2 * decoded, target, mask=None))
    assert (doubled == pytest.approx(float(compare(decoded, target, mask=None)))) is blind_to_scale
    expected = refiner(loss=loss).double()(fused, targets).total
    for name, value in {"margin": 0.7, "form": "column"}.items():
        changed = refiner(loss=loss, **{name: value}).double()(fused, targets).total
        assert (changed != expected) == (name in settings)


@pytest.mark.parametrize("loss", LOSSES)
def test_samples_that_lack_a_modality_do_not_count(loss):
    module = refiner(loss=loss).double()
    fused, targets = batch(dtype=torch.float64)
    present = torch.tensor([True, True, False, True, False, True])
    garbage = targets["image"].clone()
    garbage[~present] = float("nan")
    output = module(fused.requires_grad_(), {**targets, "image": garbage}, mask={"image": present})
    alone = module(fused[present], {name: target[present] for name, target in targets.items()})
    assert output.losses["image"].item() == pytest.approx(alone.losses["image"].item(), abs=1e-12)
    output.total.backward()
    assert torch.isfinite(fused.grad).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_modality_that_no_sample_has_still_reaches_its_decoder(loss):
    """A parameter without a gradient stops distributed training."""
    module = refiner(loss=loss)
    output = module(*batch(), mask={"image": torch.zeros(6, dtype=torch.bool)})
    output.total.backward()
    assert output.losses["image"].item() == 0
    assert all((p.grad == 0).all() for p in module.decoders["image"].parameters())


AWKWARD = {
    "no sample": lambda: batch(0),
    "one sample": lambda: batch(1),
    "identical rows": lambda: (
        torch.ones(4, 8),
        {"text": torch.ones(4, 5), "image": torch.ones(4, 7)},
    ),
    "rows of zeros": lambda: (
        torch.zeros(4, 8),
        {"text": torch.zeros(4, 5), "image": torch.zeros(4, 7)},
    ),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_batches_give_finite_losses_and_gradients(case, loss, dtype):
    fused, targets = AWKWARD[case]()
    module = refiner(loss=loss, stop_gradient=False).to(dtype)
    fused = fused.clone().to(dtype).requires_grad_()
    output = module(fused, {name: target.to(dtype) for name, target in targets.items()})
    output.total.backward()
    assert torch.isfinite(output.total)
    assert torch.isfinite(fused.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_losses_are_full_precision_inside_autocast():
    module = refiner()
    fused, targets = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = module(fused, targets)
    assert output.reconstructions["text"].dtype == torch.bfloat16
    assert output.total.dtype == torch.float32
    assert output.total.item() == pytest.approx(module(fused, targets).total.item(), abs=1e-2)


@pytest.mark.parametrize("loss", ["cosine", "mse"])
def test_the_only_sample_that_has_a_modality_is_its_mean(loss):
    fused, targets = batch()
    present = torch.tensor([False, False, True, False, False, False])
    module = refiner(loss=loss)
    masked = module(fused, targets, mask={"image": present}).losses["image"]
    alone = module(fused[2:3], {name: target[2:3] for name, target in targets.items()})
    assert masked.item() == pytest.approx(alone.losses["image"].item())


def test_decoders_draw_no_random_numbers_by_default():
    module = refiner()
    state = torch.get_rng_state()
    module(*batch_without_seed())
    assert torch.equal(state, torch.get_rng_state())


def batch_without_seed():
    return torch.ones(3, 8), {"text": torch.ones(3, 5), "image": torch.ones(3, 7)}


def test_a_printed_refiner_shows_its_settings():
    refiner = Refiner(8, {"text": 3, "image": 4}, loss="mse", weights={"image": 0.25})
    shown = (
        "loss='mse', weights={text: 0.1, image: 0.25}, stop_gradient=True, gather_distributed=False"
    )
    assert refiner.extra_repr() == shown and shown in repr(refiner)


def test_compiles_to_the_same_value():
    module = refiner(loss="contrastive")
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    assert compiled(*batch()).total.item() == pytest.approx(module(*batch()).total.item(), abs=1e-6)
