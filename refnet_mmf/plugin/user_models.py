"""The user's own folder of models, data sets and losses, as MMF's ``env.user_dir`` names it.

The folder is code: it is imported where the user names it, never because a checkpoint does.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmf.common.registry import registry
from mmf.utils.configuration import load_yaml
from mmf.utils.env import import_user_module

from refnet_mmf.core.messages import first_line, unknown
from refnet_mmf.paths import PACKAGE
from refnet_mmf.plugin.checkpoint_file import CheckpointFile
from refnet_mmf.plugin.errors import RefnetError

VARIABLE = "MMF_USER_DIR"


def import_user_models(option: str | None = None, config: Path | None = None) -> None:
    """Import the user's folder, if one is named: by an option, a YAML file or ``MMF_USER_DIR``.

    Args:
        option: the command's ``env.user_dir``.
        config: the command's YAML file.

    Raises:
        RefnetError: it can't be imported.
    """
    in_yaml = load_yaml(str(config)).get("env", {}).get("user_dir", None) if config else None
    named = {
        "env.user_dir=": option,
        f"{config}: env.user_dir: ": in_yaml,
        f"{VARIABLE}=": os.environ.get(VARIABLE),
    }
    where, place = next((one for one in named.items() if one[1]), ("", None))
    if place is None:
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            import_user_module(absolute(place))
    except Exception as error:  # whatever the user's code raises
        said = f"{type(error).__name__}: {first_line(error)}"
        raise RefnetError(f"{where}{place}: could not be imported ({said})") from None


def absolute(place: str) -> str:
    """Return the path of a user's folder such that MMF finds it; other names as they are.

    MMF main takes a folder's bare name for that of an installed module.
    """
    return str(Path(place).resolve()) if Path(place).is_dir() and not _is_ours(place) else place


def _is_ours(place: str) -> bool:
    return Path(place).name == PACKAGE.name


def check_models_known(checkpoint: CheckpointFile) -> None:
    """Check that a checkpoint's model, and the base that it names, are registered.

    Raises:
        RefnetError: one is not; where the run had a folder of its own, it says how that is loaded.
    """
    config = checkpoint.config
    name = config.get("model")
    section = checkpoint.sections.get(str(name)) or {}
    models = registry.mapping["model_name_mapping"]
    for key, named in (("model", name), ("base", section.get("base", name))):
        if named is not None and named not in models:
            said = unknown(f"{checkpoint.path}: {key}", "model", named, models)
            raise RefnetError(f"{said}{_where_from(config)}")


def _where_from(config: Mapping[str, Any]) -> str:
    place = str((config.get("env") or {}).get("user_dir") or "")
    if not place or _is_ours(place) or os.environ.get(VARIABLE) == place:
        return ""
    return f"; the run had models of its own in {place}: set {VARIABLE}={place}"
