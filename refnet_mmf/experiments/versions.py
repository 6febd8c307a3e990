"""The versions that a number depends on."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from refnet_mmf import __version__

OF_A_RUN = ("mmf", "torch", "transformers")
"""The packages that a run's result depends on."""


def versions(packages: Iterable[str] = OF_A_RUN) -> dict[str, str]:
    """Return the version of refnet_mmf and of ``packages``; ``none``: it is not installed."""
    return {"refnet_mmf": __version__, **{package: _version(package) for package in packages}}


def versions_with_python(packages: Iterable[str]) -> dict[str, str]:
    """Return `versions` and Python's."""
    return {**versions(()), "Python": platform.python_version(), **versions(packages)}


def spell_versions(found: Mapping[str, str]) -> str:
    """Word versions."""
    return ", ".join(f"{name} {number}" for name, number in found.items())


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
