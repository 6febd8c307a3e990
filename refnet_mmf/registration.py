"""Registers the plugin with MMF, whichever of the two is imported first.

MMF imports a user module once, and does nothing where that module is already loaded: a package
that registers only on import, imported before MMF (a notebook, a test, a console script), would
register nothing. So the package watches for MMF, and registers when the outermost import of one of
MMF's modules is complete; before that, MMF's own modules are only half there.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_MMF_PACKAGES = ("mmf", "mmf_cli")


def register() -> None:
    """Register the plugin's models, losses and encoders with MMF; a second call does nothing.

    Raises:
        ModuleNotFoundError: MMF is not installed (``refnet install-mmf`` installs it).
    """
    try:
        importlib.import_module("mmf")
    except ModuleNotFoundError as error:
        if error.name != "mmf":
            raise
        raise ModuleNotFoundError(
            "MMF is not installed; 'refnet install-mmf' puts it on a current Python", name="mmf"
        ) from None
    importlib.import_module("refnet_mmf.plugin.registered")


def register_once_mmf_is_imported() -> None:
    """Register now if MMF is imported already, else as soon as it has been."""
    if sys.modules.get("mmf") is not None:
        register()
    elif not any(isinstance(finder, _MMFWatch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MMFWatch())


class _MMFWatch(importlib.abc.MetaPathFinder):
    """Finds nothing itself; wraps the loaders of MMF's modules to see when they are done."""

    def __init__(self) -> None:
        self.depth = 0

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in _MMF_PACKAGES:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _WatchedLoader(spec.loader, self)
        return spec

    def module_done(self) -> None:
        """Register when the outermost of the nested imports is complete, and stop watching."""
        if self.depth == 0 and sys.modules.get("mmf") is not None:
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            register()


class _WatchedLoader(importlib.abc.Loader):
    """Loads a module by its own loader, and tells the watch when that is done."""

    def __init__(self, loader: Any, watch: _MMFWatch) -> None:
        self.loader = loader
        self.watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.watch.depth += 1
        try:
            self.loader.exec_module(module)
        finally:
            self.watch.depth -= 1
        self.watch.module_done()
