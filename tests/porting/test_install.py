"""The command: in environments of its own, into folders, and when it cannot."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from refnet_mmf.cli import main
from refnet_mmf.porting import environment
from refnet_mmf.porting.environment import installed_version
from refnet_mmf.porting.lines import PYPI_VERSION, read_checkout
from tests.porting.samples import command_of, mmf_run, site_packages, state


def run(*arguments: object) -> int:
    """Runs the command in this process."""
    return main(["install-mmf", *map(str, arguments)])


def test_installs_once_and_again_when_the_rules_change(python: Path, wheel: Path) -> None:
    command = command_of(python)

    first = command("--wheel", wheel)
    assert (first.returncode, first.stdout) == (0, f"installed mmf {PYPI_VERSION}\n")
    assert installed_version("mmf", site_packages(python)) == PYPI_VERSION
    assert mmf_run(python) == "run of rc10\n"

    before = state(site_packages(python) / "mmf")
    second = command("--wheel", wheel)
    assert second.returncode == 0
    assert second.stdout == (
        f"already installed: mmf {PYPI_VERSION}, ported with these same rules\n"
    )
    assert state(site_packages(python) / "mmf") == before

    assert command("--wheel", wheel, "--force").stdout == f"installed mmf {PYPI_VERSION}\n"

    changed = command("--wheel", wheel, rules="fewer rules")
    assert changed.stdout.startswith("installed mmf 1.0.0rc10+refnet.r")
    assert installed_version("mmf", site_packages(python)) not in (None, PYPI_VERSION)


def test_the_other_line_takes_the_place_of_the_first(
    python: Path, wheel: Path, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An MMF on PYTHONPATH is not the installed one.
    assert run("--from", checkout, "--target", tmp_path / "elsewhere") == 0
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    command = command_of(python)
    packages = site_packages(python)
    assert command("--wheel", wheel, "--force").returncode == 0
    assert (packages / "mmf/trainers/base_trainer.py").exists()

    before = state(checkout)
    version = read_checkout(checkout).version
    assert command("--from", checkout).stdout == f"installed mmf {version}\n"
    assert state(checkout) == before
    assert installed_version("mmf", packages) == version
    assert not (packages / "mmf/trainers/base_trainer.py").exists()
    assert mmf_run(python) == "run of main\n"
    assert "already installed" in command("--from", checkout).stdout


def test_a_rule_that_does_not_fit_installs_nothing(python: Path, checkout: Path) -> None:
    packages = site_packages(python)
    before = installed_version("mmf", packages)
    path = checkout / "mmf/utils/vocab.py"
    path.write_text("from torchtext import vocab\n" + path.read_text())
    stopped = command_of(python)("--from", checkout)
    assert stopped.returncode == 1
    assert stopped.stderr == (
        "refnet install-mmf: mmf/utils/vocab.py: expected 1 x 'from torchtext import vocab', "
        "found 2: these are not the sources that the rules are written for; nothing was "
        "installed\n"
    )
    assert installed_version("mmf", packages) == before


def test_without_pip(python_without_pip: Path, wheel: Path) -> None:
    stopped = command_of(python_without_pip)("--wheel", wheel)
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("refnet install-mmf: cannot install mmf-1.0.0rc10+refnet.")
    assert "No module named pip; put it there with 'python -m ensurepip'" in stopped.stderr
    assert stopped.stderr.count("\n") == 1


def test_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    assert run("--target", tmp_path / "mmf") == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "refnet install-mmf: cannot get mmf==1.0.0rc10 from the package index; check the network"
    )
    assert error.count("\n") == 1
    assert not (tmp_path / "mmf").exists()


def test_an_environment_that_cannot_be_written(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere/site-packages")
    assert run("--wheel", wheel) == 1
    error = capsys.readouterr().err
    assert "/nowhere/site-packages: this environment is not writable" in error
    assert error.count("\n") == 1


def test_unpacks_either_line_into_a_folder(
    tmp_path: Path, wheel: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "new" / "ported"
    for option, source, version in (
        ("--wheel", wheel, PYPI_VERSION),
        ("--from", checkout, read_checkout(checkout).version),
    ):
        assert run(option, source, "--target", target) == 0
        assert capsys.readouterr().out == f"unpacked mmf {version} into {target}\n"
        assert installed_version("mmf", target) == version
        names = {path.name for path in target.iterdir()}
        assert names == {"mmf", "mmf_cli", f"mmf-{version}.dist-info"}
        assert run(option, source, "--target", target) == 0
        assert "already installed" in capsys.readouterr().out
    assert [path.name for path in target.parent.iterdir()] == ["ported"]


def test_a_folder_that_holds_other_files_is_left_alone(
    tmp_path: Path, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    assert run("--wheel", wheel, "--target", target) == 0
    (target / "thesis.txt").write_text("mine")
    before = state(target)
    assert run("--wheel", wheel, "--target", target, "--force") == 1
    assert "target: holds other files, which would be lost" in capsys.readouterr().err
    assert state(target) == before


def test_a_checkout_is_no_target(checkout: Path, wheel: Path) -> None:
    before = state(checkout)
    assert run("--wheel", wheel, "--target", checkout) == 1
    assert state(checkout) == before


def test_the_wheel_is_kept_where_one_says(
    tmp_path: Path, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "wheels"
    assert run("--wheel", wheel, "--target", tmp_path / "target", "--wheel-dir", kept) == 0
    name = f"mmf-{PYPI_VERSION}-py3-none-any.whl"
    assert [path.name for path in kept.iterdir()] == [name]
    assert f"wheel: {kept / name}\n" in capsys.readouterr().out
    content = (kept / name).read_bytes()
    (kept / name).unlink()
    assert run("--wheel", wheel, "--target", tmp_path / "target", "--wheel-dir", kept) == 0
    assert (kept / name).read_bytes() == content


@pytest.mark.parametrize(
    ("option", "reason"),
    [("--wheel", "cannot be read as a wheel"), ("--from", "no such folder")],
)
def test_sources_that_are_not_there(
    tmp_path: Path, option: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(option, tmp_path / "nowhere", "--target", tmp_path / "target") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"refnet install-mmf: {tmp_path / 'nowhere'}: {reason}")
    assert error.count("\n") == 1


def test_one_source_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--from", "a", "--wheel", "b")
    assert "not allowed with" in capsys.readouterr().err


def test_a_distribution_that_is_not_there(tmp_path: Path) -> None:
    assert environment.installed_version("mmf", tmp_path) is None
