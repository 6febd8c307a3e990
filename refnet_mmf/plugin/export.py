"""``refnet export``: a ReFNet checkpoint as one of the stock model, without the decoders."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from refnet_mmf import register
from refnet_mmf.plugin.atomic_file import save_atomically
from refnet_mmf.plugin.errors import RefnetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet export``."""
    parser.description = (
        "Writes the stock model of a ReFNet checkpoint: the same predictions, no key missing and "
        "none left over. A model of MMF's own needs no plugin then."
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint file, or the folder of a run")
    parser.add_argument("--out", type=Path, required=True, help="file to write, e.g. mmbt.pth")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(args: argparse.Namespace) -> int:
    """Export the checkpoint; return the exit code."""
    register()
    from refnet_mmf.plugin.checkpoint_file import read_checkpoint
    from refnet_mmf.plugin.user_models import check_models_known, import_user_models

    import_user_models()
    if args.out.exists() and not args.force:
        raise RefnetError(f"{args.out}: is there already; name another file, or use --force")
    checkpoint = read_checkpoint(args.checkpoint)
    check_models_known(checkpoint)
    name, exported = as_stock(checkpoint.weights, checkpoint.config, checkpoint.path)
    save_atomically(exported, args.out)
    left_out = len(checkpoint.weights) - len(exported["model"])
    print(
        f"{args.out}: a checkpoint of {name}, without the {left_out} tensors that are not its own"
    )
    print(f"Use it: mmf_run model={name} checkpoint.resume_file={args.out} ...")
    return 0


def as_stock(
    weights: Mapping[str, Tensor], config: Mapping[str, Any], path: Path
) -> tuple[str, dict[str, Any]]:
    """Turn a ReFNet checkpoint into its stock model's.

    Args:
        weights: the ReFNet's state dict.
        config: the configuration of its run.
        path: where they come from, for messages.

    Returns:
        The stock model's name, and what to save: ``model`` and ``config``.

    Raises:
        RefnetError: it is no ReFNet's checkpoint.
    """
    from mmf.common.registry import registry

    from refnet_mmf.plugin.models.stock_name import stock_name_of
    from refnet_mmf.plugin.refnet import OWN_MODULES, ReFNet

    name = config.get("model")
    model = registry.get_model_class(name) if name else None
    if model is None or not issubclass(model, ReFNet):
        raise RefnetError(f"{path}: a checkpoint of {name}, which is no ReFNet model")
    section = dict(config["model_config"][name])
    stock_name = stock_name_of(str(name), config["model_config"])
    others = {k: v for k, v in config["model_config"].items() if k not in (name, stock_name)}
    for key in model.own_keys:
        section.pop(key, None)
    section["model"] = stock_name
    training = {k: v for k, v in config.get("training", {}).items() if k != "trainer"}
    exported = {
        **config,
        "model": stock_name,
        "model_config": {**others, stock_name: section},
        "training": training,
    }
    kept = {k: v for k, v in weights.items() if k.partition(".")[0] not in OWN_MODULES}
    return stock_name, {"model": kept, "config": exported}
