"""What runs in a step never asks a GPU for a value: it runs on tensors that have none.

PyTorch's fake tensors have a device, a shape and a type, and no numbers. ``.item()``, an ``if`` on
a value, a shape that depends on values, a tensor left on the CPU: each raises. They need no GPU to
lie on one; the backward pass does, and runs on the CPU where there is none.
"""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from refnet_mmf import (
    ConcatFusion,
    GatedMultimodalUnit,
    LinearSum,
    Refiner,
    RefinerContrastiveLoss,
    multi_similarity_loss,
    pool_tokens,
    refiner_contrastive_loss,
)
from refnet_mmf.core.diagnostics import reconstruction_r2, target_variance
from refnet_mmf.core.global_batch import global_mean
from refnet_mmf.core.poolers import POOLERS
from refnet_mmf.core.reconstruction_losses import cosine_loss, mse_loss
from refnet_mmf.core.refiner import LOSSES
from tests.gpu_by_name import no_driver_asked_for


@pytest.fixture(autouse=True, params=[pytest.param("cuda", marks=no_driver_asked_for), "cpu"])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    with FakeTensorMode():
        yield request.param


def rows(device: str) -> Tensor:
    return torch.empty(6, 4, device=device, requires_grad=True)


def tokens(device: str) -> list[Tensor]:
    return [torch.empty(6, 5, 4, device=device, requires_grad=True) for _ in range(2)]


def mask(device: str, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bool, device=device)


def labels(device: str, kind: str) -> Tensor:
    if kind == "classes":
        return torch.empty(6, dtype=torch.long, device=device)
    return torch.empty(6, 3, device=device)


@no_driver_asked_for
def test_on_such_tensors_a_value_or_another_device_raises(device: str) -> None:
    with pytest.raises(RuntimeError):
        if rows(device).sum() > 0:
            pass
    with pytest.raises(RuntimeError):
        rows(device).sum().item()
    with pytest.raises(RuntimeError):
        rows(device) + torch.ones(4, device="cpu" if device == "cuda" else "cuda")
    with pytest.raises(RuntimeError):
        rows(device)[mask(device, 6)]


def check(value: Tensor, device: str) -> None:
    assert value.device.type == device
    if device == "cpu" or torch.cuda.is_available():
        value.sum().backward()


@pytest.mark.parametrize(
    "kind, epsilon, match",
    itertools.product(["classes", "label sets"], [None, 0.1], ["intersect", "exact"]),
)
def test_multi_similarity_loss(kind: str, epsilon: float | None, match: str, device: str) -> None:
    check(
        multi_similarity_loss(rows(device), labels(device, kind), epsilon=epsilon, match=match),
        device,
    )


@pytest.mark.parametrize("form", ["row", "column"])
def test_contrastive_loss(form: str, device: str) -> None:
    check(
        refiner_contrastive_loss(rows(device), rows(device), form=form, mask=mask(device, 6)),
        device,
    )


@pytest.mark.parametrize("gather", [False, True])
def test_contrastive_loss_without_a_mask(gather: bool, device: str) -> None:
    check(RefinerContrastiveLoss(gather_distributed=gather)(rows(device), rows(device)), device)


@pytest.mark.parametrize("loss", [cosine_loss, mse_loss])
def test_reconstruction_losses(loss, device: str) -> None:
    check(loss(rows(device), rows(device), mask=mask(device, 6)), device)


@pytest.mark.parametrize("loss", LOSSES)
def test_refiner(loss: str, device: str) -> None:
    with torch.device(device):
        refiner = Refiner(4, {"text": 4, "image": 4}, loss=loss)
    targets = {"text": rows(device), "image": rows(device)}
    check(refiner(rows(device), targets, mask={"image": mask(device, 6)}).total, device)


@pytest.mark.parametrize("pooler", POOLERS)
def test_poolers(pooler: str, device: str) -> None:
    check(pool_tokens(tokens(device), mask(device, 6, 5), pooler), device)


@pytest.mark.parametrize("fusion", [ConcatFusion, GatedMultimodalUnit, LinearSum])
def test_fusion(fusion, device: str) -> None:
    with torch.device(device):
        module = fusion({"text": 4, "image": 4})
    check(module({"text": rows(device), "image": rows(device)}), device)


def test_global_mean(device: str) -> None:
    check(global_mean(rows(device)[:, 0], mask(device, 6)), device)


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_logged(masked: bool, device: str) -> None:
    present = mask(device, 6) if masked else None
    assert target_variance(rows(device), present).device.type == device
    for rescale in (False, True):
        assert (
            reconstruction_r2(rows(device), rows(device), present, rescale=rescale).device.type
            == device
        )
