"""MM-IMDB as it is published, into the files that MMF reads."""

import errno
import json
import os

import pytest

from refnet_mmf import cli
from refnet_mmf.experiments.real_data import convert as conversion
from refnet_mmf.experiments.real_data.convert import Request, convert
from refnet_mmf.experiments.real_data.description import DataError
from refnet_mmf.experiments.real_data.mmimdb import GENRES
from refnet_mmf.plugin.errors import RefnetError
from tests.experiments import published
from tests.experiments.published import SMALL_MMIMDB, archive, features, movie_folder

FOLDER = "datasets/mmimdb/defaults"


def request(raw, out, **keywords) -> Request:
    return Request(SMALL_MMIMDB, raw, out, **keywords)


def rows_of(data, split):
    lines = (data / FOLDER / "annotations" / f"{split}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def contents(folder):
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".built.json"
    }


@pytest.mark.parametrize("form", ["archive", "folder", "folder above", "plain tar"])
def test_every_form_gives_the_same_rows_and_pictures(form, tmp_path):
    folder = movie_folder(tmp_path)
    raw = {"folder": folder, "folder above": tmp_path}.get(form)
    if form == "archive":
        raw = archive(folder, tmp_path / "mmimdb.tar.gz")
    if form == "plain tar":
        import tarfile

        raw = tmp_path / "mmimdb.tar"
        with tarfile.open(raw, "w") as tar:
            tar.add(folder, "./mmimdb")
    report = convert(request(raw, tmp_path / "out"))
    assert report.rows == {"train": 3, "dev": 2, "test": 1}
    assert report.left_out == {"train": 1, "dev": 0, "test": 0}
    assert rows_of(tmp_path / "out", "train")[0] == {
        "image_id": "0000101",
        "img": "0000101.jpeg",
        "feature_path": "0000101.npy",
        "plot": ["plot of 0000101", "shorter"],
        "genres": ["drama", "film-noir"],
    }
    assert [row["genres"] for row in rows_of(tmp_path / "out", "train")[1:]] == [
        ["comedy"],
        ["sci-fi"],
    ]
    posters = tmp_path / "out" / FOLDER / "images/mmimdb/dataset"
    kept = set(published.GENRES) - {"0000103"}
    assert {path.stem for path in posters.iterdir()} == kept
    for movie in kept:
        poster = posters / f"{movie}.jpeg"
        assert poster.read_bytes() == (folder / f"dataset/{movie}.jpeg").read_bytes()
    assert not list((tmp_path / "out").glob(".refnet*"))


def test_the_classes_are_the_23_in_lower_case(tmp_path):
    convert(request(movie_folder(tmp_path), tmp_path / "out"))
    file = tmp_path / "out" / FOLDER / "extras/classes_mm_imdb.txt"
    classes = file.read_text().splitlines()
    assert classes == list(GENRES) and len(set(classes)) == 23
    assert not {"news", "adult", "talk-show", "reality-tv"} & set(classes)
    assert all(name == name.lower() for name in classes)


def test_pictures_of_a_folder_are_hard_links_or_else_copies(tmp_path, monkeypatch):
    raw = movie_folder(tmp_path)
    convert(request(raw, tmp_path / "linked"))

    def refuse(source, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    report = convert(request(raw, tmp_path / "copied"))
    assert "6 pictures (0 of them hard links)" in report.parts["mmimdb/defaults/images"]
    poster = "images/mmimdb/dataset/0000101.jpeg"
    original = raw / "dataset/0000101.jpeg"
    linked, copied = (tmp_path / name / FOLDER / poster for name in ("linked", "copied"))
    assert linked.samefile(original)
    assert not copied.samefile(original) and copied.read_bytes() == original.read_bytes()


def test_a_second_run_changes_nothing(tmp_path):
    raw = movie_folder(tmp_path)
    convert(request(raw, tmp_path / "out"))
    before = contents(tmp_path / "out")
    report = convert(request(raw, tmp_path / "out"))
    assert set(report.parts.values()) == {"already there, kept"}
    assert contents(tmp_path / "out") == before


def test_what_an_interrupted_run_left_is_completed(tmp_path, monkeypatch):
    raw = archive(movie_folder(tmp_path), tmp_path / "mmimdb.tar.gz")
    put = conversion.Staging.put

    def interrupted(stage, part):
        if part.name == "annotations":
            raise KeyboardInterrupt
        put(stage, part)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(conversion.Staging, "put", interrupted)
        convert(request(raw, tmp_path / "out"))
    assert not (tmp_path / "out" / FOLDER / "annotations").exists()
    assert not list((tmp_path / "out").glob(".refnet*"))
    pictures = contents(tmp_path / "out" / FOLDER / "images")
    report = convert(request(raw, tmp_path / "out"))
    assert report.parts["mmimdb/defaults/annotations"] == "written"
    assert report.parts["mmimdb/defaults/images"] == "already there, kept"
    assert contents(tmp_path / "out" / FOLDER / "images") == pictures


def test_pictures_that_do_not_serve_the_rows_are_refused_and_kept(tmp_path):
    images = tmp_path / "out" / FOLDER / "images/mmimdb/dataset"
    images.mkdir(parents=True)
    (images / "0000101.jpeg").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"is there, and the picture 0000102.jpeg is missing"):
        convert(request(movie_folder(tmp_path), tmp_path / "out"))
    assert (images / "0000101.jpeg").read_bytes() == b"mine"
    assert not (images.parents[2] / "annotations").exists()


@pytest.mark.parametrize("part", ["annotations", "extras"])
def test_what_a_failed_download_left_is_not_taken_for_the_part(part, tmp_path):
    left = tmp_path / "out" / FOLDER / part / f"{part}.tar.gz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half an archive")
    with pytest.raises(DataError, match=f"{part}: holds other files, and no "):
        convert(request(movie_folder(tmp_path), tmp_path / "out"))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [left]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out" / FOLDER / "annotations").mkdir(parents=True)
    report = convert(request(movie_folder(tmp_path), tmp_path / "out"))
    assert set(report.parts) == {
        f"mmimdb/defaults/{p}" for p in ("images", "extras", "annotations")
    }
    assert all(done.startswith("written") for done in report.parts.values())


def test_pictures_can_be_left_out(tmp_path):
    raw = movie_folder(tmp_path)
    for poster in raw.glob("dataset/*.jpeg"):
        poster.unlink()
    report = convert(request(raw, tmp_path / "out", with_pictures=False))
    assert report.rows["train"] == 3
    assert not (tmp_path / "out" / FOLDER / "images").exists()


@pytest.mark.parametrize("form", ["lmdb", "folder of it", "single file", "archive"])
def test_features_are_put_where_mmf_reads_them(form, tmp_path):
    lmdb = features(tmp_path / "given" / "any.lmdb", published.GENRES)
    given = {
        "lmdb": lmdb,
        "folder of it": lmdb.parent,
        "single file": lmdb / "data.mdb",
        "archive": tmp_path / "features.tar.gz",
    }[form]
    archive(lmdb, tmp_path / "features.tar.gz")
    convert(request(movie_folder(tmp_path), tmp_path / "out", features=given))
    placed = tmp_path / "out" / FOLDER / "features/features.lmdb"
    data = placed if form == "single file" else placed / "data.mdb"
    assert data.read_bytes() == (lmdb / "data.mdb").read_bytes()


def test_features_can_come_later(tmp_path):
    raw = movie_folder(tmp_path)
    convert(request(raw, tmp_path / "out"))
    lmdb = features(tmp_path / "given.lmdb", published.GENRES)
    report = convert(request(raw, tmp_path / "out", features=lmdb))
    assert report.parts["mmimdb/defaults/features"] == "written"
    assert report.parts["mmimdb/defaults/annotations"] == "already there, kept"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: features(t / "a.lmdb", ["0000101", "0000102"]), "feature 0000104 is missing"),
        (lambda t: t / "nothing", "no such file or folder"),
        (lambda t: movie_folder(t / "other"), "expected one lmdb, features.lmdb; found none"),
        (lambda t: t / "two", "expected one lmdb, features.lmdb; found a.lmdb, b.lmdb"),
        (lambda t: t / "text", r"/text: is no lmdb that can be read"),
    ],
)
def test_features_that_do_not_serve_are_refused(make, message, tmp_path):
    for name in ("a", "b"):
        features(tmp_path / "two" / f"{name}.lmdb", published.GENRES)
    (tmp_path / "text").write_text("no lmdb at all" * 1000)
    with pytest.raises(RefnetError, match=message):
        convert(request(movie_folder(tmp_path), tmp_path / "out", features=make(tmp_path)))
    assert not (tmp_path / "out").exists()


def edit(relative, change):
    """A change of one JSON file of the archive."""

    def apply(raw):
        file = raw / relative
        value = json.loads(file.read_text())
        file.write_text(json.dumps(change(value)))

    return apply


BAD = {
    "no split.json": (lambda raw: (raw / "split.json").unlink(), "holds no split.json; expected"),
    "split.json is no JSON": (
        lambda raw: (raw / "split.json").write_text('{"train": ["0000101",'),
        "split.json: is no JSON: .*line 1 column",
    ),
    "a list is missing": (
        edit("split.json", lambda s: {"train": s["train"], "dev": s["dev"]}),
        "split.json: expected the lists train, dev and test; test is none",
    ),
    "an id leads out": (
        edit("split.json", lambda s: {**s, "dev": ["../../x"]}),
        "split.json: dev names '../../x', which is no movie's number",
    ),
    "an id in two splits": (
        edit("split.json", lambda s: {**s, "dev": ["0000101"]}),
        "split.json: 0000101 is in train and in dev",
    ),
    "a split is empty": (
        edit("split.json", lambda s: {**s, "test": []}),
        "the split test has no rows",
    ),
    "an id without .json": (
        lambda raw: (raw / "dataset/0000106.json").unlink(),
        "split.json names 0000106 .dev., and dataset/0000106.json is missing",
    ),
    "an id without picture": (
        lambda raw: (raw / "dataset/0000106.jpeg").unlink(),
        "the picture 0000106.jpeg is missing, which the rows name",
    ),
    "broken JSON": (
        lambda raw: (raw / "dataset/0000102.json").write_text('{"plot": ['),
        "dataset/0000102.json: is no JSON",
    ),
    "not UTF-8": (
        lambda raw: (raw / "dataset/0000102.json").write_bytes(b'{"plot": ["\xff"]}'),
        "dataset/0000102.json: is no JSON",
    ),
    "no plot": (
        edit("dataset/0000102.json", lambda m: {"genres": m["genres"]}),
        "dataset/0000102.json: plot: expected a list of texts, and there is no such field",
    ),
    "an empty plot": (
        edit("dataset/0000102.json", lambda m: {**m, "plot": [" ", ""]}),
        "dataset/0000102.json: plot: expected a text, got",
    ),
    "an unknown genre": (
        edit("dataset/0000102.json", lambda m: {**m, "genres": ["Comdy"]}),
        "dataset/0000102.json: genres: unknown genre 'comdy'; did you mean 'comedy'",
    ),
}


@pytest.mark.parametrize("packed", [True, False], ids=["archive", "folder"])
@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named_in_one_line(spoil, message, packed, tmp_path, capsys):
    raw = movie_folder(tmp_path)
    spoil(raw)
    if packed:
        raw = archive(raw, tmp_path / "mmimdb.tar.gz")
    with pytest.raises(DataError, match=message) as caught:
        convert(request(raw, tmp_path / "out"))
    assert str(caught.value).startswith(str(raw)) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_did_and_what_is_missing(tmp_path, capsys):
    raw = archive(movie_folder(tmp_path), tmp_path / "mmimdb.tar.gz")
    out = tmp_path / "out"
    assert cli.main(["data", "convert", "mmimdb", str(raw), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "train: 3 rows; 1 left out: movies that have none of the 23 genres" in said
    assert "NOT the 15,551 rows of the published set" in said
    assert "23 of the archive's 27 genres are classes" in said
    assert "news 2, adult 0, talk-show 1, reality-tv 0" in said
    assert "region features are missing: MMF downloads them" in said
    assert f"mmf_run dataset=mmimdb env.data_dir={out}" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mmimbd", "RAW"], "unknown data set 'mmimbd'; did you mean 'mmimdb'"),
        (["hateful_memes", "RAW"], "converted by MMF's own mmf_convert_hm"),
        (["mmimdb", "nowhere"], "nowhere: no such file or folder"),
        (["mmimdb", "RAW", "--pictures", "RAW"], "--pictures: mmimdb's pictures are in RAW"),
    ],
)
def test_a_bad_command_is_named_in_one_line(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "convert", *words, "--out", "out"]) == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()
