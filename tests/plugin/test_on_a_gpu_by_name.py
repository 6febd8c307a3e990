"""A training pass of each whole ReFNet, on tensors that are a GPU's by name and have no values.

Where the plugin leaves something on the CPU two devices meet, and that raises; so does asking for
a value.
"""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from refnet_mmf.plugin import refnet
from refnet_mmf.plugin.mmf_lines import LINE
from refnet_mmf.plugin.train_loader import UNLABELLED
from tests.gpu_by_name import no_driver_asked_for

pytestmark = [pytest.mark.mmf, no_driver_asked_for]
MADE_AN_ARRAY = {
    "pypi": ("bbox", "image_width", "image_height", "cls_prob"),
    "main": ("cls_prob",),
}
"""What the line's ViLBERT makes an array of, so that it is no tensor in the line's own batches."""


@pytest.fixture(autouse=True)
def nothing_that_needs_a_real_gpu(monkeypatch):
    """Leave out what looks for one: main's move of the batch, and our draw from its generator."""
    monkeypatch.setattr("mmf.models.base_model.to_device", lambda batch, _: batch, raising=False)
    monkeypatch.setattr(refnet, "drawn_aside", lambda device: nullcontext())


def on_gpu(mode, tensor):
    return FakeTensor(mode, tensor.detach().to("meta"), torch.device("cuda:0"))


def move(mode, module):
    """Move what ``Module.to`` moves: parameters and buffers, and nothing else."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            moved = nn.Parameter(on_gpu(mode, parameter), parameter.requires_grad)
            part._parameters[name] = moved
        for name, buffer in part.named_buffers(recurse=False):
            part._buffers[name] = on_gpu(mode, buffer)


def move_batch(mode, batch):
    for key in list(batch.keys()):
        if key in MADE_AN_ARRAY[LINE]:
            batch[key] = list(batch[key].numpy())
        elif isinstance(batch[key], torch.Tensor):
            batch[key] = on_gpu(mode, batch[key])
        elif isinstance(batch[key], dict):
            move_batch(mode, batch[key])


@pytest.mark.parametrize("name", ["mmbt", "vilbert", "concat", "linear_sum", "gmu"])
def test_losses_are_where_the_network_is(name, build, samples):
    model = build(recipe="refnetms_mini", model=f"refnet_{name}").train()
    for part in model.modules():
        if hasattr(part, "attn_implementation"):
            part.attn_implementation = "eager"  # transformers' other one reads the mask
    batch = samples(size=6)
    batch[UNLABELLED] = samples(size=6, labels=False, seed=1)
    for part in (batch, batch[UNLABELLED]):
        part["modal_token_type_ids"] = torch.zeros(6, 1, dtype=torch.long)  # else MMBT asks for it
    mode = FakeTensorMode()
    move(mode, model)
    move_batch(mode, batch)
    with mode:
        output = model(batch)
    losses = {key.split("/")[-1] for key in output["losses"]}
    assert losses == {"cross_entropy", "refiner_text", "refiner_image", "metric_loss"}
    shown = {**output["losses"], **output["metrics"]}
    assert {value.device.type for value in shown.values()} == {"cuda"}
