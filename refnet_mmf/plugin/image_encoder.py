"""Image encoder of any convolutional torchvision network, with weights from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from omegaconf import DictConfig, OmegaConf
from pydantic import Field
from torch import Tensor, nn

from refnet_mmf.core.messages import first_line, near_file, unknown
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.settings import Block, read_block

NAME = "torchvision"
PLACE = f"modal_encoder (type {NAME}).params"

# Rows and columns of the grid that a number of output features makes: those of MMF's ResNet-152.
GRIDS = {
    1: (1, 1),
    2: (2, 1),
    3: (3, 1),
    4: (2, 2),
    5: (5, 1),
    6: (3, 2),
    7: (7, 1),
    8: (4, 2),
    9: (3, 3),
}


class ImageEncoderSettings(Block):
    """``modal_encoder.params`` where its ``type`` is ``torchvision``."""

    name: str = Field("resnet50", description="constructor in torchvision.models")
    weights_file: str | None = Field(None, description="a state dict; null: random weights")
    num_output_features: Literal[-1, 1, 2, 3, 4, 5, 6, 7, 8, 9] = Field(
        1, description="image tokens; -1: one for each position of the feature map"
    )
    pool_type: Literal["avg", "max"] = Field("avg", description="pooling to that number")
    in_dim: int | None = Field(None, description="not read: other encoders' key in stock YAML")
    pretrained: bool | None = Field(None, description="not read: ResNet-152's key in stock YAML")


class TorchvisionImageEncoder(nn.Module):
    """Pictures [B, 3, H, W] to image tokens [B, N, D], by a torchvision network without its head.

    Works for networks that end in ``avgpool`` and ``fc`` (ResNet, ResNeXt, Wide ResNet, RegNet) or
    consist of ``features`` and a ``classifier`` (VGG, DenseNet, MobileNet, EfficientNet, ConvNeXt).

    Args:
        params: the keys of `ImageEncoderSettings`.

    Raises:
        RefnetError: an unknown key or network, a missing file, weights of another network.
    """

    def __init__(self, params: DictConfig | Mapping[str, object]) -> None:
        super().__init__()
        plain = params
        if isinstance(params, DictConfig):
            plain = OmegaConf.to_container(params, resolve=True)
        settings = read_block(ImageEncoderSettings, plain, PLACE)
        network = _build_network(settings.name)
        if settings.weights_file is not None:
            _load_weights(network, Path(settings.weights_file), settings.name)
        self.features = _without_head(network, settings.name)
        self.pool = _pool(settings)
        with torch.no_grad():
            self.out_dim: int = self.features.eval()(torch.zeros(1, 3, 64, 64)).shape[1]
        self.features.train()

    def forward(self, images: Tensor) -> Tensor:
        """Encode ``images`` [B, 3, H, W] as tokens [B, N, D], row by row."""
        return self.pool(self.features(images)).flatten(start_dim=2).transpose(1, 2).contiguous()


def _build_network(name: str) -> nn.Module:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise RefnetError(unknown(f"{PLACE}.name", "torchvision network", name, known))
    network: nn.Module = models.get_model(name, weights=None)
    return network


def _without_head(network: nn.Module, name: str) -> nn.Module:
    children = dict(network.named_children())
    if "features" in children and "classifier" in children:
        if name.startswith("densenet"):  # whose last activation is no module of its own
            return nn.Sequential(children["features"], nn.ReLU())
        return children["features"]
    if list(children)[-2:] == ["avgpool", "fc"]:
        return nn.Sequential(*list(children.values())[:-2])
    raise RefnetError(
        f"{PLACE}.name: {name!r} has no feature map that this encoder can find "
        "(it needs avgpool and fc, as ResNet has, or features and classifier, as VGG has)"
    )


def _load_weights(network: nn.Module, path: Path, name: str) -> None:
    """Load a state dict into all of ``network`` but its head, which is left out anyway."""
    place = f"{PLACE}.weights_file"
    if not path.is_file():
        raise RefnetError(f"{place}: no such file: {path}{near_file(path)}")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = first_line(error)
        raise RefnetError(f"{place}: {path} is not a state dict saved by torch: {reason}") from None
    if not isinstance(weights, Mapping):
        raise RefnetError(f"{place}: {path} holds a {type(weights).__name__}, not a state dict")
    heads = ("fc.", "classifier.")
    wanted = {k: v for k, v in network.state_dict().items() if not k.startswith(heads)}
    given = {k: v for k, v in weights.items() if not k.startswith(heads)}
    differing = sorted(
        (set(wanted) ^ set(given))
        | {k for k in set(wanted) & set(given) if wanted[k].shape != given[k].shape}
    )
    if differing:
        raise RefnetError(
            f"{place}: {path} does not hold weights of {name}: "
            f"{len(differing)} entries differ, the first is {differing[0]}"
        )
    network.load_state_dict({**network.state_dict(), **given})


def _pool(settings: ImageEncoderSettings) -> nn.Module:
    if settings.num_output_features == -1:
        return nn.Identity()
    grid = GRIDS[settings.num_output_features]
    return nn.AdaptiveAvgPool2d(grid) if settings.pool_type == "avg" else nn.AdaptiveMaxPool2d(grid)
