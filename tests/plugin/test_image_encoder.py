"""The image encoder of any torchvision network, with weights from a file."""

import pytest
import torch
from torchvision import models

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.image_encoder import GRIDS, TorchvisionImageEncoder

pytestmark = pytest.mark.mmf


@pytest.mark.parametrize(
    ("name", "width"),
    [("resnet18", 512), ("mobilenet_v3_small", 576), ("regnet_y_400mf", 440), ("vgg11", 512)],
)
def test_gives_tokens_of_the_network_s_own_width(name, width):
    encoder = TorchvisionImageEncoder({"name": name, "num_output_features": 4})
    assert encoder.out_dim == width
    assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, 4, width)


@pytest.mark.parametrize("features", [*GRIDS, -1])
def test_gives_as_many_tokens_as_asked_for(features):
    encoder = TorchvisionImageEncoder({"name": "resnet18", "num_output_features": features})
    count = 4 if features == -1 else features
    assert encoder(torch.randn(1, 3, 64, 64)).shape == (1, count, 512)


def test_computes_what_the_network_computes():
    torch.manual_seed(0)
    network = models.resnet18(num_classes=5).eval()
    weights = network.state_dict()
    encoder = TorchvisionImageEncoder({"name": "resnet18"}).eval()
    encoder.features.load_state_dict(
        torch.nn.Sequential(*list(network.children())[:-2]).state_dict()
    )
    images = torch.randn(2, 3, 64, 64)
    expected = network(images)
    token = encoder(images)[:, 0]
    torch.testing.assert_close(token @ weights["fc.weight"].T + weights["fc.bias"], expected)


def test_weights_come_from_a_file_whatever_head_it_has(tmp_path):
    torch.manual_seed(0)
    network = models.resnet18(num_classes=7)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    encoder = TorchvisionImageEncoder(
        {"name": "resnet18", "weights_file": str(tmp_path / "weights.pt")}
    )
    for ours, theirs in zip(
        encoder.features.parameters(), list(network.parameters())[:-2], strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": "resnet19"}, "unknown torchvision network 'resnet19'; did you mean 'resnet1"),
        ({"name": "vit_b_16"}, "no feature map that this encoder can find"),
        ({"nam": "resnet18"}, "unknown key 'nam'; did you mean 'name'"),
        ({"name": "resnet18", "num_output_features": 10}, "num_output_features"),
        ({"name": "resnet18", "weights_file": "/no/such.pt"}, "no such file: /no/such.pt"),
    ],
)
def test_a_bad_setting_is_named(params, message):
    with pytest.raises(RefnetError, match=message):
        TorchvisionImageEncoder(params)


def test_a_file_that_holds_something_else_is_named(tmp_path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(RefnetError, match="is not a state dict saved by torch"):
        TorchvisionImageEncoder({"name": "resnet18", "weights_file": str(file)})
    torch.save(models.resnet34(num_classes=2).state_dict(), file)
    with pytest.raises(RefnetError, match="does not hold weights of resnet18"):
        TorchvisionImageEncoder({"name": "resnet18", "weights_file": str(file)})
    torch.save([1, 2], file)
    with pytest.raises(RefnetError, match="holds a list, not a state dict"):
        TorchvisionImageEncoder({"name": "resnet18", "weights_file": str(file)})


@pytest.mark.parametrize(
    ("recipe", "model"), [("baseline_mini", "mmbt"), ("refnet_mini", "refnet_mmbt")]
)
def test_stock_models_build_it_by_its_name(build, tmp_path, recipe, model):
    from tests.plugin.conftest import PROJECT

    file = tmp_path / "pixels.yaml"
    file.write_text(
        f"""
includes:
- {PROJECT / recipe}.yaml
model_config:
  mmbt:
    direct_features_input: false
    modal_encoder:
      type: torchvision
      params:
        name: resnet18
        num_output_features: 4
"""
    )
    built = build(recipe=str(file), model=model)
    encoder = built.model.bert.mmbt.modal_encoder.encoder
    assert isinstance(encoder, TorchvisionImageEncoder)


def test_the_last_activation_of_a_densenet_is_kept():
    """It is no module of the network, which applies it in its forward."""
    torch.manual_seed(0)
    encoder = TorchvisionImageEncoder({"name": "densenet121", "num_output_features": -1}).eval()
    network = models.densenet121(weights=None).eval()
    network.features = encoder.features[0]
    images = torch.randn(1, 3, 64, 64)
    pooled = encoder(images).mean(dim=1)
    assert (encoder(images) >= 0).all()
    torch.testing.assert_close(network.classifier(pooled), network(images))
