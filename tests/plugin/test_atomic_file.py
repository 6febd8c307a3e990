"""Files are whole or not there, whoever else writes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from refnet_mmf.plugin.atomic_file import write_atomically


def test_of_several_writers_each_leaves_a_whole_file(tmp_path):
    path = tmp_path / "run.json"
    texts = [str(number) * 200_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_atomically(text, path), texts * 4))
    assert path.read_text() in texts
    assert [other.name for other in tmp_path.iterdir()] == ["run.json"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match=f"{path}: could not be written: Is a directory"):
        write_atomically("text", path)
    assert list(tmp_path.iterdir()) == [path]
