"""What the plugin adds to a step never asks a GPU for a value: it runs on tensors that have none.

As in ``tests/core/test_no_synchronisation.py``: ``.item()``, or a shape that depends on values,
raises.
"""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from refnet_mmf import MultiSimilarityLoss, Refiner
from refnet_mmf.core.modality_tokens import Keep, ModalityTokens
from refnet_mmf.core.refiner import LOSSES
from refnet_mmf.core.taps import Tap
from refnet_mmf.plugin.fusion_taps import FusionReader, FusionTaps
from refnet_mmf.plugin.loss_terms import metric_term, refiner_terms
from refnet_mmf.plugin.run_watch import RunWatch
from tests.gpu_by_name import no_driver_asked_for

pytestmark = pytest.mark.mmf
SAMPLES, TEXT, IMAGE, WIDTH = 6, 5, 3, 4


@pytest.fixture(autouse=True, params=[pytest.param("cuda", marks=no_driver_asked_for), "cpu"])
def device(request):
    with FakeTensorMode():
        yield request.param


class Joint(nn.Module):
    """A network on one sequence of text and image tokens, whose fused embedding is its first."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(2)])
        self.pooler = nn.Linear(WIDTH, WIDTH)

    def forward(self, text, image, text_mask):
        states = torch.cat([text, image], dim=1)
        for layer in self.layers:
            states = layer(states)
        return self.pooler(states[:, 0])


def features_of_a_pass(device):
    with torch.device(device):
        network = Joint()
        text = torch.empty(SAMPLES, TEXT, WIDTH)
        image = torch.empty(SAMPLES, IMAGE, WIDTH)
        mask = torch.empty(SAMPLES, TEXT, dtype=torch.bool)
    states = tuple(Tap(f"layers.{number}") for number in range(2))
    text_tap = Tap("", read="input", path=(0,))
    where = FusionTaps(
        fused=(Tap("pooler"),),
        fused_dim=WIDTH,
        modalities={
            "text": ModalityTokens(
                states, Tap("", read="input", path=(2,)), Keep("first", text_tap)
            ),
            "image": ModalityTokens(states, keep=Keep("after_first", text_tap)),
        },
        token_dims={"text": WIDTH, "image": WIDTH},
    )
    reader = FusionReader(network, where)
    reader.follow(True)
    with reader.record():
        network(text, image, mask)
        return reader.features(("text", "image"), "average_last_two")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_of_ours(loss, device, tmp_path):
    """Labelled and unlabelled samples, the refiner's terms, the metric's, and their watch."""
    features = features_of_a_pass(device)
    labelled = features.fused
    features = features.followed_by(features_of_a_pass(device))
    with torch.device(device):
        refiner = Refiner(WIDTH, {"text": WIDTH, "image": WIDTH}, loss=loss, projection_dim=2)
        labels = torch.empty(SAMPLES, 3)
    terms = list(refiner_terms(refiner, features))
    terms.append(metric_term("metric_loss", 0.1, MultiSimilarityLoss(), labelled, labels))
    watch = RunWatch(tmp_path, lambda count: [], lambda positions: [])
    for term in terms:
        watch.see(1, term.losses("train/x"), term.metrics("train/x"), SAMPLES)
        shown = [*term.losses("x").values(), *term.metrics("x").values()]
        assert all(value.device.type == device for value in shown)
