"""Finds what a user's YAML says and nothing reads: misspelt keys, blocks in a wrong place.

MMF merges a YAML over its defaults and reads what it knows, so that all else has no effect and
no message. A key is taken for known when it stands in the defaults, or when a program that could
read it holds its name: MMF, the plugin, the user's own module, transformers.
"""

from __future__ import annotations

import importlib.util
import inspect
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from mmf.common.registry import registry
from mmf.utils.configuration import get_default_config_path, get_mmf_env, load_yaml
from mmf.utils.general import get_absolute_path, get_mmf_root
from omegaconf import DictConfig, OmegaConf

from refnet_mmf.core.messages import unknown
from refnet_mmf.paths import PACKAGE
from refnet_mmf.plugin.class_files import dataset_names
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.mmf_lines import KEYS_OF_THE_OTHER_LINE
from refnet_mmf.plugin.refnet import ReFNet
from refnet_mmf.plugin.regime import PLACE as REGIME
from refnet_mmf.plugin.regime import LabelSettings, RegimeSettings
from refnet_mmf.plugin.section import OWN_BLOCKS
from refnet_mmf.plugin.settings import MultiSimilaritySettings, RefinerSettings
from refnet_mmf.plugin.yaml_files import SECTIONS, included_file, yaml_file

NAMES = ("pretrained_state_mapping", "zoo_requirements", "taps", *OWN_BLOCKS)
"""Blocks whose keys are names of the user's, or are checked by a schema of their own."""


REGIME_KEYS = {
    f"{REGIME}.labels": frozenset(LabelSettings.model_fields) - {"seed"},
    REGIME: frozenset(RegimeSettings.model_fields),
}
"""The keys of the training regimes, by their block."""
MODEL_KEYS = {
    **{key: f"metric_loss.{key}" for key in MultiSimilaritySettings.model_fields},
    **{key: f"refiner.{key}" for key in RefinerSettings.model_fields},
    **{"gamma": "refiner.weights", "zeta": "metric_loss.weight"},
}
"""Where the keys of a ReFNet's own blocks, and the paper's names of weights, belong."""

Place = tuple[str, ...]

logger = logging.getLogger(__name__)


def check_yaml_keys(file: str, config: DictConfig, defaults: DictConfig) -> None:
    """Refuse a YAML file that says what nothing in the run reads.

    Args:
        file: path of the YAML, as ``config=`` names it.
        config: MMF's complete configuration.
        defaults: the same without that file.

    Raises:
        RefnetError: one line for the first such key.
    """
    user = load_yaml(file)
    known = OmegaConf.to_container(
        OmegaConf.merge(defaults, *_section_defaults(user)), resolve=False
    )
    values = OmegaConf.to_container(user, resolve=False)
    referred = re.findall(r"\$\{([\w.]+)", str(values))
    for place in _new_keys(values, known):
        name = ".".join(place)
        if not any(f"{reference}.".startswith(f"{name}.") for reference in referred):
            _check_key(source_of(file, place), place, known, values)
    _check_sections(file, user, config)


def _check_sections(file: str, user: DictConfig, config: DictConfig) -> None:
    """Refuse a file whose settings are all of other models, or of other data sets."""
    model = registry.get_model_class(config.model)
    read = [str(config.model)]
    if issubclass(model, ReFNet):
        base = config.model_config.get(config.model, {}).get("base", None)
        read.append(base or getattr(model, "stock_name", ""))
    _check_read("model", file, user.get("model_config", {}), read)
    _check_read("dataset", file, user.get("dataset_config", {}), dataset_names(config))
    for section in user.get("model_config", {}):
        blocks = [
            key for key in OWN_BLOCKS if user.model_config[section].get(key, None) is not None
        ]
        if blocks and section not in read:
            logger.warning(
                f"{file}: model_config.{section}.{blocks[0]} is not read: the run's model is "
                f"{config.model}; with it: model={section}"
            )


def _check_read(option: str, file: str, sections: Mapping[str, Any], read: Sequence[str]) -> None:
    names = list(map(str, sections))
    if names and not {*read} & {*names}:
        raise RefnetError(
            f"config: {file} has settings of {option} {', '.join(names)}, and none of "
            f"{option}={read[0]}; {option}={names[-1]}?"
        )


def _check_key(file: Path, place: Place, known: Any, values: Any) -> None:
    """Refuse a key that stands in no default, and that no program can read.

    Files of MMF's own are taken as they are; some have keys of an earlier MMF.
    """
    *block, key = place
    if place == (REGIME,) or file.is_relative_to(Path(get_mmf_root()).parent):
        return
    if len(block) == 1 and block[0] in SECTIONS:
        registered = registry.mapping[SECTIONS[block[0]]]
        if key not in registered:
            raise RefnetError(f"{file}: {unknown(place[0], 'section', key, registered)}")
        return
    belongs = home_of(place)
    if key in KEYS_OF_THE_OTHER_LINE or belongs == ".".join(place):
        return
    if belongs is not None:
        raise RefnetError(
            f"{file}: {'.'.join(place)}: nothing reads it here; it belongs in {belongs}"
        )
    if not _is_readable(place):
        names = [] if block else ["includes"]
        for tree in (known, values):
            siblings = _lookup(tree, block)
            names += [name for name in map(str, siblings or ()) if _is_readable((*block, name))]
        names = [name for name in dict.fromkeys(names) if name != key]
        if not get_close_matches(key, names, n=1, cutoff=0.85):
            words = (_words() | _words_of_libraries()) - {key}
            names += get_close_matches(key, words, n=1, cutoff=0.85)
        where = ".".join(block) or "top level"
        raise RefnetError(f"{file}: {unknown(where, 'key', key, names)}")


def home_of(place: Place) -> str | None:
    """Return where a setting of ours belongs that stands at ``place``; None: it is none."""
    *block, key = place
    if key in OWN_BLOCKS:
        section = block[1] if block[:1] == ["model_config"] and len(block) > 1 else "<model>"
        home = section if _is_refnet(section) else f"refnet_{section}"
        home = home if _is_refnet(home) or section == "<model>" else "refnet"
        return f"model_config.{home}.{key}"
    if block == ["training"]:
        return next((f"{home}.{key}" for home, keys in REGIME_KEYS.items() if key in keys), None)
    if len(block) != 2 or block[0] != "model_config" or not _is_refnet(block[1]):
        return None
    stock = getattr(registry.get_model_class(block[1]), "stock_name", None)
    if key in ("base", "taps"):
        return None if stock is None else f"model_config.refnet.{key}"
    if stock is not None and _reads(registry.get_model_class(stock), key):
        return None
    return f"{'.'.join(block)}.{MODEL_KEYS[key]}" if key in MODEL_KEYS else None


def _reads(model: type, key: str) -> bool:
    """Tell whether a model's own source may read a key of its section."""
    texts = (
        Path(file).read_text(encoding="utf-8")
        for file in {inspect.getsourcefile(each) for each in model.__mro__[:-1]}
        if file is not None and "torch" not in Path(file).parts
    )
    read = rf"config(\.{key}\b|(\[|\.get\(|,\s*)[\"']{key}[\"'])"
    return any(re.search(read, text) for text in texts)


def _is_readable(place: Place) -> bool:
    """Tell whether a program that could read a key holds its name."""
    if len(place) == 1:
        return place[0] in load_yaml(get_default_config_path()) or place[0] == REGIME
    return place[-1] in _words() or place[-1] in _words_of_libraries()


def source_of(file: str, place: Place) -> Path:
    """Return which file says what stands at ``place``: ``file``, or one that it includes."""
    path = yaml_file(file)
    values = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    for include in values.get("includes", []) if isinstance(values, dict) else []:
        included = included_file(path, include)
        if _has(OmegaConf.to_container(load_yaml(str(included)), resolve=False), place):
            return source_of(str(included), place)
    return path.resolve()


def _new_keys(values: Any, known: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each key of ``values`` that ``known`` does not have, topmost first."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            if not isinstance(key, str):
                continue
            here = (*place, key)
            is_known = isinstance(known, Mapping) and key in known
            if not is_known:
                yield here
            if key not in NAMES and here != (REGIME,):
                yield from _new_keys(value, known[key] if is_known else None, here)
    elif isinstance(values, Sequence) and not isinstance(values, str):
        for value in values:
            yield from _new_keys(value, None, place)


def _section_defaults(user: DictConfig) -> Iterator[DictConfig]:
    """Yield the default YAML of each model and data set that ``user`` has a section of."""
    for block, find in (
        ("model_config", registry.get_model_class),
        ("dataset_config", registry.get_builder_class),
    ):
        for name in user.get(block, {}):
            owner = find(name)
            path = owner.config_path() if owner is not None else None
            if path is not None:
                yield load_yaml(path)
            if isinstance(owner, type) and issubclass(owner, ReFNet):
                base = user[block][name].get("base", None) or getattr(owner, "stock_name", None)
                stock_class = registry.get_model_class(base)
                if stock_class is not None:
                    stock = load_yaml(stock_class.config_path())[block][base]
                    own = {} if getattr(owner, "stock_name", None) else {"base": base}
                    yield OmegaConf.create({block: {name: {**stock, **own}}})


def _is_refnet(section: str) -> bool:
    model = registry.get_model_class(section)
    return isinstance(model, type) and issubclass(model, ReFNet)


def _lookup(tree: Any, place: Sequence[str]) -> Any:
    for key in place:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def _has(tree: Any, place: Place) -> bool:
    block = _lookup(tree, place[:-1])
    return isinstance(block, Mapping) and place[-1] in block


@cache
def _texts() -> tuple[str, ...]:
    """Return the source files of the programs that read a configuration."""
    folders = {Path(get_mmf_root()), PACKAGE}
    user_dir = get_mmf_env(key="user_dir")
    if user_dir:
        folders.add(Path(get_absolute_path(user_dir)).resolve())
    return tuple(
        file.read_text(encoding="utf-8", errors="ignore")
        for folder in folders
        for file in ([folder] if folder.suffix == ".py" else folder.rglob("*.py"))
        if file.is_file()
    )


@cache
def _words() -> frozenset[str]:
    """Return every word of those source files."""
    return frozenset(word for text in _texts() for word in re.findall(r"[A-Za-z_]\w*", text))


@cache
def _words_of_libraries() -> frozenset[str]:
    """Return every word of what takes a block whole: configurations, optimizers, schedules."""
    files = (
        *_files_of("transformers", "configuration_*.py"),
        *_files_of("transformers", "optimization.py"),
        *_files_of("torch.optim", "*.py"),
    )
    texts = (file.read_text(encoding="utf-8", errors="ignore") for file in files)
    return frozenset(word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text))


def _files_of(package: str, pattern: str) -> Iterator[Path]:
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or []) if found is not None else []:
        yield from Path(folder).rglob(pattern)
