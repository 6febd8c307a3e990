"""What the core refuses, word by word: the place, the value, and what would be valid."""

from __future__ import annotations

import re

import pytest
import torch

from refnet_mmf import (
    ConcatFusion,
    GatedMultimodalUnit,
    LinearSum,
    MultiSimilarityLoss,
    Refiner,
    RefinerContrastiveLoss,
    multi_similarity_loss,
    refiner_contrastive_loss,
)
from refnet_mmf.core.classification_metrics import accuracy, micro_f1
from refnet_mmf.core.decoder import build_decoder
from refnet_mmf.core.label_pairs import positives_and_negatives

DIMS = {"text": 5, "image": 7}
EMBEDDINGS, TARGETS = torch.zeros(2, 3), torch.tensor([0, 1])
WIDTHS = "expected the width of each modality's"


def refiner(**settings):
    return Refiner(8, DIMS, **settings)


def forward(fused=(6, 8), mask=None, **targets):
    shapes = {"text": (6, 5), "image": (6, 7), **targets}
    given = {name: torch.zeros(shape) for name, shape in shapes.items() if shape}
    return refiner()(torch.zeros(fused), given, mask)


def metric_loss(**settings):
    multi_similarity_loss(EMBEDDINGS, TARGETS, **settings)


def contrastive_loss(**settings):
    refiner_contrastive_loss(EMBEDDINGS, EMBEDDINGS, **settings)


REFUSED = [
    (
        lambda: Refiner(8, {}),
        f"Refiner: target_dims: {WIDTHS} target by its name, "
        "e.g. {'text': 768, 'image': 2048}, got {}",
    ),
    (
        lambda: Refiner(8, [5]),
        f"Refiner: target_dims: {WIDTHS} target by its name, "
        "e.g. {'text': 768, 'image': 2048}, got [5]",
    ),
    (
        lambda: refiner(loss="cos"),
        "Refiner: loss: unknown loss 'cos'; did you mean 'cosine'? "
        "(valid: contrastive, cosine, mse)",
    ),
    (
        lambda: refiner(loss=None),
        "Refiner: loss: unknown loss None; did you mean 'cosine'? "
        "(valid: contrastive, cosine, mse)",
    ),
    (
        lambda: refiner(form="rows"),
        "Refiner: form: unknown form 'rows'; did you mean 'row'? (valid: column, row)",
    ),
    (lambda: refiner(margin=-1), "Refiner: margin: expected at least 0, got -1"),
    (
        lambda: refiner(weights={"txt": 1}),
        "Refiner: weights: unknown modality 'txt'; did you mean 'text'? (valid: image, text)",
    ),
    (
        lambda: refiner(weights={"text": -0.1}),
        "Refiner: weights['text']: expected at least 0, got -0.1",
    ),
    (
        lambda: refiner(hidden_dims=[]),
        "hidden_dims: expected a list of at least one width (section 3.2), got []",
    ),
    (
        lambda: refiner(hidden_dims="96"),
        "hidden_dims: expected a list of at least one width (section 3.2), got '96'",
    ),
    (lambda: refiner(hidden_dims=[4, 0]), "hidden_dims[1]: expected at least 1, got 0"),
    (lambda: build_decoder(0, 3, [4]), "fused_dim: expected at least 1, got 0"),
    (lambda: build_decoder(3, 0, [4]), "target_dim: expected at least 1, got 0"),
    (
        lambda: refiner(activation="gel"),
        "activation: unknown activation 'gel'; did you mean 'gelu'? "
        "(valid: gelu, relu, silu, tanh)",
    ),
    (lambda: refiner(dropout=1), "dropout: expected less than 1, got 1"),
    (lambda: refiner(dropout=-0.1), "dropout: expected at least 0, got -0.1"),
    (lambda: forward(fused=(6, 9)), "Refiner: expected a fused embedding [B, 8], got (6, 9)"),
    (lambda: forward(fused=(8,)), "Refiner: expected a fused embedding [B, 8], got (8,)"),
    (
        lambda: forward(imag=(6, 7)),
        "Refiner: targets: unknown modality 'imag'; did you mean 'image'? (valid: image, text)",
    ),
    (
        lambda: forward(mask={"imag": torch.ones(6)}),
        "Refiner: mask: unknown modality 'imag'; did you mean 'image'? (valid: image, text)",
    ),
    (lambda: forward(image=None), "Refiner: targets: modality 'image' is missing"),
    (lambda: forward(text=(6, 6)), "Refiner: targets['text']: expected shape (6, 5), got (6, 6)"),
    (
        lambda: forward(mask={"text": torch.ones(6, 1)}),
        "Refiner: mask['text']: expected shape (6,), got (6, 1)",
    ),
    *(
        (lambda call=call, settings=settings: call(**settings), f"{place}: {message}")
        for place, call in (
            ("multi_similarity_loss", metric_loss),
            ("MultiSimilarityLoss", MultiSimilarityLoss),
        )
        for settings, message in (
            ({"alpha": 0}, "alpha: expected more than 0, got 0"),
            ({"beta": -1}, "beta: expected more than 0, got -1"),
            ({"base": float("inf")}, "base: expected a finite number, got inf"),
            ({"epsilon": -0.1}, "epsilon: expected at least 0, got -0.1"),
            (
                {"match": "exac"},
                "match: unknown match 'exac'; did you mean 'exact'? (valid: exact, intersect)",
            ),
            (
                {"match": "x"},
                "match: unknown match 'x'; did you mean 'exact'? (valid: exact, intersect)",
            ),
            (
                {"similarity": "cosin"},
                "similarity: unknown similarity 'cosin'; did you mean 'cosine'? "
                "(valid: cosine, dot)",
            ),
        )
    ),
    (
        lambda: multi_similarity_loss(EMBEDDINGS, torch.zeros(3)),
        "multi_similarity_loss: expected "
        "embeddings [B, D] and targets [B] or [B, C], got (2, 3) and (3,)",
    ),
    *(
        (
            lambda shape=shape: multi_similarity_loss(torch.zeros(4, 3), torch.zeros(shape)),
            "multi_similarity_loss: expected embeddings [B, D] and targets [B] or [B, C], "
            f"got (4, 3) and {shape}",
        )
        for shape in ((5,), ())
    ),
    (
        lambda: multi_similarity_loss(torch.zeros(2), TARGETS),
        "multi_similarity_loss: expected "
        "embeddings [B, D] and targets [B] or [B, C], got (2,) and (2,)",
    ),
    (
        lambda: positives_and_negatives(TARGETS, "any"),
        "targets: unknown match 'any' (valid: exact, intersect)",
    ),
    (
        lambda: positives_and_negatives(torch.zeros(2, 3, 4)),
        "targets: expected class indices [B] or multi-hot label sets [B, C], got shape (2, 3, 4)",
    ),
    *(
        (lambda call=call, settings=settings: call(**settings), f"{place}: {message}")
        for place, call in (
            ("refiner_contrastive_loss", contrastive_loss),
            ("RefinerContrastiveLoss", RefinerContrastiveLoss),
        )
        for settings, message in (
            ({"margin": -1}, "margin: expected at least 0, got -1"),
            (
                {"form": "col"},
                "form: unknown form 'col'; did you mean 'column'? (valid: column, row)",
            ),
        )
    ),
    (
        lambda: refiner_contrastive_loss(EMBEDDINGS, torch.zeros(2, 4)),
        "refiner_contrastive_loss: "
        "expected reconstructions and targets of one shape [B, D], got (2, 3) and (2, 4)",
    ),
    (
        lambda: refiner_contrastive_loss(TARGETS, TARGETS),
        "refiner_contrastive_loss: "
        "expected reconstructions and targets of one shape [B, D], got (2,) and (2,)",
    ),
    (
        lambda: LinearSum({}),
        f"LinearSum: input_dims: {WIDTHS} features by its name, "
        "e.g. {'image': 2048, 'text': 768}, got {}",
    ),
    (
        lambda: LinearSum([3]),
        f"LinearSum: input_dims: {WIDTHS} features by its name, "
        "e.g. {'image': 2048, 'text': 768}, got [3]",
    ),
    (lambda: ConcatFusion({"a": 0}), "ConcatFusion: input_dims['a']: expected at least 1, got 0"),
    (lambda: ConcatFusion({"a": 1}, 0), "ConcatFusion: fused_dim: expected at least 1, got 0"),
    (
        lambda: ConcatFusion(DIMS)({"text": EMBEDDINGS, "imag": EMBEDDINGS}),
        "ConcatFusion: "
        "features: unknown modality 'imag'; did you mean 'image'? (valid: image, text)",
    ),
    (
        lambda: LinearSum(DIMS)({"text": torch.zeros(2, 5)}),
        "LinearSum: features: modality 'image' is missing",
    ),
    (
        lambda: LinearSum({"text": 5})({"text": EMBEDDINGS}),
        "LinearSum: features['text']: expected shape [B, 5], got (2, 3)",
    ),
    (
        lambda: LinearSum({"text": 5})({"text": torch.zeros(2, 1, 5)}),
        "LinearSum: features['text']: expected shape [B, 5], got (2, 1, 5)",
    ),
    (
        lambda: GatedMultimodalUnit(DIMS, gate="input"),
        "GatedMultimodalUnit: gate: unknown gate "
        "'input'; did you mean 'inputs'? (valid: inputs, projections)",
    ),
    (
        lambda: GatedMultimodalUnit({"a": 3}),
        "GatedMultimodalUnit: input_dims: expected at least two modalities to weigh, got ['a']",
    ),
    (
        lambda: accuracy(torch.zeros(3), TARGETS),
        "scores: expected [B, C], not empty, got shape (3,)",
    ),
    (
        lambda: accuracy(torch.zeros(2, 3), torch.zeros(3)),
        "targets: expected class indices [2] or one-hot rows, got shape (3,)",
    ),
    (
        lambda: accuracy(torch.zeros(2, 3), torch.ones(2, 3)),
        "targets: expected one label a sample, got label sets",
    ),
    (
        lambda: accuracy(torch.zeros(2, 3), torch.tensor([0, 3])),
        "targets: expected classes 0 to 2, as many as scores, got 3",
    ),
    (
        lambda: micro_f1(torch.zeros(0, 3), torch.zeros(0, 3)),
        "scores: expected [B, C], not empty, got shape (0, 3)",
    ),
    (
        lambda: micro_f1(torch.zeros(2, 3), TARGETS),
        "targets: expected multi-hot [2, 3], as the scores, got shape (2,)",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_does_not_fit_is_refused_in_these_words(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: refiner(stop_gradient=1), "Refiner: stop_gradient: expected True or False, got 1"),
        (
            lambda: refiner(weights=0.1),
            "Refiner: weights: expected gamma by modality, e.g. {'text': 0.1}, got 0.1",
        ),
        (
            lambda: refiner(margin="0.1"),
            "Refiner: margin: expected a number, got '0.1' of type str",
        ),
        (
            lambda: refiner(weights={"text": "1e-5"}),
            "Refiner: weights['text']: expected a number, got '1e-5' of type str",
        ),
        (lambda: refiner(hidden_dims=[4, 2.5]), "hidden_dims[1]: expected a whole number, got 2.5"),
        (
            lambda: refiner(projection_dim=2.5),
            "Refiner: projection_dim: expected a whole number, got 2.5",
        ),
        (lambda: refiner(hidden_dims=[True]), "hidden_dims[0]: expected a whole number, got True"),
        (
            lambda: metric_loss(alpha="2"),
            "multi_similarity_loss: alpha: expected a number, got '2' of type str",
        ),
        (
            lambda: LinearSum({"a": "3"}),
            "LinearSum: input_dims['a']: expected a number, got '3' of type str",
        ),
    ],
)
def test_what_has_the_wrong_type_is_refused_in_these_words(call, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call()
