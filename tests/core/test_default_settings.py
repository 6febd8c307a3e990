"""What is not set: the modules have their functions' defaults, and those that are documented."""

import inspect

import pytest

from refnet_mmf import (
    MultiSimilarityLoss,
    Refiner,
    RefinerContrastiveLoss,
    multi_similarity_loss,
    refiner_contrastive_loss,
)


@pytest.mark.parametrize(
    "module, function",
    [
        (MultiSimilarityLoss, multi_similarity_loss),
        (RefinerContrastiveLoss, refiner_contrastive_loss),
    ],
)
def test_a_module_has_its_function_s_defaults_and_is_of_one_process(module, function):
    of_function = inspect.signature(function).parameters
    default = module()
    for name in inspect.signature(module).parameters:
        expected = False if name == "gather_distributed" else of_function[name].default
        assert getattr(default, name) == expected, name


@pytest.mark.parametrize(
    "module, shown",
    [
        (
            MultiSimilarityLoss(),
            "alpha=2.0, beta=50.0, base=0.5, epsilon=0.1, match='intersect', "
            "similarity='cosine', gather_distributed=False",
        ),
        (RefinerContrastiveLoss(), "margin=0.1, form='row', gather_distributed=False"),
        (
            Refiner(8, {"text": 3, "image": 4}),
            "loss='cosine', weights={text: 0.1, image: 0.1}, stop_gradient=True, "
            "gather_distributed=False",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_printed_module_shows_its_settings(module, shown):
    assert module.extra_repr() == shown
    assert shown in repr(module)
