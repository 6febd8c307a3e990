"""Pictures: coloured shapes on a textured, noisy ground, drawn from a complete description."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refnet_mmf.experiments.miniature.randomness import pick

SIDE = 64
"""Width and height of every picture, in pixels."""

Outline = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (215, 45, 40),
    "orange": (240, 135, 30),
    "yellow": (240, 215, 60),
    "pink": (240, 130, 175),
    "green": (50, 160, 70),
    "teal": (45, 190, 190),
    "blue": (45, 85, 205),
    "purple": (125, 65, 180),
}
RADII: dict[str, tuple[float, float]] = {"small": (0.14, 0.18), "large": (0.26, 0.31)}
"""Range of a shape's radius, as a fraction of the side."""
ROWS: dict[str, tuple[float, float]] = {"top": (0.28, 0.42), "bottom": (0.58, 0.72)}
COLUMNS: dict[str, tuple[float, float]] = {"left": (0.28, 0.42), "right": (0.58, 0.72)}
"""Range of a shape's centre, as a fraction of the side from the upper left corner."""
GROUNDS = ("plain", "stripes", "checks", "speckle", "fog")


def _regular(corners: int, turn: float = 0.0) -> Outline:
    """Return the corners [n, 2] of a regular polygon of radius 1, the first one at the top."""
    angle = 2 * math.pi * np.arange(corners) / corners + turn
    return np.stack((np.sin(angle), -np.cos(angle)), axis=1)


def _star() -> Outline:
    return _regular(10) * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]


def _cross() -> Outline:
    arm = np.array([(-0.3, -0.95), (0.3, -0.95), (0.3, -0.3)])
    quarter = np.array([(0, 1), (-1, 0)])
    arms = [arm]
    for _ in range(3):
        arms.append(arms[-1] @ quarter)
    return np.concatenate(arms)


OUTLINES: dict[str, tuple[Outline, ...]] = {
    "circle": (_regular(28),),
    "oval": (_regular(28) * (1.0, 0.6),),
    "ring": (_regular(28), 0.55 * _regular(28)),
    "square": (_regular(4, math.pi / 4),),
    "triangle": (_regular(3),),
    "diamond": (_regular(4) * (0.6, 1.0),),
    "star": (_star(),),
    "cross": (_cross(),),
}
"""A shape's outer edge, then its hole if it has one, as corners within the unit circle."""


@dataclass(frozen=True)
class Shape:
    """One coloured shape of a picture.

    Attributes:
        kind: a key of `OUTLINES`.
        colour: a key of `COLOURS`.
        size: a key of `RADII`.
        x: its centre's distance from the left edge, as a fraction of the side.
        y: its centre's distance from the upper edge, as a fraction of the side.
    """

    kind: str
    colour: str
    size: str
    x: float
    y: float

    @property
    def row(self) -> str:
        """The key of `ROWS` that the shape's centre lies in."""
        return "top" if self.y < 0.5 else "bottom"

    @property
    def column(self) -> str:
        """The key of `COLUMNS` that the shape's centre lies in."""
        return "left" if self.x < 0.5 else "right"


@dataclass(frozen=True)
class Scene:
    """All that a picture is drawn from.

    Attributes:
        shapes: from back to front.
        ground: one of `GROUNDS`.
        seed: fixes what carries no meaning: texture, clutter, noise, tint, tilt, exact radius.
    """

    shapes: tuple[Shape, ...]
    ground: str
    seed: int


def random_shape(
    rng: np.random.Generator,
    *,
    kinds: Sequence[str] = tuple(OUTLINES),
    colours: Sequence[str] = tuple(COLOURS),
    sizes: Sequence[str] = tuple(RADII),
    rows: Sequence[str] = tuple(ROWS),
    columns: Sequence[str] = tuple(COLUMNS),
) -> Shape:
    """Draw a shape, each property uniformly from what is allowed."""
    return Shape(
        kind=pick(rng, kinds),
        colour=pick(rng, colours),
        size=pick(rng, sizes),
        x=rng.uniform(*COLUMNS[pick(rng, columns)]),
        y=rng.uniform(*ROWS[pick(rng, rows)]),
    )


def random_scene(rng: np.random.Generator, shapes: tuple[Shape, ...]) -> Scene:
    """Place ``shapes`` on a random ground."""
    return Scene(shapes, pick(rng, GROUNDS), int(rng.integers(2**31)))


ATTRIBUTES = (*OUTLINES, *COLOURS, *RADII, *ROWS, *COLUMNS)
"""What `attributes` tells of a scene, in its order."""


def attributes(scene: Scene) -> npt.NDArray[np.float32]:
    """Tell which of `ATTRIBUTES` some shape of the scene has, as 0 or 1 [len(ATTRIBUTES)]."""
    present = {
        name
        for shape in scene.shapes
        for name in (shape.kind, shape.colour, shape.size, shape.row, shape.column)
    }
    return np.array([name in present for name in ATTRIBUTES], dtype=np.float32)


def render(scene: Scene) -> Pixels:
    """Draw a scene.

    Returns:
        RGB values [SIDE, SIDE, 3].
    """
    rng = np.random.default_rng(scene.seed)
    canvas = _ground(scene.ground, rng)
    for _ in range(rng.integers(0, 3)):
        _paint(canvas, _stroke(rng), rng.uniform(60, 200, 3) * 0.5 + 65)
    for shape in scene.shapes:
        tint = np.array(COLOURS[shape.colour]) + rng.normal(0, 12, 3)
        _paint(canvas, _placed(shape, rng), tint)
    canvas += rng.normal(0, 8, canvas.shape)
    return canvas.clip(0, 255).astype(np.uint8)


def _ground(texture: str, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a muted ground [SIDE, SIDE, 3] of one texture."""
    base = rng.uniform(95, 165) + rng.normal(0, 12, 3)
    contrast = rng.uniform(5, 14)
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    period, turn = rng.uniform(6, 16), rng.uniform(0, math.pi)
    wave = np.sin(2 * math.pi * (across * math.cos(turn) + down * math.sin(turn)) / period)
    if texture == "stripes":
        pattern = np.sign(wave)
    elif texture == "checks":
        pattern = np.where((across // int(period) + down // int(period)) % 2, 1.0, -1.0)
    elif texture == "speckle":
        pattern = np.where(rng.random((SIDE, SIDE)) < 0.12, 2.0, 0.0)
    elif texture == "fog":
        coarse = rng.normal(0, 1, (SIDE // 8, SIDE // 8))
        pattern = np.kron(coarse, np.ones((8, 8)))
    else:
        pattern = np.zeros((SIDE, SIDE))
    return base + contrast * pattern[:, :, None]


def _stroke(rng: np.random.Generator) -> tuple[Outline, ...]:
    """Return a thin bar somewhere, in pixels: clutter."""
    turn, length = rng.uniform(0, math.pi), rng.uniform(5, 16)
    along = np.array((math.cos(turn), math.sin(turn))) * length / 2
    aside = np.array((-math.sin(turn), math.cos(turn))) * 0.8
    corners = np.stack((along + aside, along - aside, -along - aside, -along + aside))
    return (corners + rng.uniform(0, SIDE, 2),)


def _placed(shape: Shape, rng: np.random.Generator) -> tuple[Outline, ...]:
    """Return a shape's outlines in pixels, slightly tilted."""
    tilt, radius = rng.uniform(-0.15, 0.15), rng.uniform(*RADII[shape.size])
    turned = np.array(((math.cos(tilt), math.sin(tilt)), (-math.sin(tilt), math.cos(tilt))))
    return tuple(
        (outline @ turned * radius + (shape.x, shape.y)) * SIDE for outline in OUTLINES[shape.kind]
    )


def _paint(
    canvas: npt.NDArray[np.float64], outlines: tuple[Outline, ...], colour: npt.ArrayLike
) -> None:
    """Fill outlines (a second one is a hole) on the canvas, edges smoothed."""
    from PIL import Image, ImageDraw

    finer = 2
    mask = Image.new("L", (SIDE * finer, SIDE * finer))
    draw = ImageDraw.Draw(mask)
    for outline, fill in zip(outlines, (255, 0), strict=False):
        draw.polygon([tuple(corner) for corner in (outline * finer).tolist()], fill=fill)
    cover = np.asarray(mask.reduce(finer), dtype=np.float64)[:, :, None] / 255
    canvas += cover * (np.asarray(colour) - canvas)
