"""``refnet doctor``: what of this environment, and of a command, would keep a run from its end."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from refnet_mmf import __version__
from refnet_mmf.experiments.plain_table import Table, as_text
from refnet_mmf.paths import CONSTRAINTS

OK, NOTE, WRONG = "ok", "note", "wrong"
PYTHONS = ((3, 10), (3, 12))
LIBRARIES = (
    *("torch", "torchvision", "transformers", "omegaconf", "numpy", "lmdb", "pydantic"),
    *("pytorch-lightning", "torchmetrics", "pytorch-metric-learning"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: the thing.
        found: what is there.
        verdict: ``ok``; ``note``: differs from what was tested; ``wrong``: a run would fail.
        advice: what to do about it.
    """

    what: str
    found: str
    verdict: str = OK
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet doctor``."""
    parser.usage = "refnet doctor [config=FILE model=NAME dataset=NAME KEY=VALUE ...]"
    parser.description = (
        "Looks at Python, the libraries, MMF, the plugin and the GPU; with the options of a run, "
        "at these too, as 'refnet run' does, and at the data. It trains and writes nothing."
    )
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="as for refnet run")


def run(args: argparse.Namespace) -> int:
    """Print what was found; return 0 where nothing is wrong."""
    findings = [*environment(), *(of_command(args.options) if args.options else [])]
    rows = [(f.what, f.found, f.verdict) for f in findings]
    print(as_text(Table(f"refnet_mmf {__version__}", ("what", "found", ""), rows)))
    for finding in findings:
        if finding.advice:
            print(f"\n{finding.verdict}: {finding.what}: {finding.advice}", end="")
    wrong = sum(finding.verdict == WRONG for finding in findings)
    print(f"\n\n{'Nothing is wrong.' if not wrong else f'Wrong: {wrong}.'}")
    return 1 if wrong else 0


def environment() -> Iterator[Finding]:
    """Look at Python, the libraries, MMF, the plugin and the GPU."""
    version = sys.version_info[:2]
    fits = PYTHONS[0] <= version <= PYTHONS[1]
    advice = "" if fits else "make the environment with Python 3.10, 3.11 or 3.12"
    yield Finding("Python", platform.python_version(), OK if fits else WRONG, advice)
    tested = tested_versions()
    for name in LIBRARIES:
        yield library(name, tested.get(name))
    yield _mmf()
    if _version("mmf") is not None:
        yield _plugin()
    yield _gpu()


def tested_versions() -> dict[str, str]:
    """Return the versions of the libraries that were tested together."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if "==" in line and not line.startswith("#")]
    return {
        pin.name.lower(): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def library(name: str, tested: str | None) -> Finding:
    """Compare a library's version with the one that was tested."""
    found = _version(name)
    if found is None:
        return Finding(name, "not installed", WRONG, "pip install '.[all]' in a clone installs it")
    if tested is None or found.partition("+")[0] == tested.partition("+")[0]:
        return Finding(name, found)
    advice = f"tested with {tested}; if something fails, pip install '{name}=={tested}'"
    return Finding(name, found, NOTE, advice)


def _mmf() -> Finding:
    found = _version("mmf")
    if found is None:
        return Finding("MMF", "not installed", WRONG, "refnet install-mmf installs it")
    if "+refnet" not in found:
        advice = "it is not ported to these libraries; refnet install-mmf does that"
        return Finding("MMF", found, WRONG, advice)
    return Finding("MMF", found)


def _plugin() -> Finding:
    from refnet_mmf import register

    register()
    from mmf.common.registry import registry

    from refnet_mmf.plugin.mmf_lines import LINE_NAME

    models = [name for name in registry.mapping["model_name_mapping"] if name.startswith("refnet")]
    place = os.environ.get("MMF_USER_DIR")
    said = f"{len(models)} models, on MMF's {LINE_NAME}"
    if place is None:
        return Finding("plugin", said, OK, "mmf_run finds it by env.user_dir=refnet_mmf")
    return Finding("plugin", f"{said}; MMF_USER_DIR={place}")


def _gpu() -> Finding:
    import torch

    count = torch.cuda.device_count()
    if count == 0:
        return Finding("GPU", "none", OK, "runs compute on the CPU; training.fp16 needs a GPU")
    names = ", ".join(dict.fromkeys(torch.cuda.get_device_name(i) for i in range(count)))
    advice = "" if count == 1 else "one process for each: torchrun, see docs/training.md"
    return Finding("GPU", f"{count}: {names}", OK, advice)


def of_command(options: Sequence[str]) -> Iterator[Finding]:
    """Look at a command as ``refnet run`` does, and at the data that it names."""
    if _version("mmf") is None:
        yield Finding("command", "not checked", WRONG, "refnet install-mmf comes first")
        return
    from refnet_mmf.plugin.command_check import check_command
    from refnet_mmf.plugin.errors import RefnetError

    try:
        check_command(options)
    except RefnetError as error:
        yield Finding("command", "cannot run", WRONG, str(error))
        return
    yield Finding("command", "good: keys, losses, metrics, files and rows")
    yield _model()
    yield from _data()


def _model() -> Finding:
    """Build the command's model; what would have to be downloaded for it is left alone."""
    from mmf.common.registry import registry
    from mmf.utils.build import build_model
    from omegaconf import open_dict

    from refnet_mmf.plugin.errors import RefnetError, one_line
    from refnet_mmf.plugin.regime import read_regime, settings_without_effect

    config = registry.get("config")
    section = config.model_config[config.model]
    with open_dict(section):
        section.model = config.model
    try:
        with no_downloads():
            model = build_model(section)
    except RefnetError as error:
        return Finding("model", "cannot be built", WRONG, str(error))
    except Exception as error:
        return Finding("model", "not built here", NOTE, one_line(error))
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    there = {
        f"has_{part}": getattr(model, part, None) is not None for part in ("refiner", "metric_loss")
    }
    idle = settings_without_effect(read_regime(config), **there)
    found = f"built, {millions:.1f} million parameters"
    return Finding("model", found, NOTE if idle else OK, "; ".join(idle))


@contextmanager
def no_downloads() -> Iterator[None]:
    """Let nothing be downloaded of the weights that models start from."""

    def refuse(url: str, *args: object, **kwargs: object) -> None:
        raise OSError(f"its weights are not here, and MMF downloads them: {url}")

    import torch
    from huggingface_hub import constants

    download, offline = torch.hub.download_url_to_file, constants.HF_HUB_OFFLINE
    torch.hub.download_url_to_file = refuse
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        torch.hub.download_url_to_file = download
        constants.HF_HUB_OFFLINE = offline


def _data() -> Iterator[Finding]:
    """Look at the marks by which MMF takes the command's data for present."""
    from mmf.common.registry import registry
    from mmf.utils.general import get_absolute_path

    from refnet_mmf.experiments.real_data.check import check
    from refnet_mmf.experiments.real_data.findings import OK as FIT
    from refnet_mmf.experiments.real_data.findings import usable_inputs
    from refnet_mmf.experiments.real_data.known import DATA_SETS
    from refnet_mmf.plugin.class_files import dataset_names

    config = registry.get("config")
    data_dir = Path(get_absolute_path(str(config.env.data_dir)))
    place = shlex.quote(str(data_dir))
    for name in dataset_names(config):
        if name not in DATA_SETS:
            continue
        done = check(DATA_SETS[name], data_dir)
        if done.origin.published and not usable_inputs(done.findings):
            own = check(DATA_SETS[name], data_dir, own=True)
            if usable_inputs(own.findings):
                advice = f"it is not what was published; refnet data check {name} {place} compares"
                yield Finding(f"data {name}", str(own.origin), OK, advice)
                continue
        bad = [f"{f.what}: {f.verdict}" for f in done.findings if f.verdict != FIT]
        advice = f"refnet data check {name} {place} says more: {', '.join(bad)}" if bad else ""
        yield Finding(f"data {name}", str(done.origin), NOTE if bad else OK, advice)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
