"""The YAML files that a configuration is made of: the named one, and all that it includes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmf.utils.configuration import get_default_config_path
from mmf.utils.general import get_absolute_path, get_mmf_root
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from refnet_mmf.core.messages import near_file
from refnet_mmf.plugin.errors import RefnetError

SECTIONS: Mapping[str, str] = {
    "model_config": "model_name_mapping",
    "dataset_config": "builder_name_mapping",
}
"""Blocks whose keys are names in MMF's registry, and where there."""


def check_yaml_files(file: Path, above: tuple[Path, ...] = ()) -> None:
    """Refuse a YAML file that can't be read, or that includes one that can't be.

    Args:
        file: where it is.
        above: the files that include it, topmost first.

    Raises:
        RefnetError: one line with the file's name.
    """
    try:
        values = OmegaConf.load(file)
    except (OmegaConfBaseException, OSError, UnicodeDecodeError, YAMLError) as error:
        raise RefnetError(f"{file}: cannot be read: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise RefnetError(f"{file}: cannot be read: an anchor in it holds itself") from None
    if not isinstance(values, DictConfig) or not (values or above):
        found = "nothing" if not values else "a list"
        raise RefnetError(f"{file}: expected settings by their names, found {found}")
    _check_blocks(file, values)
    includes = values.get("includes", None) or ListConfig([])
    if not isinstance(includes, ListConfig):
        raise RefnetError(f"{file}: includes: expected a list of files, got {includes!r}")
    for name in includes:
        included = included_file(file, str(name))
        if not included.is_file():
            raise RefnetError(
                f"{file}: includes: no such file: {name} (neither beside this file nor in MMF)"
                f"{near_file(file.parent / name)}"
            )
        if included in (*above, file.resolve()):
            raise RefnetError(f"{file}: includes: {name} includes this file itself")
        check_yaml_files(included, (*above, file.resolve()))


def _check_blocks(file: Path, values: DictConfig) -> None:
    """Refuse a block that is none, or with nothing in it, which would replace all its defaults."""
    defaults = OmegaConf.load(get_default_config_path())
    blocks = {
        str(key): value
        for key, value in values.items_ex(resolve=False)
        if key in SECTIONS or isinstance(defaults.get(key), DictConfig)
    }
    for block in SECTIONS:
        sections = blocks.get(block)
        if isinstance(sections, DictConfig):
            blocks |= {f"{block}.{k}": value for k, value in sections.items_ex(resolve=False)}
    for place, value in blocks.items():
        if value is None:
            raise RefnetError(f"{file}: {place}: has nothing in it; fill it, or take it out")
        if not isinstance(value, DictConfig) and "${" not in str(value):
            raise RefnetError(f"{file}: {place}: expected a block of settings, got {value!r}")


def check_lists(file: Path, defaults: Mapping[str, Any]) -> None:
    """Refuse a list where what the file is laid over has a block of settings.

    Args:
        file: a YAML file that `check_yaml_files` has passed, with all that it includes.
        defaults: what the topmost file is laid over; plain data.

    Raises:
        RefnetError: one line with the file and the place in it.
    """
    _lay_over(copy.deepcopy(dict(defaults)), file)


def _lay_over(tree: dict[str, Any], file: Path) -> None:
    """Put what a file says, after what it includes, into ``tree``."""
    values = OmegaConf.to_container(OmegaConf.load(file))
    assert isinstance(values, dict)
    for name in values.pop("includes", None) or []:
        _lay_over(tree, included_file(file, str(name)))
    _lay(tree, values, file, ())


def _lay(tree: dict[str, Any], values: dict[Any, Any], file: Path, place: tuple[str, ...]) -> None:
    for key, value in values.items():
        below, there = (*place, str(key)), tree.get(key)
        if isinstance(there, dict) and isinstance(value, list):
            said = f"expected a block of settings, got the list {value!r}"
            raise RefnetError(f"{file}: {'.'.join(below)}: {said}")
        if isinstance(there, dict) and isinstance(value, dict):
            _lay(there, value, file, below)
        else:
            tree[key] = value


def included_file(file: Path, name: str) -> Path:
    """Return where MMF looks for what ``file`` includes: in its own folder, then beside it."""
    inside = Path(get_mmf_root(), name)
    return (inside if inside.exists() else file.parent / name).resolve()


def yaml_file(name: str) -> Path:
    """Return where MMF looks for a YAML file that is named on the command line."""
    path = Path(get_absolute_path(name))
    return path if path.is_file() else Path(get_mmf_root(), name)
