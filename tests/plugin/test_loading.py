"""Every way to load the plugin, from any folder, whichever of the two is imported first."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from tests.plugin.conftest import PROJECT, REPOSITORY

pytestmark = pytest.mark.mmf
PACKAGE = REPOSITORY / "refnet_mmf"

CONFIGURE = """
import argparse, sys
{before}
from mmf.utils.env import setup_imports
from mmf.utils.configuration import Configuration
setup_imports()
{between}
options = ["config={config}", "model=refnet_mmbt", "dataset=hateful_memes", *sys.argv[1:]]
config = Configuration(argparse.Namespace(config_override=None, opts=options)).get_config()
from mmf.common.registry import registry
model = registry.get_model_class("refnet_mmbt")
print("MODEL", model, config.model_config.refnet_mmbt.refiner.loss)
print("COPIES", sum(name.endswith("plugin.models.mmbt") for name in sys.modules))
"""


def configure(
    *options, cwd, before="", between="", config=PROJECT / "refnet_mini.yaml", **environment
):
    code = CONFIGURE.format(before=before, between=between, config=config)
    done = subprocess.run(
        [sys.executable, "-c", code, *options],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "MODEL <class 'refnet_mmf.plugin.models.mmbt.RefNetMMBT'> cosine" in done.stdout
    assert "COPIES 1" in done.stdout


def test_by_name_on_the_command_line(tmp_path):
    configure("env.user_dir=refnet_mmf", cwd=tmp_path)


@pytest.mark.slow
def test_by_name_in_the_environment(tmp_path):
    configure(cwd=tmp_path, MMF_USER_DIR="refnet_mmf")


@pytest.mark.slow
def test_by_the_path_of_its_folder(tmp_path):
    configure(f"env.user_dir={PACKAGE}", cwd=tmp_path)


def test_by_a_relative_path(tmp_path):
    configure(f"env.user_dir={os.path.relpath(PACKAGE, tmp_path)}", cwd=tmp_path)


@pytest.mark.slow
def test_by_a_relative_path_below_the_working_folder():
    configure(f"env.user_dir={PACKAGE.relative_to(REPOSITORY.parent)}", cwd=REPOSITORY.parent)


@pytest.mark.slow
@pytest.mark.parametrize("value", ["refnet_mmf", str(PACKAGE)])
def test_by_a_yaml(tmp_path, value):
    file = tmp_path / "experiment.yaml"
    file.write_text(f"includes:\n- {PROJECT / 'refnet_mini.yaml'}\nenv:\n  user_dir: {value}\n")
    configure(cwd=tmp_path, config=file)


@pytest.mark.slow
def test_where_another_folder_has_its_name(tmp_path):
    (tmp_path / "refnet_mmf").mkdir()
    configure("env.user_dir=refnet_mmf", cwd=tmp_path)


@pytest.mark.parametrize("options", [[], ["env.user_dir=refnet_mmf"], [f"env.user_dir={PACKAGE}"]])
def test_imported_before_mmf(tmp_path, options):
    configure(*options, cwd=tmp_path, before="import refnet_mmf")


@pytest.mark.slow
def test_imported_between(tmp_path):
    configure(
        "env.user_dir=refnet_mmf",
        cwd=tmp_path,
        between="import refnet_mmf; refnet_mmf.register(); refnet_mmf.register()",
    )


def test_from_a_checkout_that_is_not_installed(tmp_path):
    """A copy of the folder elsewhere, as a clone that nobody has installed."""
    clone = tmp_path / "clone"
    shutil.copytree(PACKAGE, clone / "refnet_mmf", symlinks=False)
    hide = textwrap.dedent(
        """
        import sys
        names = [getattr(finder, "__name__", "") for finder in sys.meta_path]
        sys.meta_path[:] = [
            f for f, name in zip(sys.meta_path, names) if "Editable" not in name
        ]
        """
    )
    for user_dir in (clone / "refnet_mmf", "clone/refnet_mmf"):
        configure(f"env.user_dir={user_dir}", cwd=tmp_path, before=hide)
