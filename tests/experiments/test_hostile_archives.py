"""Nothing that is converted leads out of its folder: neither what is read nor what is written."""

import io
import tarfile

import pytest

from refnet_mmf.experiments.real_data.archive import extract
from refnet_mmf.experiments.real_data.convert import Request, convert
from refnet_mmf.experiments.real_data.description import DataError
from tests.experiments.published import SMALL_MMIMDB, archive, movie_folder


def request(raw, out) -> Request:
    return Request(SMALL_MMIMDB, raw, out)


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = 4 if kind == tarfile.REGTYPE else 0
    return info


HOSTILE = {
    "an absolute path": (member("/tmp/dataset/evil.json"), "leads out of the archive"),
    "two dots": (member("mmimdb/../../dataset/evil.json"), "leads out of the archive"),
    "a link out": (member("mmimdb/dataset", tarfile.SYMTYPE, "/etc"), "is a link or a device"),
    "a link within": (
        member("mmimdb/dataset/1.jpeg", tarfile.SYMTYPE, "0000101.jpeg"),
        "is a link or a device",
    ),
    "a hard link": (
        member("mmimdb/dataset/1.jpeg", tarfile.LNKTYPE, "/etc/passwd"),
        "is a link or a device",
    ),
    "a device": (member("mmimdb/dataset/1.json", tarfile.FIFOTYPE), "is a link or a device"),
    "a file twice": (member("mmimdb/dataset/0000101.json"), "is there twice"),
    "a file as folder": (
        member("mmimdb/split.json/dataset/1.json"),
        "is there twice, or in the way of another",
    ),
}


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize(("hostile", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_members_are_refused(hostile, message, first, tmp_path):
    folder = movie_folder(tmp_path / "raw")
    file = tmp_path / "mmimdb.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        if not first:
            tar.add(folder, "mmimdb")
        tar.addfile(hostile, io.BytesIO(b"evil") if hostile.size else None)
        if first:
            tar.add(folder, "mmimdb")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=message):
        convert(request(file, tmp_path / "out"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 0.99, -8, -1])
def test_a_truncated_archive_is_refused(share, tmp_path):
    file = archive(movie_folder(tmp_path), tmp_path / "mmimdb.tar.gz")
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))] if share >= 0 else data[: int(share)])
    with pytest.raises(DataError, match=r"mmimdb.tar.gz: is (no .tar|damaged|truncated)"):
        convert(request(file, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 100, b"PK\x03\x04" * 500])
def test_what_is_no_archive_is_refused(content, tmp_path):
    file = tmp_path / "mmimdb.tar.gz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"mmimdb.tar.gz: is no .tar.gz or .tar archive"):
        convert(request(file, tmp_path / "out"))


def test_a_flipped_bit_is_found(tmp_path):
    file = archive(movie_folder(tmp_path), tmp_path / "mmimdb.tar.gz")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataError, match="is (truncated or )?damaged"):
        convert(request(file, tmp_path / "out"))


def test_files_that_are_not_wanted_are_not_extracted(tmp_path):
    file = archive(movie_folder(tmp_path), tmp_path / "mmimdb.tar.gz")
    (tmp_path / "scratch").mkdir()
    extract(file, tmp_path / "scratch", lambda path: path.suffix == ".jpeg")
    found = {path.suffix for path in (tmp_path / "scratch").rglob("*") if path.is_file()}
    assert found == {".jpeg"}


@pytest.mark.parametrize("relative", ["dataset/0000101.jpeg", "dataset/0000101.json", "dataset"])
def test_links_out_of_a_folder_are_refused(relative, tmp_path):
    folder = movie_folder(tmp_path)
    (folder / relative).rename(tmp_path / "outside")
    (folder / relative).symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="is a link that leads out of the folder"):
        convert(request(folder, tmp_path / "out"))


def test_a_link_within_a_folder_is_followed(tmp_path):
    folder = movie_folder(tmp_path)
    poster = folder / "dataset/0000101.jpeg"
    poster.rename(folder / "poster.jpeg")
    poster.symlink_to("../poster.jpeg")
    convert(request(folder, tmp_path / "out"))
    placed = tmp_path / "out/datasets/mmimdb/defaults/images/mmimdb/dataset/0000101.jpeg"
    assert not placed.is_symlink() and placed.samefile(folder / "poster.jpeg")


@pytest.mark.parametrize("relative", ["datasets", "datasets/mmimdb", "datasets/mmimdb/defaults"])
def test_nothing_is_written_through_a_link_out(relative, tmp_path):
    (tmp_path / "outside").mkdir()
    link = tmp_path / "out" / relative
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="link that leads out of"):
        convert(request(movie_folder(tmp_path), tmp_path / "out"))
    assert not any((tmp_path / "outside").iterdir())
