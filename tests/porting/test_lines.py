"""Both lines of MMF, from small sources to distributions."""

import re
import zipfile
from pathlib import Path

import pytest

from refnet_mmf.porting.lines import port_checkout, port_wheel, read_checkout
from refnet_mmf.porting.rule import PortingError
from tests.porting.samples import state


def test_the_wheel_loses_its_binaries_and_its_requirements(wheel: Path) -> None:
    ported = port_wheel(wheel)
    assert re.fullmatch(r"1\.0\.0rc10\+refnet\.r[0-9a-f]{8}", ported.version)
    info = f"mmf-{ported.version}.dist-info"
    assert {path.split("/")[0] for path in ported.files} == {"mmf", "mmf_cli", info}
    assert not [path for path in ported.files if path.endswith(".so")]
    metadata = ported.files[f"{info}/METADATA"].decode()
    assert f"\nVersion: {ported.version}\n" in metadata
    assert "Requires-Dist" not in metadata
    assert ported.files[f"{info}/entry_points.txt"].endswith(b"mmf_run = mmf_cli.run:run\n")
    assert ported.files[f"{info}/LICENSE"] == b"BSD License\n"
    assert b"transformers.models.bert" in ported.files["mmf/models/mmbt.py"]


def test_a_wheel_of_something_else_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "other.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other/__init__.py", "")
    with pytest.raises(PortingError, match=r"other.whl: not the cp38 wheel of mmf"):
        port_wheel(path)


def test_a_checkout_is_packaged_with_its_projects(checkout: Path) -> None:
    ported = port_checkout(read_checkout(checkout))
    assert re.fullmatch(r"1\.0\.0rc12\+refnet\.r[0-9a-f]{8}\.s[0-9a-f]{8}", ported.version)
    info = f"mmf-{ported.version}.dist-info"
    assert ported.files["mmf/configs/models/one.yaml"] == b"training: {}\n"
    for name in ("mmbt/configs/hateful_memes", "hateful_memes/configs/mmbt"):
        assert ported.files[f"mmf/projects/{name}/defaults.yaml"] == b"model: mmbt\n"
    assert {path.split("/")[0] for path in ported.files} == {"mmf", "mmf_cli", info}
    assert not [path for path in ported.files if path.endswith((".so", ".pyc"))]
    entry_points = ported.files[f"{info}/entry_points.txt"]
    assert entry_points == b"[console_scripts]\nmmf_run = mmf_cli.run:run\n"
    assert ported.files[f"{info}/LICENSE"] == b"BSD License\n"
    assert b"import demjson" not in ported.files["mmf/utils/configuration.py"]


def test_a_checkout_is_left_as_it_is(checkout: Path) -> None:
    before = state(checkout)
    port_checkout(read_checkout(checkout))
    assert state(checkout) == before


def test_another_state_of_the_checkout_is_another_version(checkout: Path) -> None:
    first = read_checkout(checkout).version
    assert read_checkout(checkout).version == first
    (checkout / "tests/test_something.py").write_text("not installed")
    assert read_checkout(checkout).version == first
    (checkout / "mmf/__init__.py").write_text("a = 1")
    assert read_checkout(checkout).version != first


@pytest.mark.parametrize("part", ["mmf/version.py", "setup.py"])
def test_a_folder_that_is_no_checkout_is_an_error(checkout: Path, part: str) -> None:
    (checkout / part).unlink()
    with pytest.raises(PortingError, match=f"checkout: not a checkout of MMF, {part} is not there"):
        read_checkout(checkout)


def test_a_checkout_without_a_version_is_an_error(checkout: Path) -> None:
    (checkout / "mmf/version.py").write_text("")
    with pytest.raises(PortingError, match=r"mmf/version.py: no line that says __version__"):
        read_checkout(checkout)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PortingError, match="nowhere: no such folder"):
        read_checkout(tmp_path / "nowhere")
