"""A small ResNet trained to tell what shapes a picture shows, and the features that it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from refnet_mmf.experiments.miniature.pictures import (
    ATTRIBUTES,
    COLOURS,
    COLUMNS,
    OUTLINES,
    RADII,
    ROWS,
    Pixels,
    attributes,
    random_scene,
    random_shape,
    render,
)
from refnet_mmf.experiments.miniature.randomness import repeatable_torch, stream

if TYPE_CHECKING:
    from torch import Tensor

NETWORK = "resnet18"
"""Constructor in torchvision.models; its state dict is what is saved."""
WIDTH = 512
REGIONS = 4
"""Regions of a picture, row by row: the network's last feature map is 2 x 2."""
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)
_GROUPS = [len(group) for group in (OUTLINES, COLOURS, RADII, ROWS, COLUMNS)]


def train_picture_encoder(
    file: Path,
    *,
    updates: int,
    seed: int,
    batch_size: int = 16,
    learning_rate: float = 2e-3,
    bar: int = 0,
) -> dict[str, float]:
    """Train the network on rendered shapes, and save its state dict.

    Args:
        file: where the state dict goes.
        updates: optimizer steps.
        seed: same seed, same weights.
        batch_size: pictures a step.
        learning_rate: the peak of a warm-up and decay.
        bar: the line of the terminal, from 0, that the progress bar stands in.

    Returns:
        ``loss`` and, for each property of a shape, accuracy on pictures it has not seen.
    """
    import torch
    from torchvision import models

    rng = stream(seed, "pictures of shapes")
    with repeatable_torch(seed):
        network = models.get_model(NETWORK, weights=None, num_classes=len(ATTRIBUTES))
        optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, learning_rate, total_steps=updates + 1, pct_start=0.2
        )
        network.train()
        for _ in tqdm(range(updates), desc="picture encoder", unit="update", position=bar):
            images, labels = _random_batch(rng, batch_size)
            loss = _loss(network(images), labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.inference_mode():
            images, labels = _random_batch(rng, 256)
            scores = network(images)
            loss = _loss(scores, labels)
    torch.save(network.state_dict(), file)
    names = ("kind", "colour", "size", "row", "column")
    parts = zip(
        names, torch.split(scores, _GROUPS, 1), torch.split(labels, _GROUPS, 1), strict=True
    )
    accuracy = {
        name: round(float((guess.argmax(1) == truth.argmax(1)).float().mean()), 4)
        for name, guess, truth in parts
    }
    return {"loss": round(float(loss), 4), **accuracy}


def region_features(
    file: Path, pictures: Sequence[Path], batch_size: int = 64
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the features [REGIONS, WIDTH] of each picture.

    Args:
        file: the state dict that `train_picture_encoder` saved.
        pictures: their files.
        batch_size: pictures at a time.
    """
    import torch
    from PIL import Image
    from torch import nn
    from torchvision import models

    network = models.get_model(NETWORK, weights=None, num_classes=len(ATTRIBUTES))
    network.load_state_dict(torch.load(file, weights_only=True))
    trunk = nn.Sequential(*list(network.children())[:-2]).eval()
    with repeatable_torch(0), torch.inference_mode():
        for start in tqdm(range(0, len(pictures), batch_size), desc="features", unit="batch"):
            batch = pictures[start : start + batch_size]
            images = as_images([np.asarray(Image.open(picture)) for picture in batch])
            maps = trunk(images).flatten(start_dim=2).transpose(1, 2)
            yield from maps.contiguous().numpy()


def as_images(pictures: Sequence[Pixels]) -> Tensor:
    """Return pictures as the network's input, [B, 3, SIDE, SIDE]."""
    import torch

    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(SPREAD).view(1, 3, 1, 1)


def _random_batch(rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor]:
    import torch

    scenes = [random_scene(rng, (random_shape(rng),)) for _ in range(size)]
    labels = np.stack([attributes(scene) for scene in scenes])
    return as_images([render(scene) for scene in scenes]), torch.from_numpy(labels)


def _loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each property, summed; the kind of shape, the hardest, counts threefold."""
    import torch
    from torch.nn import functional as F

    weights = (3, 1, 1, 1, 1)
    parts = zip(
        weights, torch.split(scores, _GROUPS, 1), torch.split(labels, _GROUPS, 1), strict=True
    )
    terms = [weight * F.cross_entropy(guess, truth) for weight, guess, truth in parts]
    return sum(terms[1:], terms[0])
