"""Fused embeddings and features of a checkpoint's network on a split, collected without gradient.

The stock builder reads the data as the run that wrote the checkpoint did. The taps are those that
REFINER reads; a baseline, or a stock model's checkpoint, has them too.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmf.common.batch_collator import BatchCollator
from mmf.common.registry import registry
from mmf.utils.build import build_dataset
from mmf.utils.configuration import load_yaml
from mmf.utils.env import setup_imports
from omegaconf import OmegaConf
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from refnet_mmf.core.messages import unknown
from refnet_mmf.plugin.checkpoint_file import CheckpointFile, read_checkpoint
from refnet_mmf.plugin.data_check import SPLITS, check_data
from refnet_mmf.plugin.dataset_rows import sample_ids
from refnet_mmf.plugin.embedding_set import EmbeddingSet
from refnet_mmf.plugin.errors import RefnetError, mmf_errors_in_one_line
from refnet_mmf.plugin.fusion_taps import FusionReader
from refnet_mmf.plugin.missing_modality import WITHOUT
from refnet_mmf.plugin.modality_inputs import INPUTS
from refnet_mmf.plugin.models.any_model import (
    DEFAULTS,
    RefNetOnAnyModel,
    base_of,
    class_on,
    twin_of,
    worked_bases,
)
from refnet_mmf.plugin.pretrained import build_pretrained
from refnet_mmf.plugin.refnet import ReFNet
from refnet_mmf.plugin.user_models import check_models_known, import_user_models

DEFAULT_POOLER = "average_last"


@dataclass(frozen=True)
class Embedded:
    """Embeddings and where they come from.

    Attributes:
        embeddings: of a split.
        checkpoint: the file.
        model: the name of the model that it is of.
        data_set: as in MMF.
        data_dir: ``env.data_dir``.
        split: ``train``, ``val`` or ``test``.
        pooler: of the features.
    """

    embeddings: EmbeddingSet
    checkpoint: Path
    model: str
    data_set: str
    data_dir: Path
    split: str
    pooler: str


@mmf_errors_in_one_line()
def embed(
    source: Path,
    split: str,
    data_dir: Path | None = None,
    data_set: str | None = None,
    batch_size: int = 64,
    *,
    queries: bool = True,
    bar: bool = True,
) -> Embedded:
    """Collect what a checkpoint's network makes of a split.

    Samples are as they are, whatever ``refnet:`` said of the run: all, with their own texts,
    pictures and labels.

    Args:
        source: a checkpoint file, or the folder of a run.
        split: ``train``, ``val`` or ``test``.
        data_dir: the value of ``env.data_dir``; None: as in the run. Where the run's settings
            name a file below its own, that below this one is meant.
        data_set: one of the run's; None: its only one.
        batch_size: changes nothing but speed and memory.
        queries: collect those with one modality alone, too, which takes as long again for each.
        bar: show progress.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    if split not in SPLITS:
        raise RefnetError(unknown("--split", "split", split, SPLITS))
    if batch_size < 1:
        raise RefnetError(f"--batch-size: expected at least 1, got {batch_size}")
    setup_imports()
    import_user_models()
    checkpoint = read_checkpoint(source)
    checkpoint, place, name = _for_split(checkpoint, split, data_dir, data_set)
    model_class = _model_class(checkpoint)
    if checkpoint.config["model"] in worked_bases():
        checkpoint = _with_worked_taps(checkpoint)
    config = OmegaConf.create(dict(checkpoint.config))
    with _registered(config, name):
        check_data(config, labelled=False)
        model = build_pretrained(model_class, checkpoint)
        dataset = build_dataset(name, config.dataset_config[name], split)
        if dataset is None:
            raise RefnetError(f"dataset_config.{name}.annotations.{split}: names no file")
        settings = model.settings.refiner
        pooler = DEFAULT_POOLER if settings is None else settings.pooler
        embeddings = collect(model, dataset, pooler, batch_size, queries=queries, bar=bar)
    return Embedded(
        embeddings, checkpoint.path, str(config.model), name, place, split=split, pooler=pooler
    )


def collect(
    model: Any,
    dataset: Any,
    pooler: str,
    batch_size: int,
    *,
    queries: bool = True,
    bar: bool = True,
) -> EmbeddingSet:
    """Run a model over a split, on a GPU where there is one.

    Args:
        model: a ReFNet, in eval mode.
        dataset: the split, as MMF's builder gives it.
        pooler: of the features.
        batch_size: how many samples at a time.
        queries: collect those with one modality alone, too.
        bar: show progress.

    Raises:
        RefnetError: a tap does not find what it should, or a sample has not the fields of its
            modalities.
    """
    where = model.fusion_taps()
    names = list(where.modalities)
    reader = FusionReader(model, where)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=False,
        collate_fn=BatchCollator(dataset.dataset_name, dataset.dataset_type),
    )
    columns: dict[str, list[Any]] = defaultdict(list)
    title = f"{dataset.dataset_type} split"
    progress = tqdm(total=len(dataset), desc=title, unit="sample", disable=not bar)
    reader.follow(True)
    try:
        with torch.inference_mode(), progress:
            for batch in loader:
                batch = batch.to(device)
                kept = _of_batch(model, reader, batch, names, pooler)
                asked = _queries(model, reader, batch, names) if queries else ()
                for column, rows in chain(kept, asked):
                    columns[column].append(rows.detach().cpu().numpy())
                progress.update(len(columns["fused"][-1]))
    except ValueError as error:
        raise RefnetError(str(error)) from error
    finally:
        reader.follow(False)
    arrays = {column: np.concatenate(parts) for column, parts in columns.items()}
    return EmbeddingSet(
        ids=np.array(sample_ids(dataset)),
        fused=arrays["fused"],
        features={name: arrays[f"features.{name}"] for name in names},
        queries={name: arrays[f"queries.{name}"] for name in names if f"queries.{name}" in arrays},
        labels=arrays.get("labels"),
        scores=arrays.get("scores"),
        inputs={name: arrays[f"inputs.{name}"] for name in names if f"inputs.{name}" in arrays},
    )


def _of_batch(
    model: Any, reader: FusionReader, batch: Any, names: Sequence[str], pooler: str
) -> Iterator[tuple[str, Tensor]]:
    """Yield what is kept of a batch, by the name of its column.

    A model may write into the batch that it is given: it is given a copy.
    """
    with reader.record():
        output = model(batch.copy())
        features = reader.features(names, pooler)
    yield "fused", features.fused.float()
    for name, rows in features.targets.items():
        yield f"features.{name}", rows.float()
    if isinstance(output.get("scores"), Tensor):
        yield "scores", output["scores"].float()
    if isinstance(batch.get("targets"), Tensor):
        yield "labels", _labels(batch["targets"])
    for name, read in INPUTS.items():
        held = read(batch) if name in names else None
        if held is not None:
            yield f"inputs.{name}", held


def _queries(
    model: Any, reader: FusionReader, batch: Any, names: Sequence[str]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the fused embeddings of a batch with one modality alone, by the name of its column."""
    for name in names if set(names) <= set(WITHOUT) else ():
        query = batch
        for other in names:
            query = query if other == name else WITHOUT[other](query)
        with reader.record():
            model(query.copy())
            yield f"queries.{name}", reader.fused().float()


def _labels(targets: Tensor) -> Tensor:
    return targets.long() if targets.dim() == 1 else (targets > 0).to(torch.uint8)


def _for_split(
    checkpoint: CheckpointFile, split: str, data_dir: Path | None, data_set: str | None
) -> tuple[CheckpointFile, Path, str]:
    """Set a checkpoint's configuration to a split of a data set in a folder.

    Returns:
        The checkpoint, the folder and the data set's name.

    Raises:
        RefnetError: there is no such data set in it, or it says nothing of data.
    """
    config = dict(checkpoint.config)
    lacking = [key for key in ("model", "env", "datasets", "dataset_config") if key not in config]
    if lacking:
        raise RefnetError(
            f"{checkpoint.path}: its configuration has no {lacking[0]!r}, which tells how the run "
            "read its data: name a checkpoint that a run wrote"
        )
    trained_on = [name.strip() for name in str(config["datasets"]).split(",")]
    if data_set is None and len(trained_on) > 1:
        raise RefnetError(f"--dataset: the run had several: name one of {', '.join(trained_on)}")
    name = trained_on[0] if data_set is None else data_set
    if name not in trained_on:
        raise RefnetError(unknown("--dataset", "data set of this run", name, trained_on))
    old = str(config["env"].get("data_dir"))
    place = Path(old if data_dir is None else data_dir).expanduser().absolute()
    if not place.is_dir():
        raise RefnetError(f"--data-dir: no such folder: {place}")
    config = _moved(config, old, str(place))
    config.pop("refnet", None)
    config.update(datasets=name, run_type=split)
    return replace(checkpoint, config=config), place, name


def _moved(value: Any, old: str, new: str) -> Any:
    """Return plain data with ``old`` replaced by ``new`` in each path that starts with it."""
    if isinstance(value, Mapping):
        return {key: _moved(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, old, new) for item in value]
    if isinstance(value, str) and (value == old or value.startswith(f"{old.rstrip('/')}/")):
        return new + value[len(old.rstrip("/")) :]
    return value


def _model_class(checkpoint: CheckpointFile) -> Any:
    """Return the ReFNet class of a checkpoint's model; of a stock model's, that of its twin.

    Raises:
        RefnetError: the model is not known, or there are no taps for it.
    """
    name = str(checkpoint.config["model"])
    models = registry.mapping["model_name_mapping"]
    check_models_known(checkpoint)
    if models[name] is RefNetOnAnyModel:
        return class_on(base_of(checkpoint.section((name,))))
    if issubclass(models[name], ReFNet):
        return models[name]
    twin = twin_of(name)
    if twin is not None:
        return twin
    if name in worked_bases():
        return class_on(name)
    raise RefnetError(
        f"{checkpoint.path}: a checkpoint of {name!r}, for which no taps come with the plugin: "
        "train it as model=refnet with taps of your own"
    )


def _with_worked_taps(checkpoint: CheckpointFile) -> CheckpointFile:
    """Put into a stock model's configuration where the plugin's YAML says that its taps are."""
    config = OmegaConf.create(dict(checkpoint.config))
    config.worked_taps = load_yaml(str(DEFAULTS / f"{config.model}.yaml")).worked_taps
    return replace(checkpoint, config=OmegaConf.to_container(config, resolve=True))


@contextlib.contextmanager
def _registered(config: Any, data_set: str) -> Iterator[None]:
    """Let ``config`` be MMF's configuration within this context, and leave MMF as it was.

    A data set takes over the processors of another one of its name in the same process: a tokenizer
    of other settings, or of another folder.
    """
    processors = config.dataset_config[data_set].get("processors", None) or {}
    names = ["config", *(f"{data_set}_{key}" for key in processors)]
    previous = {name: registry.unregister(name) for name in names}
    registry.register("config", config)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in previous.items():
            registry.unregister(name)
            if value is not None:
                registry.register(name, value)
