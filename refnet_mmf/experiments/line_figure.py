"""Line figures that are readable in greyscale: each line has a style and a marker of its own."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_STYLES: list[dict[str, Any]] = [
    {"color": "#555555", "linestyle": "-", "marker": "o"},
    {"color": "#0b6fa4", "linestyle": "--", "marker": "s"},
    {"color": "#b3541e", "linestyle": "-.", "marker": "^"},
    {"color": "#3d7a3a", "linestyle": ":", "marker": "D"},
    {"color": "#7b4ea3", "linestyle": (0, (5, 1)), "marker": "v"},
]

MARKERS = 10
"""About how many markers a line has."""

Line = tuple[Sequence[float], Sequence[float]]


def line_figure(
    panels: Mapping[str, Mapping[str, Line]], x_label: str, names: Sequence[str]
) -> bytes:
    """Draw one panel beside the other, with a line for each entry.

    Args:
        panels: by title, the lines by name: x values and y values.
        x_label: what is on the horizontal axis.
        names: every name that figures of one page show; a name's place fixes its style.

    Returns:
        An SVG, the same bytes for the same numbers.
    """
    figure = Figure(figsize=(4.8 * len(panels), 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for name, (x, y) in lines.items():
            style = _STYLES[names.index(name) % len(_STYLES)]
            every = max(1, len(x) // MARKERS)
            axis.plot(x, y, label=name, linewidth=1.6, markersize=4, markevery=every, **style)
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(x_label)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=9)
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "refnet", "svg.fonttype": "none"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()
