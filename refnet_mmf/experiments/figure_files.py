"""The files of a figure: SVG, PNG, and the plotted numbers as CSV, beside one another."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from refnet_mmf.experiments.output_folder import check_output_folder
from refnet_mmf.plugin.atomic_file import in_place_of

SUFFIXES = (".svg", ".png", ".csv")
PNG_DOTS_PER_INCH = 150


def svg_bytes(figure: Figure, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return ``figure`` as SVG, the same bytes for the same figure; text stays text."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "refnet", "svg.fonttype": "none"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, **(metadata or {})})
    return buffer.getvalue()


def png_bytes(figure: Figure, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return ``figure`` as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.set_dpi(PNG_DOTS_PER_INCH)
    FigureCanvasAgg(figure).print_png(buffer, metadata=metadata)
    return buffer.getvalue()


def figure_paths(folder: Path, name: str) -> list[Path]:
    """Return the paths of figure ``name``: SVG, PNG, CSV.

    Raises:
        OSError: they cannot be written there; asked before what may take long.
    """
    check_output_folder(folder)
    paths = [folder / f"figure_{name}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(f"--out: {path} is a folder, in the way of the file")
    return paths


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files in the place of what is there; none is renamed before all are written.

    Raises:
        OSError: one could not be written; what was there before still is.
    """
    with ExitStack() as stack:
        for path, content in contents.items():
            try:
                with stack.enter_context(in_place_of(path)).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise OSError(f"--out: {path}: {error.strerror}") from error
