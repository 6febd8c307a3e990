"""Concat, LinearSum and GMU: each against its equation in NumPy, and what they refuse."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from refnet_mmf import ConcatFusion, GatedMultimodalUnit, LinearSum
from refnet_mmf.core.maxout import Maxout, MaxoutClassifier
from refnet_mmf.core.normalization import (
    FeatureNormalization,
    build_normalization,
    running_statistics_kept,
)

TWO = {"image": 7, "text": 5}
THREE = {"image": 7, "text": 5, "sound": 3}
FUSIONS = (ConcatFusion, LinearSum, GatedMultimodalUnit)


def features(dims, batch=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(batch, dim, generator=generator, dtype=torch.float64)
        for name, dim in dims.items()
    }


def weight(module):
    return module.weight.detach().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def assert_rows(actual, expected):
    np.testing.assert_allclose(actual.detach().numpy(), np.stack(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dims", [TWO, THREE])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_concat_is_the_largest_of_linear_maps_of_the_concatenation(dims, pieces):
    fusion = ConcatFusion(dims, 6, pieces=pieces).double()
    given = features(dims)
    maps, bias = weight(fusion.projection.linear), fusion.projection.linear.bias.detach().numpy()
    expected = []
    for row in range(4):
        x = np.concatenate([given[name][row].numpy() for name in dims])
        candidates = [
            maps[6 * p : 6 * (p + 1)] @ x + bias[6 * p : 6 * (p + 1)] for p in range(pieces)
        ]
        expected.append(np.max(candidates, axis=0))
    assert_rows(fusion(given), expected)


@pytest.mark.parametrize("dims", [TWO, THREE])
def test_linear_sum_is_a_sum_of_linear_maps(dims):
    fusion = LinearSum(dims, 6).double()
    given = features(dims)
    expected = [
        sum(weight(fusion.projections[name]) @ given[name][row].numpy() for name in dims)
        for row in range(4)
    ]
    assert_rows(fusion(given), expected)


def test_concat_takes_by_default_the_larger_of_two_maps():
    assert ConcatFusion(TWO).projection.pieces == 2


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_fused_width_is_the_one_asked_for(fusion):
    module = fusion(TWO, 6)
    assert module.fused_dim == 6
    assert module({name: rows.float() for name, rows in features(TWO).items()}).shape == (4, 6)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_fused_width_is_by_default_the_papers(fusion):
    module = fusion(TWO).double()
    assert module.fused_dim == 512
    assert module(features(TWO, batch=1)).shape == (1, 512)


@pytest.mark.parametrize("gate", ["inputs", "projections"])
def test_gmu_of_two_weighs_one_against_the_other(gate):
    fusion = GatedMultimodalUnit(TWO, 6, gate=gate).double()
    given = features(TWO)
    expected = []
    for row in range(4):
        x = {name: given[name][row].numpy() for name in TWO}
        w = {name: weight(fusion.projections[name]) @ x[name] for name in TWO}
        read = x if gate == "inputs" else w
        z = sigmoid(weight(fusion.gate) @ np.concatenate([read["image"], read["text"]]))
        expected.append(z * np.tanh(w["image"]) + (1 - z) * np.tanh(w["text"]))
    assert_rows(fusion(given), expected)


@pytest.mark.parametrize("gate", ["inputs", "projections"])
def test_gmu_of_three_has_a_gate_for_each(gate):
    fusion = GatedMultimodalUnit(THREE, 6, gate=gate).double()
    given = features(THREE)
    expected = []
    for row in range(4):
        x = {name: given[name][row].numpy() for name in THREE}
        w = {name: weight(fusion.projections[name]) @ x[name] for name in THREE}
        read = np.concatenate(list((x if gate == "inputs" else w).values()))
        z = sigmoid(weight(fusion.gate) @ read).reshape(3, 6)
        expected.append(sum(z[i] * np.tanh(w[name]) for i, name in enumerate(THREE)))
    assert_rows(fusion(given), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_order_of_the_given_features_does_not_matter(fusion):
    module = fusion(TWO, 6).double()
    given = features(TWO)
    assert torch.equal(module(given), module(dict(reversed(given.items()))))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_batch_without_samples_gives_none(fusion):
    assert fusion(TWO, 6).double().eval()(features(TWO, batch=0)).shape == (0, 6)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_weight_gets_a_gradient_and_it_is_the_derivative(fusion):
    module = fusion(TWO, 3).double()
    given = features(TWO, batch=2)
    names = list(given)
    tensors = [given[name].requires_grad_() for name in names]
    assert torch.autograd.gradcheck(
        lambda *values: module(dict(zip(names, values, strict=True))), tensors
    )
    module(given).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("normalization", ["batch", "layer", "none"])
def test_the_classifier_is_normalised_maxout_layers_and_a_linear_one(normalization):
    classifier = MaxoutClassifier(6, 3, hidden_dim=4, normalization=normalization, dropout=0.0)
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))

    def norm(values):
        if normalization == "none":
            return values
        dim = 0 if normalization == "batch" else 1
        centred = values - values.mean(dim, keepdim=True)
        return centred / (values.var(dim, correction=0, keepdim=True) + 1e-5).sqrt()

    h = norm(x)
    for layer in (m for m in classifier if isinstance(m, Maxout)):
        pieces = [
            h @ layer.linear.weight[4 * p : 4 * (p + 1)].T + layer.linear.bias[4 * p : 4 * (p + 1)]
            for p in range(2)
        ]
        h = norm(torch.maximum(*pieces))
    expected = h @ classifier[-1].weight.T + classifier[-1].bias
    torch.testing.assert_close(classifier(x), expected)


def test_the_classifier_is_by_default_that_of_the_papers_experiments():
    classifier = MaxoutClassifier(6, 3)
    kinds = [type(layer).__name__ for layer in classifier]
    hidden = ["Maxout", "Dropout", "BatchNorm"]
    assert kinds == ["BatchNorm", *hidden, *hidden, "Linear"]
    assert [layer.p for layer in classifier if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    maxouts = [layer for layer in classifier if isinstance(layer, Maxout)]
    assert [(m.linear.in_features, m.linear.out_features, m.pieces) for m in maxouts] == [
        (6, 1024, 2),
        (512, 1024, 2),
    ]
    assert Maxout(6, 5).pieces == 2


def test_the_classifier_has_as_many_pieces_and_layers_as_asked_for():
    classifier = MaxoutClassifier(6, 3, hidden_dim=4, pieces=3, num_layers=1)
    (layer,) = (m for m in classifier if isinstance(m, Maxout))
    assert (layer.pieces, layer.linear.out_features) == (3, 12)
    linear = MaxoutClassifier(6, 3, num_layers=0, normalization="none", dropout=0)
    x = torch.randn(2, 6)
    assert torch.equal(linear(x), linear[-1](x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_layers": -1}, "MaxoutClassifier: num_layers: expected at least 0, got -1"),
        ({"dropout": -0.1}, "MaxoutClassifier: dropout: expected at least 0, got -0.1"),
        ({"dropout": 1}, "MaxoutClassifier: dropout: expected less than 1, got 1"),
        ({"pieces": 0}, "Maxout: pieces: expected at least 1, got 0"),
        (
            {"normalization": "bach"},
            "normalization: unknown normalization 'bach'; did you mean 'batch'? "
            "(valid: batch, layer, none)",
        ),
    ],
)
def test_settings_of_the_classifier_that_do_not_fit_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        MaxoutClassifier(6, 3, **settings)


def test_a_batch_of_one_is_normalised_by_the_running_statistics():
    norm = build_normalization("batch", 3).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            values.copy_(torch.rand(3, generator=generator) + 0.5)
    norm.eps = 0.25
    x = torch.randn(1, 3, generator=generator)
    expected = (x - norm.running_mean) / (norm.running_var + 0.25).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected)
    torch.testing.assert_close(norm.eval()(x), expected)


def test_a_batch_of_one_trains_with_batch_normalisation():
    classifier = MaxoutClassifier(6, 3, hidden_dim=4).train()
    before = classifier[0].running_mean.clone()
    scores = classifier(torch.randn(1, 6))
    scores.sum().backward()
    assert scores.shape == (1, 3) and scores.isfinite().all()
    assert torch.equal(classifier[0].running_mean, before)


@pytest.mark.parametrize("kind", ["batch", "layer", "none"])
def test_each_modality_has_a_normalisation_of_its_own(kind):
    dims = {"text": 3, "image": 5}
    norm = FeatureNormalization(dims, kind)
    x = {name: torch.randn(4, dim) for name, dim in dims.items()}
    normalised = norm(x)
    assert list(normalised) == list(dims)
    for name, dim in dims.items():
        assert torch.equal(normalised[name], build_normalization(kind, dim)(x[name]))
    norms = list(norm.modalities.values())
    assert norms[0] is not norms[1]


def test_modalities_are_by_default_normalised_over_the_batch():
    norm = FeatureNormalization({"text": 3})
    assert [type(one).__name__ for one in norm.modalities.values()] == ["BatchNorm"]


def test_statistics_are_kept_again_after_the_context_even_if_it_fails():
    norm = build_normalization("batch", 3)
    network = nn.Sequential(norm, nn.BatchNorm1d(3, track_running_stats=False))
    x = 5 + torch.randn(8, 3)
    with pytest.raises(RuntimeError, match="stop"), running_statistics_kept(network):
        network(x)
        raise RuntimeError("stop")
    assert norm.running_mean.tolist() == [0, 0, 0] and norm.num_batches_tracked == 0
    assert not network[1].track_running_stats
    network(x)
    assert norm.num_batches_tracked == 1
