"""Wheels: complete, pure, verifiable, and the same bytes each time."""

import base64
import csv
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from refnet_mmf.porting.rule import PortingError
from refnet_mmf.porting.wheel import read_wheel, unpack, with_dist_info, write_wheel

INFO = "mmf-1.0+refnet.rabc.dist-info"
FILES = with_dist_info(
    {"mmf/__init__.py": b"a = 1\n", "mmf/data.bin": bytes(range(256))},
    "mmf",
    "1.0+refnet.rabc",
    {"METADATA": "Name: mmf\n"},
)


def test_the_record_holds_each_file_with_its_hash_and_size() -> None:
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(FILES[f"{INFO}/RECORD"].decode()))}
    assert rows.keys() == FILES.keys()
    assert rows.pop(f"{INFO}/RECORD") == ["", ""]
    for path, (digest, size) in rows.items():
        expected = base64.urlsafe_b64encode(hashlib.sha256(FILES[path]).digest()).rstrip(b"=")
        assert digest == f"sha256={expected.decode()}"
        assert int(size) == len(FILES[path])


def test_the_wheel_says_that_it_is_pure(tmp_path: Path) -> None:
    path = write_wheel(FILES, "mmf", "1.0+refnet.rabc", tmp_path / "new")
    assert path.name == "mmf-1.0+refnet.rabc-py3-none-any.whl"
    lines = read_wheel(path)[f"{INFO}/WHEEL"].decode().splitlines()
    assert "Root-Is-Purelib: true" in lines
    assert [line for line in lines if line.startswith("Tag:")] == ["Tag: py3-none-any"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_wheel(write_wheel(FILES, "mmf", "1.0+refnet.rabc", tmp_path)) == FILES


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_wheel(FILES, "mmf", "1", tmp_path / "1").read_bytes()
    other_order = dict(reversed(FILES.items()))
    assert write_wheel(other_order, "mmf", "1", tmp_path / "2").read_bytes() == first


def test_the_metadata_stand_at_the_end(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_wheel(FILES, "mmf", "1", tmp_path)) as archive:
        names = archive.namelist()
    assert [".dist-info/" in name for name in names] == [False, False, True, True, True]


def test_unpacks_all_files(tmp_path: Path) -> None:
    unpack(FILES, tmp_path)
    assert {p: (tmp_path / p).read_bytes() for p in FILES} == FILES


@pytest.mark.parametrize("content", [None, b"no zip at all"])
def test_what_is_no_wheel_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mmf.whl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PortingError, match=r"mmf.whl: cannot be read as a wheel \([^\n]+\)$"):
        read_wheel(path)
