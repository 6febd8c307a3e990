"""Checkpoint files of MMF: read as plain data, and the model's section found in them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmf.utils.configuration import load_yaml
from mmf.utils.general import lr_lambda_update
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.base import ContainerMetadata, Metadata
from omegaconf.nodes import AnyNode
from torch import Tensor

from refnet_mmf.core.messages import first_line, near_file
from refnet_mmf.plugin.errors import RefnetError

TRUST_VARIABLE = "MMF_TRUST_CHECKPOINTS"
ENDINGS = (".ckpt", ".pth", ".pt")
# What torch raises for a file that is damaged, cut off, or no checkpoint: a changed byte calls
# anything that torch allows with any arguments.
UNREADABLE = Exception
# What a run leaves in its folder, the better one first.
OF_A_RUN = ("best.ckpt", "current.ckpt")
# What MMF's checkpoints hold beside tensors: configurations, and a schedule's state.
_PLAIN: list[Any] = [
    AnyNode,
    ContainerMetadata,
    DictConfig,
    ListConfig,
    Metadata,
    Any,
    defaultdict,
    dict,
    int,
    list,
    lr_lambda_update,
]


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint and the configuration of the run that wrote it.

    Attributes:
        path: the file.
        weights: the model's state dict.
        config: MMF's whole configuration.
    """

    path: Path
    weights: Mapping[str, Tensor]
    config: Mapping[str, Any]

    @property
    def sections(self) -> Mapping[str, Any]:
        """The models' sections, by name."""
        sections: Mapping[str, Any] = self.config.get("model_config", self.config)
        return sections

    def section(self, names: Sequence[str]) -> Any:
        """Return the first section of one of these models, as OmegaConf.

        Raises:
            RefnetError: there is none.
        """
        for name in names:
            if name in self.sections:
                return OmegaConf.create(dict(self.config)).model_config[name]
        raise RefnetError(
            f"{self.path}: holds a checkpoint of {', '.join(self.sections) or 'no model'}, "
            f"not of {' or '.join(names)}"
        )


def find_checkpoint(source: Path, *, folders: bool = True) -> Path:
    """Return the checkpoint at ``source``: a file, a run's folder, or one that holds a single one.

    Args:
        source: the path.
        folders: it may be a folder.

    Raises:
        RefnetError: there is none, or more than one.
    """
    if source.is_file():
        return source
    if not folders and source.is_dir():
        raise RefnetError(f"{source}: is a folder; expected a file, e.g. {source / OF_A_RUN[0]}")
    if not source.is_dir():
        kind = "file or folder" if folders else "file"
        raise RefnetError(f"{source}: no such {kind}{near_file(source)}")
    for name in OF_A_RUN:
        if (source / name).is_file():
            return source / name
    found = sorted(path for path in source.iterdir() if path.suffix in ENDINGS)
    if len(found) != 1:
        said = ", ".join(path.name for path in found) or "none"
        raise RefnetError(f"{source}: expected one checkpoint in this folder, found {said}")
    return found[0]


def read_checkpoint(source: Path) -> CheckpointFile:
    """Read a checkpoint of MMF and its configuration.

    Where the file holds none (``<model>_final.pth``), it is the one YAML file beside it.

    Raises:
        RefnetError: no such file, it is damaged, it holds more than plain data, or there is no
            configuration.
    """
    path = find_checkpoint(source)
    content = load_plain(path)
    if not isinstance(content, Mapping):
        raise RefnetError(f"{path}: holds a {type(content).__name__}, not a checkpoint of MMF")
    config = content.get("config")
    if config is None:
        yamls = sorted(path.parent.glob("*.yaml"))
        if len(yamls) != 1:
            said = ", ".join(file.name for file in yamls) or "none"
            raise RefnetError(
                f"{path}: holds no configuration; expected one YAML file beside it, found {said}"
            )
        config = OmegaConf.to_container(load_yaml(str(yamls[0])), resolve=True)
    return CheckpointFile(path, content.get("model", content), config)


def load_plain(path: Path) -> Any:
    """Load a file of PyTorch as plain data, or as anything where the user trusts it.

    Raises:
        RefnetError: it is damaged, or holds more than plain data.
    """
    trusted = os.environ.get(TRUST_VARIABLE) == "1"
    try:
        with torch.serialization.safe_globals(_PLAIN):
            return torch.load(path, map_location="cpu", weights_only=not trusted)
    except UNREADABLE as error:
        raise RefnetError(
            f"{path}: damaged, or it holds objects that run code when they are loaded; if you "
            f"trust where it comes from, set {TRUST_VARIABLE}=1 ({first_line(error)})"
        ) from None
