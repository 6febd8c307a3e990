"""Any batch of finite numbers gives finite losses; any setting that is taken works."""

import inspect
import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refnet_mmf import (
    GatedMultimodalUnit,
    MultiSimilarityLoss,
    Refiner,
    multi_similarity_loss,
    pool_tokens,
    refiner_contrastive_loss,
)
from refnet_mmf.core.poolers import POOLERS
from refnet_mmf.core.refiner import LOSSES

WHOLE = st.integers
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16])
SCALES = st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e3, 3e4])


@st.composite
def rows(draw, size=None, width=None):
    """A matrix of finite numbers: random, or with rows that are zero or alike."""
    size = draw(WHOLE(1, 9)) if size is None else size
    width = draw(WHOLE(1, 7)) if width is None else width
    generator = torch.Generator().manual_seed(draw(WHOLE(0, 2**31)))
    values = torch.randn(size, width, generator=generator) * draw(SCALES)
    if draw(st.booleans()):
        values[draw(WHOLE(0, size - 1))] = 0
    if draw(st.booleans()):
        values[draw(WHOLE(0, size - 1))] = values[0]
    return values.clamp(-6e4, 6e4).to(draw(DTYPES)).requires_grad_()


@st.composite
def labels(draw, size):
    """Classes, or label sets that may be empty."""
    if draw(st.booleans()):
        return torch.tensor(draw(st.lists(WHOLE(-3, 3), min_size=size, max_size=size)))
    row = st.lists(WHOLE(0, 1), min_size=3, max_size=3)
    return torch.tensor(draw(st.lists(row, min_size=size, max_size=size)))


def assert_finite(loss, *inputs):
    assert loss.shape == ()
    assert torch.isfinite(loss), loss
    loss.backward()
    for value in inputs:
        assert value.grad is not None
        assert torch.isfinite(value.grad).all(), value.grad


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_multi_similarity_loss_is_finite(data):
    embeddings = data.draw(rows())
    keywords = {
        "alpha": data.draw(st.sampled_from([0.1, 2.0, 80.0])),
        "beta": data.draw(st.sampled_from([0.1, 50.0, 500.0])),
        "base": data.draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0])),
        "epsilon": data.draw(st.sampled_from([None, 0.0, 0.1])),
        "match": data.draw(st.sampled_from(["intersect", "exact"])),
    }
    targets = data.draw(labels(len(embeddings)))
    assert_finite(multi_similarity_loss(embeddings, targets, **keywords), embeddings)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_contrastive_loss_is_finite(data):
    reconstructions = data.draw(rows())
    targets = data.draw(rows(*reconstructions.shape))
    margin = data.draw(st.sampled_from([0.0, 0.1, 2.0]))
    form = data.draw(st.sampled_from(["row", "column"]))
    loss = refiner_contrastive_loss(reconstructions, targets, margin=margin, form=form)
    assert_finite(loss, reconstructions)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_refiner_of_any_settings_is_finite(data):
    fused = data.draw(rows())
    size = len(fused)
    names = data.draw(
        st.lists(st.sampled_from(["text", "image", "sound"]), min_size=1, unique=True)
    )
    targets = {name: data.draw(rows(size=size)).detach() for name in names}
    targets = {name: value.to(fused.dtype) for name, value in targets.items()}
    refiner = Refiner(
        fused.shape[1],
        {name: value.shape[1] for name, value in targets.items()},
        loss=data.draw(st.sampled_from(sorted(LOSSES))),
        weights={name: data.draw(st.sampled_from([0.0, 0.1, 1.0])) for name in names},
        hidden_dims=data.draw(st.none() | st.lists(WHOLE(1, 5), min_size=1, max_size=2)),
        stop_gradient=data.draw(st.booleans()),
        projection_dim=data.draw(st.none() | WHOLE(1, 5)),
        activation=data.draw(st.sampled_from(["gelu", "relu", "silu", "tanh"])),
    ).to(fused.dtype)
    mask = None
    if data.draw(st.booleans()):
        bits = st.lists(st.booleans(), min_size=size, max_size=size)
        mask = {name: torch.tensor(data.draw(bits)) for name in names}
    output = refiner(fused, targets, mask=mask)
    if all(torch.isfinite(r).all() for r in output.reconstructions.values()):
        if refiner.loss == "mse" and _overflows(output):
            return
        assert_finite(output.total, fused)


def _overflows(output):
    """A squared error of values as large as half precision has them may lie beyond float32."""
    return any(math.isinf(float(loss)) for loss in output.losses.values())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_pooled_tokens_are_finite_whatever_is_masked(data):
    size, tokens, width = (data.draw(WHOLE(1, 5)) for _ in range(3))
    dtype = data.draw(DTYPES)
    layers = [torch.randn(size, tokens, width).to(dtype).requires_grad_() for _ in range(2)]
    bits = st.lists(st.booleans(), min_size=size * tokens, max_size=size * tokens)
    mask = torch.tensor(data.draw(bits)).view(size, tokens)
    pooled = pool_tokens(layers, mask, data.draw(st.sampled_from(sorted(POOLERS))))
    assert torch.isfinite(pooled).all()
    assert (pooled[~mask.any(dim=1)] == 0).all()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_gated_unit_is_finite(data):
    text = data.draw(rows())
    image = data.draw(rows(size=len(text))).detach().to(text.dtype)
    unit = GatedMultimodalUnit({"text": text.shape[1], "image": image.shape[1]}, fused_dim=4)
    assert torch.isfinite(unit.to(text.dtype)({"text": text, "image": image})).all()


WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=6),
    st.integers(-3, 3),
    st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-3),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.lists(st.integers(-2, 2), max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(inspect.getfullargspec(MultiSimilarityLoss).args[1:]), WRONG)
)
def test_a_loss_takes_its_settings_or_names_them(keywords):
    try:
        loss = MultiSimilarityLoss(**keywords)
    except (ValueError, TypeError) as error:
        assert "\n" not in str(error)
        assert any(name in str(error) for name in keywords), error
    else:
        assert torch.isfinite(loss(torch.randn(4, 3), torch.tensor([0, 0, 1, 1])))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(inspect.getfullargspec(Refiner).kwonlyargs)), WRONG))
def test_a_refiner_takes_its_settings_or_names_them(keywords):
    try:
        refiner = Refiner(3, {"text": 2, "image": 4}, **keywords)
    except (ValueError, TypeError) as error:
        assert "\n" not in str(error)
        assert any(name in str(error) for name in keywords), error
    else:
        targets = {"text": torch.randn(4, 2), "image": torch.randn(4, 4)}
        assert torch.isfinite(refiner(torch.randn(4, 3), targets).total)
