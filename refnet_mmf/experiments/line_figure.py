"""Line figures that are readable in greyscale: each line has a style and a marker of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from refnet_mmf.experiments.figure_files import svg_bytes

_STYLES: list[dict[str, Any]] = [
    {"color": "#555555", "linestyle": "-", "marker": "o"},
    {"color": "#0b6fa4", "linestyle": "--", "marker": "s"},
    {"color": "#b3541e", "linestyle": "-.", "marker": "^"},
    {"color": "#3d7a3a", "linestyle": ":", "marker": "D"},
    {"color": "#7b4ea3", "linestyle": (0, (5, 1)), "marker": "v"},
]

MARKERS = 10
"""About how many markers a line has, the last point's among them."""

Line = (
    tuple[Sequence[float], Sequence[float]]
    | tuple[Sequence[float], Sequence[float], Sequence[float]]
)
"""x values, y values and, where there is one, the spread of y: shaded on both sides."""


def draw_lines(
    panels: Mapping[str, Mapping[str, Line]],
    x_label: str,
    names: Sequence[str],
    *,
    y_label: str = "",
    columns: int | None = None,
    share_y: bool = False,
    floor: float | None = None,
    level: float | None = None,
    ticks: Sequence[float] | None = None,
    dotted: Collection[str] = (),
) -> Figure:
    """Draw panels with a line for each entry.

    Args:
        panels: by title, the lines by name.
        x_label: what is on the horizontal axis.
        names: every name that figures of one page show; a name's place fixes its style.
        y_label: what is on the vertical axis.
        columns: how many panels stand side by side; None: all.
        share_y: whether all panels have the same vertical axis.
        floor: what lies below it is not shown.
        level: a height that is drawn across each panel, to compare with.
        ticks: marks of the horizontal axis; None: matplotlib's choice.
        dotted: names that are drawn as one marker a point, without a line.
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.8 * columns, 3.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=share_y)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (title, lines) in zip(axes.flat, panels.items(), strict=False):
        for name, (x, y, *spread) in lines.items():
            style = _STYLES[names.index(name) % len(_STYLES)]
            if name in dotted:
                style = {**style, "linestyle": "none", "fillstyle": "none"}
                axis.plot(x, y, label=name, markersize=5, **style)
                continue
            marked = [*range(0, len(x) - 1, max(1, len(x) // MARKERS)), len(x) - 1]
            axis.plot(x, y, label=name, linewidth=1.6, markersize=4, markevery=marked, **style)
            for half in spread:
                low, high = np.subtract(y, half), np.add(y, half)
                axis.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
        if level is not None:
            axis.axhline(level, color="black", linewidth=0.8)
        if ticks is not None:
            axis.set_xticks(ticks)
        if floor is not None and axis.get_ylim()[0] < floor:
            axis.set_ylim(bottom=floor)
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(x_label)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel(y_label)
    axes[0, 0].legend(frameon=False, fontsize=9, handlelength=3.5)
    return figure


def line_figure(
    panels: Mapping[str, Mapping[str, Line]],
    x_label: str,
    names: Sequence[str],
    *,
    floor: float | None = None,
) -> bytes:
    """Draw as `draw_lines` does; return an SVG, the same bytes for the same numbers."""
    return svg_bytes(draw_lines(panels, x_label, names, floor=floor))
