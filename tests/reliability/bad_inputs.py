"""The table of bad inputs: what is typed, on which files, and what the one line has to name.

In the words of a command, ``{memes}``, ``{movies}`` and ``{entailment}`` are folders of whole
miniature data, ``{data}`` a copy that the case has spoiled, ``{run}`` the folder of a finished run
of refnet_mmbt, ``{projects}`` the YAMLs; all else is relative to an empty folder, in which the
case's files lie.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

MMBT = "config={projects}/hateful_memes/configs/mmbt/refnet_mini.yaml"
TRAIN = f"{MMBT} model=refnet_mmbt dataset=hateful_memes env.data_dir={{memes}} env.save_dir=save"
VISUAL_BERT = "{projects}/hateful_memes/configs/visual_bert/refnet_mini.yaml"
OWN = TRAIN.replace(MMBT, "config=own.yaml")
ON_DATA = TRAIN.replace("{memes}", "{data}")
MOVIES = (
    "config={projects}/mmimdb/configs/gmu/refnet_mini.yaml model=refnet_gmu dataset=mmimdb "
    "env.data_dir={data} env.save_dir=save"
)
ENTAILMENT = (
    "config={projects}/visual_entailment/configs/gmu/refnet_mini.yaml model=refnet_gmu "
    "dataset=visual_entailment env.data_dir={data} env.save_dir=save"
)
PLUGIN = "env.user_dir=refnet_mmf"
INCLUDE = "includes: [{projects}/hateful_memes/configs/mmbt/refnet_mini.yaml]\n"
MEMES_FILES = "datasets/hateful_memes/defaults"
MOVIES_FILES = "datasets/mmimdb/defaults"
ENTAILMENT_FILES = "datasets/visual_entailment/defaults"


@dataclass(frozen=True)
class Place:
    """Where a case runs: its folder, and the copy of miniature data that it may spoil."""

    folder: Path
    data: Path | None
    run: Path


@dataclass(frozen=True)
class Case:
    """A bad input.

    Attributes:
        words: the command, as typed.
        says: what has to stand in the line: the place, the value, what would be valid.
        files: text files by name.
        data: miniature data to copy, so that ``spoil`` can change it.
        spoil: what else makes the input bad.
    """

    words: str
    says: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    spoil: Callable[[Place], None] | None = None


def option(word: str, *says: str) -> Case:
    """A word too many on a good command line of ``refnet run``."""
    return Case(f"refnet run {TRAIN} {word}", says)


def under_mmf_run(word: str, *says: str) -> Case:
    """A word too many on a good command line of the stock ``mmf_run``."""
    return Case(f"mmf_run {TRAIN} {PLUGIN} {word}", says)


def yaml(text: str, *says: str) -> Case:
    """A YAML of the user's, on top of a good one."""
    return Case(f"refnet run {OWN}", ("own.yaml", *says), {"own.yaml": INCLUDE + text})


def value_in_yaml(text: str, *says: str) -> Case:
    """A value of a good key in a YAML of the user's, which is named by the key."""
    return Case(f"refnet run {OWN}", says, {"own.yaml": INCLUDE + text})


def raw_yaml(text: str, *says: str) -> Case:
    """A file that is no good YAML."""
    return Case(f"refnet run {OWN}", ("own.yaml", *says), {"own.yaml": text})


def memes(spoil: Callable[[Place], None], *says: str, options: str = "") -> Case:
    """Miniature memes with something wrong in them."""
    return Case(f"refnet run {ON_DATA} {options}", says, data="memes", spoil=spoil)


def movies(spoil: Callable[[Place], None], *says: str) -> Case:
    """Miniature movies with something wrong in them."""
    return Case(f"refnet run {MOVIES}", says, data="movies", spoil=spoil)


def entailment(spoil: Callable[[Place], None], *says: str) -> Case:
    """A miniature entailment set with something wrong in it."""
    return Case(f"refnet run {ENTAILMENT}", says, data="entailment", spoil=spoil)


def command(words: str, *says: str, files=None, spoil=None, data=None) -> Case:
    """A command other than a run."""
    return Case(words, says, files or {}, data, spoil)


def write(path: str, content: str | bytes) -> Callable[[Place], None]:
    """Replace a file of the data."""

    def spoil(place: Place) -> None:
        file = place.data / path
        file.unlink(missing_ok=True)  # it may be a hard link to the whole data
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def remove(path: str) -> Callable[[Place], None]:
    """Remove a file or a folder of the data."""

    def spoil(place: Place) -> None:
        target = place.data / path
        assert target.exists(), target
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return spoil


def cut(path: str, size: int) -> Callable[[Place], None]:
    """Leave the first bytes of a file of the data."""

    def spoil(place: Place) -> None:
        content = (place.data / path).read_bytes()
        assert len(content) > size
        write(path, content[:size])(place)

    return spoil


def edit(path: str, line: int, **changes) -> Callable[[Place], None]:
    """Change fields of a row of a JSON lines file of the data; None takes one away."""

    def spoil(place: Place) -> None:
        lines = (place.data / path).read_text().splitlines()
        row = {**json.loads(lines[line - 1]), **changes}
        lines[line - 1] = json.dumps({k: v for k, v in row.items() if v is not None})
        write(path, "\n".join(lines) + "\n")(place)

    return spoil


def unlabelled_validation(place: Place) -> None:
    """Take a label from each file that a line of MMF may validate on."""
    for file in (place.data / MEMES_FILES / "annotations").glob("dev*.jsonl"):
        edit(str(file.relative_to(place.data)), 1, label=None)(place)


def edit_text(path: str, line: int, text: str) -> Callable[[Place], None]:
    """Replace a line of a text file of the data."""

    def spoil(place: Place) -> None:
        lines = (place.data / path).read_text().splitlines()
        lines[line - 1] = text
        write(path, "\n".join(lines) + "\n")(place)

    return spoil


def first_picture(content: bytes | None) -> Callable[[Place], None]:
    """Replace or remove the picture of the first meme."""

    def spoil(place: Place) -> None:
        rows = (place.data / MEMES_FILES / "annotations/train.jsonl").read_text().splitlines()
        name = f"{MEMES_FILES}/images/{json.loads(rows[0])['img']}"
        (remove(name) if content is None else write(name, content))(place)

    return spoil


def pickled_code(place: Place) -> None:
    """Write a checkpoint that runs a command where it is unpickled."""

    class Hostile:
        def __reduce__(self):
            return os.system, ("touch executed",)

    torch.save({"model": Hostile()}, place.folder / "hostile.pth")


def truncated_checkpoint(place: Place) -> None:
    """Write the first part of a good checkpoint."""
    content = (place.run / "best.ckpt").read_bytes()
    (place.folder / "cut.ckpt").write_bytes(content[: len(content) // 2])


def truncated_run(place: Place) -> None:
    """Put a run with a cut checkpoint where the command saves its own."""
    shutil.copytree(place.run, place.folder / "save")
    file = place.folder / "save/current.ckpt"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:5000])


def foreign_weights(place: Place) -> None:
    """Write a checkpoint without a weight of the model."""
    torch.save({"model": {"layer.weight": torch.ones(2)}}, place.folder / "foreign.pth")


def list_as_checkpoint(place: Place) -> None:
    """Write a checkpoint that is a list."""
    torch.save([1, 2], place.folder / "list.pth")


def other_arrays(place: Place) -> None:
    """Write an npz that no command of ours has written."""
    np.savez(place.folder / "other.npz", a=np.ones(3))


def cut_arrays(place: Place) -> None:
    """Write half an npz."""
    np.savez(place.folder / "whole.npz", fused=np.ones((50, 8)))
    content = (place.folder / "whole.npz").read_bytes()
    (place.folder / "cut.npz").write_bytes(content[: len(content) // 2])


def scalar(place: Place) -> None:
    """Write an npz whose embeddings are one number."""
    np.savez(place.folder / "scalar.npz", fused=np.float32(1))


def dangling_link(name: str) -> Callable[[Place], None]:
    """Put a link to what is not there."""

    def spoil(place: Place) -> None:
        (place.folder / name).symlink_to(place.folder / "nowhere")

    return spoil


def objects_in_arrays(place: Place) -> None:
    """Write an npz that has to be unpickled."""
    np.savez(place.folder / "objects.npz", fused=np.array([{}], dtype=object))


def zip_with_a_way_out(place: Place) -> None:
    """Write an archive with a member outside its folder."""
    with zipfile.ZipFile(place.folder / "movies.zip", "w") as archive:
        archive.writestr("../evil.json", "{}")


def a_file_named(name: str) -> Callable[[Place], None]:
    """Put a file where a folder is expected."""

    def spoil(place: Place) -> None:
        (place.folder / name).write_text("a file")

    return spoil


def run_of_another_version(place: Place) -> None:
    """Put a finished run of another version where the table looks for one."""
    from refnet_mmf.cli import main  # noqa: F401  (the package that the table belongs to)
    from refnet_mmf.experiments.grid.cell import jobs_of
    from refnet_mmf.experiments.tables.paper_tables import TABLES

    cells = [c for c in TABLES["2"]().cells if c.name == "mmimdb-gmu-baseline"]
    data = {("mmimdb", 0): place.folder}
    (job,) = jobs_of(cells, "paper", data, (0,), place.folder / "results/runs")
    job.run.folder.mkdir(parents=True)
    found = {"command": job.run.command, "versions": {"refnet_mmf": "0.0.1"}, "seconds": 1.0}
    for name in ("run.json", "result.json"):
        (job.run.folder / name).write_text(json.dumps({**found, "values": {}}))


COMMAND_LINES = {
    "no model": Case(f"refnet run {MMBT} dataset=hateful_memes", ("model= is missing",)),
    "no data set": Case(f"refnet run {MMBT} model=refnet_mmbt", ("dataset= is missing",)),
    "no options at all": Case("refnet run", ("is missing",)),
    "model misspelt": option("model=refnet_mmbtt", "model", "'refnet_mmbtt'", "'refnet_mmbt'"),
    "data set misspelt": option(
        "dataset=hatefulmemes", "dataset", "'hatefulmemes'", "'hateful_mem"
    ),
    "word without a value": option("training.max_updates", "'training.max_updates'", "no value"),
    "unknown section": option("trainin.max_updates=3", "'trainin'", "'training'"),
    "unknown key": option("training.max_update=3", "training", "'max_update'", "'max_updates'"),
    "text for a number": option("training.max_updates=fast", "training.max_updates", "'fast'"),
    "a fraction of a batch": option("training.batch_size=2.5", "training.batch_size", "2.5"),
    "batch of none": option("training.batch_size=0", "training.batch_size", "0"),
    "text for yes or no": option(
        "training.early_stop.enabled=false", "training.early_stop.enabled", "'false'", "False"
    ),
    "number for a block": option("training.early_stop=3", "training.early_stop", "3"),
    "key below a number": option("training.seed.x=3", "training.seed"),
    "metric misspelt": option(
        "evaluation.metrics=['refnet_roc_acu']", "evaluation.metrics[0]", "'refnet_roc_auc'"
    ),
    "early stop on a metric that is not computed": option(
        "training.early_stop.criteria=hateful_memes/nothing",
        "training.early_stop.criteria",
        "nothing",
    ),
    "optimizer misspelt": option("optimizer.type=adamw", "optimizer.type", "'adamw'", "adam_w"),
    "learning rate of text": option("optimizer.params.lr=fast", "optimizer.params.lr", "'fast'"),
    "scheduler misspelt": option("scheduler.type=warmup", "scheduler.type", "'warmup'"),
    "half precision without a GPU": option("training.fp16=True", "training.fp16", "GPU"),
    "no such config": Case(
        f"refnet run {TRAIN.replace(MMBT, 'config=refnet_mni.yaml')}", ("config", "refnet_mni.yaml")
    ),
    "config that is a folder": Case(
        f"refnet run {TRAIN.replace(MMBT, 'config={projects}')}", ("config", "folder")
    ),
    "config of another model": Case(
        f"refnet run {TRAIN.replace('mmbt/', 'visual_bert/')}", ("visual_bert", "refnet_mmbt")
    ),
    "loss misspelt": option(
        "model_config.mmbt.losses[0].type=crossentropy", "losses[0]", "'cross_entropy'"
    ),
    "no such element": option("model_config.mmbt.losses[7].type=x", "losses", "7"),
    "fraction above 1": option("refnet.labels.fraction=2.0", "refnet.labels.fraction", "1"),
    "fraction of nothing": option("refnet.labels.fraction=0", "refnet.labels.fraction", "0"),
    "fraction that is no number": option("refnet.labels.fraction=.nan", "refnet.labels.fraction"),
    "no such file of ids": option(
        "refnet.labels.ids_file=no.txt", "refnet.labels.ids_file", "no.txt"
    ),
    "unknown regime": option("refnet.stage=pretrian", "refnet.stage", "pretrain"),
    "unknown pairing": option("refnet.pairing=shuffled", "refnet.pairing", "shuffled_text"),
    "unknown key of the regimes": option("refnet.label.fraction=0.1", "'label'", "'labels'"),
    "unknown key of the model": option(
        "model_config.mmbt.num_label=3", "'num_label'", "num_labels"
    ),
    "no such folder of data": Case(
        f"refnet run {TRAIN.replace('{memes}', '/no/such/folder')}", ("env.data_dir", "/no/such")
    ),
    "saving to a file": Case(
        f"refnet run {TRAIN}", ("env.save_dir", "save"), spoil=a_file_named("save")
    ),
    "no such checkpoint": option(
        "checkpoint.resume_file=no.pth", "checkpoint.resume_file", "no.pth"
    ),
    "zoo model misspelt": option(
        "checkpoint.resume_zoo=mmbt.hateful_meme.images",
        "checkpoint.resume_zoo",
        "mmbt.hateful_memes",
    ),
    "run type misspelt": option("run_type=trian", "run_type", "trian", "train"),
    "unknown device": option("training.device=gpu", "training.device", "gpu"),
    "trainer misspelt": option("training.trainer=refnt", "training.trainer", "'refnet'"),
    "length of a gradient below 0": option(
        "training.max_grad_l2_norm=-1", "training.max_grad_l2_norm", "-1"
    ),
    "updates below 0": option("training.max_updates=-5", "training.max_updates", "-5"),
    "no end at all": option(
        "training.max_updates=None", "training.max_updates", "training.max_epochs"
    ),
    "schedule of text": option(
        "scheduler.params.num_warmup_steps=ten", "scheduler.params.num_warmup_steps", "'ten'"
    ),
    "fewer outputs than classes": option(
        "model_config.mmbt.num_labels=1", "num_labels", "is 1", "2 classes"
    ),
    "regions below 0": option(
        "dataset_config.hateful_memes.max_features=-1", "max_features", "from 1", "-1"
    ),
    "tokens for no text": option(
        "dataset_config.hateful_memes.processors.text_processor.params.max_seq_length=1",
        "max_seq_length",
        "from 3",
    ),
    "labels by fraction and by file": Case(
        f"refnet run {TRAIN} refnet.labels.fraction=0.5 refnet.labels.ids_file=ids.txt",
        ("refnet.labels", "fraction 0.5", "ids_file 'ids.txt'"),
        {"ids.txt": "00001\n"},
    ),
    "more without labels than there can be": option(
        "refnet.labels.unlabeled_per_labeled=1000000000", "unlabeled_per_labeled", "to 1000"
    ),
    "pretraining without a refiner": option(
        "refnet.stage=pretrain model_config.refnet_mmbt.refiner=None",
        "refnet.stage",
        "model_config.refnet_mmbt.refiner is null",
    ),
    "checkpoint that is a folder": option(
        "checkpoint.resume_file={run}", "checkpoint.resume_file", "folder"
    ),
    "checkpoint of no name": option("checkpoint.resume_file=", "checkpoint.resume_file"),
    "saving to a link to nowhere": Case(
        f"refnet run {TRAIN}", ("env.save_dir", "save", "nowhere"), spoil=dangling_link("save")
    ),
    "negative workers": option("training.num_workers=-1", "training.num_workers", "-1"),
}

SETTINGS = {
    "unknown key of refiner": under_mmf_run(
        "model_config.refnet_mmbt.refiner.wieghts.text=1", "refiner", "'wieghts'", "'weights'"
    ),
    "unknown loss": under_mmf_run(
        "model_config.refnet_mmbt.refiner.loss=cosin", "refiner.loss", "'cosin'", "cosine"
    ),
    "unknown pooler": under_mmf_run(
        "model_config.refnet_mmbt.refiner.pooler=average_lst", "refiner.pooler", "average_last"
    ),
    "unknown modality": under_mmf_run(
        'model_config.refnet_mmbt.refiner.weights={"audio":1}', "refiner.weights", "audio", "text"
    ),
    "negative weight": under_mmf_run(
        "model_config.refnet_mmbt.refiner.weights.text=-1", "refiner.weights.text", "-1"
    ),
    "weight that is no number": under_mmf_run(
        "model_config.refnet_mmbt.refiner.weights.text=.nan", "refiner.weights.text", "nan"
    ),
    "infinite weight": under_mmf_run(
        "model_config.refnet_mmbt.refiner.weights.text=.inf", "refiner.weights.text", "inf"
    ),
    "text for a weight": under_mmf_run(
        "model_config.refnet_mmbt.refiner.weights.text=high", "refiner.weights.text", "high"
    ),
    "text for yes or no in refiner": under_mmf_run(
        'model_config.refnet_mmbt.refiner.stop_gradient="false"', "refiner.stop_gradient", "false"
    ),
    "decoder without a hidden layer": under_mmf_run(
        "model_config.refnet_mmbt.refiner.hidden_dims=[]",
        "model_config.refnet_mmbt.refiner",
        "hidden_dims",
    ),
    "hidden layer of width 0": under_mmf_run(
        "model_config.refnet_mmbt.refiner.hidden_dims=[0]",
        "model_config.refnet_mmbt.refiner",
        "hidden_dims[0]",
        "0",
    ),
    "hidden layer of a width below 0": under_mmf_run(
        "model_config.refnet_mmbt.refiner.hidden_dims=[4,-3]", "refiner.hidden_dims[1]", "-3"
    ),
    "metric loss of the library with text for a number": under_mmf_run(
        "model_config.refnet_mmbt.metric_loss={'type':'TripletMarginLoss','margin':'x'}",
        "metric_loss",
        "TripletMarginLoss",
        "'margin': 'x'",
    ),
    "encoder misspelt": under_mmf_run(
        "model_config.mmbt.text_encoder.type=transfomer", "model_config.refnet_mmbt", "transfomer"
    ),
    "modality that names no module": Case(
        f"mmf_run config=own.yaml model=refnet dataset=hateful_memes env.data_dir={{memes}} "
        f"env.save_dir=save {PLUGIN}",
        ("model_config.refnet.taps.targets", "'te.xt'"),
        {
            "own.yaml": f"includes: [{VISUAL_BERT}]\n"
            "model_config: {refnet: {taps: {fused: {module: model.bert.pooler}, targets: "
            "{te.xt: {module: model.bert.encoder.layer.-1, path: 0, keep: {first: input_ids}}}}}}\n"
        },
    ),
    "dropout above 1": under_mmf_run(
        "model_config.refnet_mmbt.refiner.dropout=1.5", "refiner.dropout", "1.5"
    ),
    "number for the block": under_mmf_run("model_config.refnet_mmbt.refiner=3", "refiner", "3"),
    "margin without the loss that has one": under_mmf_run(
        "model_config.refnet_mmbt.refiner.margin=0.2", "refiner.margin", "contrastive"
    ),
    "unknown metric loss": under_mmf_run(
        'model_config.refnet_mmbt.metric_loss={"type":"multisimilarity"}',
        "metric_loss.type",
        "multi_similarity",
    ),
    "unknown key of metric_loss": under_mmf_run(
        'model_config.refnet_mmbt.metric_loss={"wieght":0.1}', "metric_loss", "'wieght'", "'weight'"
    ),
    "negative zeta": under_mmf_run(
        'model_config.refnet_mmbt.metric_loss={"weight":-0.1}', "metric_loss.weight", "-0.1"
    ),
    "negative alpha": under_mmf_run(
        'model_config.refnet_mmbt.metric_loss={"alpha":-2}', "metric_loss.alpha", "-2"
    ),
    "unknown match": under_mmf_run(
        'model_config.refnet_mmbt.metric_loss={"match":"any"}', "metric_loss.match", "intersect"
    ),
    "refiner loss twice": under_mmf_run(
        'model_config.mmbt.losses=[{"type":"cross_entropy"},{"type":"refiner"}]',
        "losses",
        "refiner",
    ),
    "metric loss of a key that the model lacks": under_mmf_run(
        'model_config.mmbt.losses=[{"type":"multi_similarity","params":{"embedding":"embeding"}}]',
        "embedding",
        "'embeding'",
    ),
    "model misspelt under mmf_run": Case(
        f"mmf_run {TRAIN.replace('model=refnet_mmbt', 'model=refnet_mbt')} {PLUGIN}",
        ("refnet_mbt", "refnet_mmbt"),
    ),
    "plugin not loaded": Case(f"mmf_run {TRAIN}", ("refnet_mmbt", "env.user_dir=")),
    "base misspelt": Case(
        f"mmf_run config={VISUAL_BERT} model=refnet dataset=hateful_memes "
        f"env.data_dir={{memes}} env.save_dir=save {PLUGIN} "
        "model_config.refnet.base=visual_brt",
        ("base", "visual_brt", "visual_bert"),
    ),
    "tap of a module that is not there": Case(
        f"mmf_run config=own.yaml model=refnet dataset=hateful_memes env.data_dir={{memes}} "
        f"env.save_dir=save {PLUGIN}",
        ("model.bert.encoderr", "model.bert.encoder"),
        {
            "own.yaml": f"includes: [{VISUAL_BERT}]\n"
            "model_config: {refnet: {taps: {fused: {module: model.bert.encoderr}, targets: "
            "{text: {module: model.bert.encoder.layer.-1, path: 0, keep: {first: input_ids}}}}}}\n"
        },
    ),
}

YAMLS = {
    "unknown key in a YAML": yaml(
        "training: {max_update: 3}", "training", "'max_update'", "'max_updates'"
    ),
    "unknown section in a YAML": yaml("trainign: {seed: 3}", "'trainign'", "'training'"),
    "include misspelt": raw_yaml("include: [other.yaml]", "'include'", "'includes'"),
    "section of no model": yaml(
        "model_config: {refnet_mbt: {refiner: {loss: mse}}}", "'refnet_mbt'", "'refnet_mmbt'"
    ),
    "section of no data set": yaml(
        "dataset_config: {hateful_meme: {max_features: 3}}", "'hateful_meme'", "'hateful_memes'"
    ),
    "key of the optimizer that it lacks": yaml(
        "optimizer: {params: {lr: 0.1, lrr: 0.1}}", "optimizer.params", "'lrr'", "'lr'"
    ),
    "refiner at the top": yaml("refiner: {loss: mse}", "refiner", "model_config.refnet_<model>"),
    "metric_loss at the stock model": Case(
        f"refnet run {OWN}",
        ("model_config.mmbt.metric_loss", "model_config.refnet_mmbt.metric_loss"),
        {"own.yaml": f"{INCLUDE}model_config: {{mmbt: {{metric_loss: {{}}}}}}\n"},
    ),
    "key of the encoder that it lacks": yaml(
        "model_config: {refnet_mmbt: {text_encoder: {params: {hidden_dropout_probb: 0}}}}",
        "'hidden_dropout_probb'",
        "'hidden_dropout_prob'",
    ),
    "no such include": raw_yaml("includes: [nowhere.yaml]", "nowhere.yaml"),
    "includes itself": raw_yaml("includes: [own.yaml]", "itself"),
    "does not parse": raw_yaml("training: [1, 2\n"),
    "a tab": raw_yaml("training:\n\tseed: 3\n"),
    "an empty file": raw_yaml(""),
    "a list": raw_yaml("- training\n- model\n", "list"),
    "a sentence": raw_yaml("train the model\n"),
    "key twice": yaml("training: {seed: 1}\ntraining: {seed: 2}\n", "training"),
    "interpolation of nothing": Case(
        f"refnet run {OWN}",
        ("training.nothing", "training.max_updates"),
        {"own.yaml": INCLUDE + "training: {max_updates: '${training.nothing}'}\n"},
    ),
    "a number for a block of blocks": yaml("model_config: 3\n", "model_config", "block", "3"),
    "a list for a section": yaml(
        "model_config: {refnet_mmbt: [1]}\n", "model_config.refnet_mmbt", "block", "[1]"
    ),
    "an anchor that holds itself": yaml("training: &a {seed: 1, x: [*a]}\n"),
    "a key that no word is like": yaml("zzqx: {seed: 1}\n", "'zzqx'"),
    "one metric for a list": value_in_yaml(
        "evaluation: {metrics: refnet_accuracy}\n", "evaluation.metrics", "list", "refnet_accuracy"
    ),
    "one loss for a list": value_in_yaml(
        "model_config: {refnet_mmbt: {losses: cross_entropy}}\n", "losses", "list", "cross_entropy"
    ),
    "no losses for a list": value_in_yaml(
        "model_config: {refnet_mmbt: {losses: null}}\n", "losses", "list", "None"
    ),
    "processor misspelt": value_in_yaml(
        "dataset_config: {hateful_memes: {processors: {text_processor: {type: bert_tokeniser}}}}\n",
        "processors.text_processor.type",
        "'bert_tokenizer'",
    ),
    "no annotations": value_in_yaml(
        "dataset_config: {hateful_memes: {annotations: {train: []}}}\n", "annotations.train", "list"
    ),
    "a tag that runs code": yaml("training: !!python/object/apply:os.system [id]\n"),
}

FILES = {
    "annotations missing": memes(
        remove(f"{MEMES_FILES}/annotations/train.jsonl"), "annotations", "train.jsonl"
    ),
    "annotations empty": memes(write(f"{MEMES_FILES}/annotations/train.jsonl", ""), "train.jsonl"),
    "annotations not JSON": memes(
        edit_text(f"{MEMES_FILES}/annotations/train.jsonl", 2, "{not json"), "train.jsonl, line 2"
    ),
    "annotations cut": memes(
        cut(f"{MEMES_FILES}/annotations/train.jsonl", 300), "train.jsonl, line"
    ),
    "a row that is a list": memes(
        edit_text(f"{MEMES_FILES}/annotations/train.jsonl", 3, "[1, 2]"), "train.jsonl, line 3"
    ),
    "annotations not text": memes(
        write(f"{MEMES_FILES}/annotations/train.jsonl", b"\xff\xfe\x00\x01" * 30), "train.jsonl"
    ),
    "text missing": memes(
        edit(f"{MEMES_FILES}/annotations/train.jsonl", 2, text=None), "train.jsonl, line 2", "text"
    ),
    "label missing": memes(
        edit(f"{MEMES_FILES}/annotations/train.jsonl", 2, label=None),
        "train.jsonl, line 2",
        "label",
    ),
    "label of a class that is none": memes(
        edit(f"{MEMES_FILES}/annotations/train.jsonl", 2, label=7), "train.jsonl, line 2", "7"
    ),
    "label that is a word": memes(
        edit(f"{MEMES_FILES}/annotations/train.jsonl", 2, label="hateful"), "train.jsonl, line 2"
    ),
    "id that is no number": memes(
        edit(f"{MEMES_FILES}/annotations/train.jsonl", 2, id="a/b"), "line 2", "id", "'a/b'"
    ),
    "id that is too large": memes(
        edit(f"{MEMES_FILES}/annotations/train.jsonl", 2, id=2**70), "line 2", "id"
    ),
    "half a character": memes(
        edit(f"{MEMES_FILES}/annotations/train.jsonl", 2, text="a \ud800 b"), "line 2", "text"
    ),
    "validation without labels": memes(unlabelled_validation, "/dev", ".jsonl, line 1", "label"),
    "feature file missing": memes(remove(f"{MEMES_FILES}/features"), "features"),
    "feature file cut": memes(
        lambda place: cut(f"{MEMES_FILES}/features/detectron.lmdb/data.mdb", 4096)(place),
        "features",
    ),
    "a section with nothing in it": yaml(
        "model_config: {refnet_mmbt: }\n", "model_config.refnet_mmbt: has nothing in it"
    ),
    "a section of another model with nothing in it": yaml(
        "model_config:\n  vilbert:\n", "model_config.vilbert: has nothing in it"
    ),
    "a block with nothing in it": yaml("training:\n", "training: has nothing in it"),
    "no section at all": yaml("dataset_config:\n", "dataset_config: has nothing in it"),
    "features of another width": Case(
        f"refnet run {TRAIN} model_config.refnet_mmbt.modal_hidden_size=2048",
        ("model_config.refnet_mmbt.modal_hidden_size: is 2048", "512 wide"),
    ),
    "features of another width, ViLBERT": Case(
        f"refnet run {TRAIN.replace('mmbt', 'vilbert')} "
        "model_config.refnet_vilbert.v_feature_size=2048",
        ("model_config.refnet_vilbert.v_feature_size: is 2048", "512 wide"),
    ),
    "encoder missing": memes(remove("encoders/bert"), "encoders/bert"),
    "picture missing": memes(
        first_picture(None),
        "img",
        options="config={projects}/hateful_memes/configs/mmbt/refnet_mini_pixels.yaml",
    ),
    "picture that is none": memes(
        first_picture(b"no picture"),
        "img",
        options="config={projects}/hateful_memes/configs/mmbt/refnet_mini_pixels.yaml",
    ),
    "ids of nobody": Case(
        f"refnet run {TRAIN} refnet.labels.ids_file=ids.txt",
        ("ids.txt", "nobody"),
        {"ids.txt": "nobody\n"},
    ),
    "capitalised classes": movies(
        lambda place: _capitalise(place.data / MOVIES_FILES / "extras/classes_mm_imdb.txt"),
        "classes_mm_imdb.txt, line",
    ),
    "a genre that is none": movies(
        edit(f"{MOVIES_FILES}/annotations/train.jsonl", 2, genres=["Comdy"]), "line 2", "'comdy'"
    ),
    "more outputs than classes": Case(
        f"refnet run {MOVIES} model_config.gmu.num_labels=24",
        ("num_labels", "is 24", "13 classes with <unk>"),
        data="movies",
        spoil=lambda place: None,
    ),
    "classes missing": movies(
        remove(f"{MOVIES_FILES}/extras/classes_mm_imdb.txt"), "classes_mm_imdb.txt"
    ),
    "movie without a plot": movies(
        edit(f"{MOVIES_FILES}/annotations/train.jsonl", 2, plot=None), "line 2", "plot"
    ),
    "label that is none of three": entailment(
        edit(f"{ENTAILMENT_FILES}/annotations/snli_ve_train.jsonl", 2, gold_label="-"),
        "line 2",
        "'-'",
    ),
    "sentence missing": entailment(
        edit(f"{ENTAILMENT_FILES}/annotations/snli_ve_train.jsonl", 2, sentence2=None),
        "line 2",
        "sentence2",
    ),
}


def _capitalise(file: Path) -> None:
    text = file.read_text()
    file.unlink()
    file.write_text(text.title())


CHECKPOINTS = {
    "truncated checkpoint": Case(
        f"refnet run {TRAIN} checkpoint.resume_file=cut.ckpt",
        ("cut.ckpt",),
        spoil=truncated_checkpoint,
    ),
    "checkpoint that is text": Case(
        f"refnet run {TRAIN} checkpoint.resume_file=notes.ckpt",
        ("notes.ckpt",),
        {"notes.ckpt": "hello"},
    ),
    "checkpoint that runs code": Case(
        f"refnet run {TRAIN} checkpoint.resume_file=hostile.pth",
        ("hostile.pth",),
        spoil=pickled_code,
    ),
    "checkpoint of other weights": Case(
        f"refnet run {TRAIN} checkpoint.resume_file=foreign.pth",
        ("foreign.pth", "refnet_mmbt"),
        spoil=foreign_weights,
    ),
    "checkpoint that is a list": Case(
        f"refnet run {TRAIN} checkpoint.resume_file=list.pth",
        ("list.pth",),
        spoil=list_as_checkpoint,
    ),
    "checkpoint of another model": Case(
        "refnet run config={projects}/hateful_memes/configs/gmu/refnet_mini.yaml model=refnet_gmu "
        "dataset=hateful_memes env.data_dir={memes} env.save_dir=save "
        "checkpoint.resume_file={run}/best.ckpt",
        ("best.ckpt", "refnet_mmbt", "refnet_gmu"),
    ),
    "checkpoint of another number of classes": Case(
        f"refnet run {TRAIN} checkpoint.resume_file={{run}}/best.ckpt "
        "model_config.mmbt.num_labels=3",
        ("best.ckpt", "classifier"),
    ),
    "resume from a truncated run": Case(
        f"refnet run {TRAIN} checkpoint.resume=True", ("current.ckpt",), spoil=truncated_run
    ),
    "export of a folder without a run": command("refnet export nowhere --out mmbt.pth", "nowhere"),
    "export of text": command(
        "refnet export notes.ckpt --out mmbt.pth", "notes.ckpt", files={"notes.ckpt": "hello"}
    ),
    "export over a file": command(
        "refnet export {run} --out mmbt.pth", "mmbt.pth", "--force", files={"mmbt.pth": "mine"}
    ),
    "embeddings of no checkpoint": command(
        "refnet embed nowhere --split test --out test.npz", "nowhere"
    ),
    "embeddings of an unknown split": command(
        "refnet embed {run} --split tset --out test.npz", "--split", "'tset'", "test"
    ),
    "embeddings over a file": command(
        "refnet embed {run} --split test --out test.npz",
        "test.npz",
        "--force",
        files={"test.npz": "mine"},
    ),
    "embeddings of hostile pickles": command(
        "refnet embed hostile.pth --split test --out test.npz", "hostile.pth", spoil=pickled_code
    ),
}

OTHER_COMMANDS = {
    "unknown command": command("refnet tabel 2", "tabel"),
    "unknown option": command("refnet table 2 --seed 3", "--seed"),
    "unknown table": command("refnet table 99", "TABLE", "'99'"),
    "unknown figure": command("refnet figure 99", "FIGURE", "'99'"),
    "seeds of words": command("refnet table 2 --seeds three", "--seeds", "'three'"),
    "no seed at all": command("refnet table 2 --seeds 0", "--seeds", "'0'"),
    "unknown scale": command("refnet table 2 --scale big", "--scale", "'big'", "mini"),
    "paper's scale without data": command("refnet table 2 --scale paper", "--data-dir"),
    "no such data": command("refnet table 2 --scale paper --data-dir no", "--data-dir", "no"),
    "no such cell": command("refnet table 2 --only gnu", "--only", "gnu", "gmu"),
    "workers below none": command("refnet table 2 --workers -1", "--workers", "-1"),
    "no cluster": command("refnet table 2 --submit slurm", "--submit", "SLURM"),
    "cluster's option without a cluster": command("refnet table 2 --slurm-gpus 1", "--slurm-gpus"),
    "results in a file": command(
        "refnet table 2 --out results", "results", spoil=a_file_named("results")
    ),
    "a run of another version": command(
        "refnet table 2 --only gmu-baseline --seeds 1 --scale paper --data-dir .",
        "version",
        "0.0.1",
        spoil=run_of_another_version,
    ),
    "figure of an unknown model": command("refnet figure 4 --model gnu", "--model", "'gnu'", "gmu"),
    "figure with the option of another": command("refnet figure 8 --model gmu", "--model"),
    "search on no data set": command("refnet tune movies --model gmu", "DATASET", "'movies'"),
    "search with an unknown model": command("refnet tune mmimdb --model gnu", "--model", "'gnu'"),
    "search over a range that is none": command(
        "refnet tune mmimdb --model gmu --gamma 0.3:0.1", "--gamma", "0.3:0.1"
    ),
    "report on nothing": command("refnet report --out nowhere", "nowhere"),
    "data of no name": command("refnet data make memes --out memes", "'memes'", "hateful_memes"),
    "data of no size": command(
        "refnet data make hateful_memes --size big --out memes", "--size", "'big'", "mini"
    ),
    "data into a full folder": command(
        "refnet data make hateful_memes --size tiny --out mine",
        "mine",
        files={"mine/letter": "dear"},
    ),
    "data into a file": command(
        "refnet data make hateful_memes --size tiny --out mine", "mine", files={"mine": "dear"}
    ),
    "data of a seed that is none": command(
        "refnet data make hateful_memes --seed x --out memes", "--seed", "'x'"
    ),
    "check of no data set": command("refnet data check memes .", "'memes'", "hateful_memes"),
    "check of no folder": command("refnet data check hateful_memes nowhere", "nowhere"),
    "conversion of no data set": command(
        "refnet data convert memes . --out o", "'memes'", "mmimdb"
    ),
    "conversion of nothing": command("refnet data convert mmimdb nowhere --out o", "nowhere"),
    "conversion of another archive": command(
        "refnet data convert mmimdb movies.zip --out o", "movies.zip", spoil=zip_with_a_way_out
    ),
    "conversion of an empty folder": command("refnet data convert mmimdb . --out o", "split.json"),
    "retrieval from no file": command("refnet retrieve nowhere.npz", "nowhere.npz"),
    "retrieval from text": command(
        "refnet retrieve notes.npz", "notes.npz", files={"notes.npz": "hello"}
    ),
    "retrieval from other arrays": command(
        "refnet retrieve other.npz", "other.npz", spoil=other_arrays
    ),
    "retrieval from half a file": command("refnet retrieve cut.npz", "cut.npz", spoil=cut_arrays),
    "retrieval from pickled objects": command(
        "refnet retrieve objects.npz", "objects.npz", spoil=objects_in_arrays
    ),
    "retrieval from a number": command("refnet retrieve scalar.npz", "scalar.npz", spoil=scalar),
    "table over a file": command(
        "refnet retrieve nowhere.npz --out mine", "mine.md", "--force", files={"mine.md": "mine"}
    ),
    "seeds in other digits": command("refnet table 2 --seeds \u00b2 --dry-run", "--seeds"),
    "seeds beyond all numbers": command(f"refnet table 2 --seeds {10**40}", "--seeds"),
    "search's seed beyond all numbers": command(
        f"refnet tune mmimdb --model gmu --search-seed {10**14} --dry-run", "--search-seed"
    ),
    "data of a seed beyond all numbers": command(
        f"refnet data make hateful_memes --seed {10**26} --out memes", "--seed"
    ),
    "real data at the miniature scale": command(
        "refnet table 2 --scale mini --data-dir . --dry-run", "--data-dir", "--scale"
    ),
    "figure with an unknown key": command(
        "refnet figure 4 training.max_update=3 --dry-run", "'max_update'", "'max_updates'"
    ),
    "search with an unknown key": command(
        "refnet tune mmimdb --model gmu --set training.max_update=3 --dry-run",
        "'max_update'",
        "'max_updates'",
    ),
    "rules in Markdown without a list": command("refnet install-mmf --markdown", "--list"),
    "probes of no file": command("refnet probe nowhere.npz nowhere.npz", "nowhere.npz"),
    "MMF from a folder that has none": command("refnet install-mmf --from . --target t", "mmf"),
    "doctor on a wrong command": command(
        f"refnet doctor {TRAIN} training.max_update=3", "'max_update'", "'max_updates'"
    ),
}

BAD_INPUTS: dict[str, Case] = {
    **COMMAND_LINES,
    **SETTINGS,
    **YAMLS,
    **FILES,
    **CHECKPOINTS,
    **OTHER_COMMANDS,
}
