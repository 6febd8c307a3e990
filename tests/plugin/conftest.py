"""Runs of the real MMF, in processes of their own and in this one."""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from refnet_mmf.experiments.mmf_log import Progress, read_progress
from tests.command_server import PROGRAMS, CommandServer

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECTS = REPOSITORY / "projects"
PROJECT = PROJECTS / "hateful_memes" / "configs" / "mmbt"
SHORT = (
    "training.max_updates=4",
    "training.batch_size=16",
    "training.log_interval=1",
    "training.evaluation_interval=2",
    "training.checkpoint_interval=2",
    "training.num_workers=0",
    "scheduler.params.num_warmup_steps=1",
)


def recipe_file(recipe, model, folder):
    """A YAML of the miniature memes: an absolute path, a name in the model's project, or "stock".

    "stock" is a stock model's experiment, which knows nothing of the plugin.
    """
    if Path(recipe).is_absolute():
        return Path(recipe)
    project = PROJECT.parent / model.removeprefix("refnet_")
    if recipe != "stock":
        return project / f"{recipe}.yaml"
    file = folder / f"stock_{project.name}.yaml"
    file.write_text(f"includes:\n- {project}/model.yaml\n- {project}/mini.yaml\n")
    return file


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, all that it printed, and where it wrote."""

    code: int
    output: str
    folder: Path

    @property
    def progress(self) -> list[Progress]:
        return list(read_progress(self.output.splitlines()))

    def series(self, key: str) -> list[float]:
        return [line.values[key] for line in self.progress if key in line.values]

    def checkpoint(self, name="current.ckpt") -> dict:
        found = sorted(self.folder.rglob(name))
        assert found, f"no {name} in {self.folder}:\n{self.output[-3000:]}"
        return torch.load(found[0], map_location="cpu", weights_only=True)

    def model(self, name="current.ckpt") -> dict[str, torch.Tensor]:
        return self.checkpoint(name)["model"]


def run_process(command, folder, environment=None, cwd=None) -> Result:
    """Run a command to its end; one of MMF's or ours without importing MMF anew."""
    interpreter, option, *words = command
    is_known = (interpreter, option) == (sys.executable, "-m") and words[0] in PROGRAMS
    if is_known and environment is None:
        ended = CommandServer.shared().run(words, cwd, merged=True)
        return Result(ended.code, ended.output, folder)
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        timeout=600,
    )
    return Result(done.returncode, done.stdout, folder)


def run_mmf(
    data,
    folder,
    *options,
    recipe="refnet_mini",
    model="refnet_mmbt",
    data_set="hateful_memes",
    plugin="env.user_dir=refnet_mmf",
    environment=None,
    cwd=None,
) -> Result:
    """Run the stock mmf_run on tiny data; ``plugin`` says how the plugin is loaded."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *[sys.executable, "-m", "mmf_cli.run"],
        *[f"config={recipe_file(recipe, model, folder.parent)}", f"model={model}"],
        *[f"dataset={data_set}", f"env.data_dir={data}", f"env.save_dir={folder}"],
        *([plugin] if plugin else []),
        *SHORT,
        *options,
    ]
    return run_process(command, folder, environment, cwd)


@pytest.fixture
def mmf_run(memes, tmp_path):
    """Run the stock mmf_run on the tiny memes, in a folder of its own name."""

    def run(*options, name="run", **keywords):
        return run_mmf(memes, tmp_path / name, *options, **keywords)

    return run


@pytest.fixture
def configure(memes, tmp_path):
    """Build MMF's configuration in this process, as mmf_run does."""
    from mmf.common.registry import registry
    from mmf.utils.configuration import Configuration
    from mmf.utils.env import setup_imports

    import refnet_mmf

    refnet_mmf.register()
    setup_imports()

    def build(*options, recipe="refnet_mini", model="refnet_mmbt"):
        config = recipe_file(recipe, model, tmp_path)
        common = [f"config={config}", f"model={model}", "dataset=hateful_memes"]
        paths = [f"env.data_dir={memes}", f"env.save_dir={tmp_path}"]
        configuration = Configuration(
            argparse.Namespace(config_override=None, opts=[*common, *paths, *options])
        )
        registry.register("configuration", configuration)
        configuration.freeze()
        registry.register("config", configuration.get_config())
        return configuration.get_config()

    return build


@pytest.fixture
def build(configure):
    """Build a model in this process as MMF's trainer does, seeded."""
    from mmf.utils.build import build_model
    from omegaconf import open_dict

    def make(*options, recipe="refnet_mini", model="refnet_mmbt", seed=0):
        config = configure(*options, recipe=recipe, model=model)
        section = config.model_config[model]
        with open_dict(section):
            section.model = model
        torch.manual_seed(seed)
        return build_model(section)

    return make


@pytest.fixture
def samples():
    """A batch as MMF's loader gives it: 4 memes of random words and random regions."""
    from mmf.common.sample import SampleList

    def make(size=4, words=10, regions=4, seed=0, labels=True):
        generator = torch.Generator().manual_seed(seed)
        batch = SampleList()
        batch.dataset_name, batch.dataset_type = "hateful_memes", "train"
        lengths = torch.randint(3, words + 1, (size, 1), generator=generator)
        mask = (torch.arange(words) < lengths).long()
        batch.add_field("input_mask", mask)
        batch.add_field(
            "input_ids", mask * torch.randint(5, 50, (size, words), generator=generator)
        )
        batch.add_field("segment_ids", torch.zeros_like(mask))
        batch.add_field("lm_label_ids", torch.full_like(mask, -1))
        batch.add_field("image_feature_0", torch.randn(size, regions, 512, generator=generator))
        batch.add_field("image_info_0", _image_info(size, regions))
        if labels:
            batch.add_field("targets", torch.arange(size) % 2)
        return batch

    return make


def _image_info(size, regions):
    """What MMF says of the regions: all of them count, each is a quarter of the picture."""
    from mmf.common.sample import SampleList

    from refnet_mmf.plugin.mmf_lines import LINE

    info = SampleList()
    corners = [0.0, 0.0, 32.0, 32.0] if LINE == "pypi" else [0.0, 0.0, 0.5, 0.5, 0.25]
    box = torch.tensor(corners).expand(size, regions, len(corners))
    info.add_field("max_features", torch.full((size,), regions))
    info.add_field("bbox", box.contiguous())
    for side in ("image_width", "image_height"):
        info.add_field(side, torch.full((size,), 64))
    info.add_field("cls_prob", torch.ones(size, regions, 1))
    return info
