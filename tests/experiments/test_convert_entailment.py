"""SNLI-VE as it is published, into the files that MMF reads."""

import json

import pytest

from refnet_mmf import cli
from refnet_mmf.experiments.real_data.convert import Request, convert
from refnet_mmf.experiments.real_data.description import DataError
from tests.experiments.published import (
    SMALL_ENTAILMENT,
    archive,
    entailment_folder,
    features,
)

ANNOTATIONS = "datasets/visual_entailment/defaults/annotations"
PICTURES = "datasets/flickr30k/defaults/images/flickr30k_images"


def request(raw, out, **keywords) -> Request:
    return Request(SMALL_ENTAILMENT, raw, out, **keywords)


def lines_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("form", ["beside", "folder", "archive", "all in archives"])
def test_every_form_gives_the_same_rows_and_pictures(form, tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    pictures = None
    if form != "beside":
        pictures = (raw / "flickr30k-images").rename(tmp_path / "elsewhere")
    if form in ("archive", "all in archives"):
        pictures = archive(pictures, tmp_path / "flickr30k-images.tar.gz")
    if form == "all in archives":
        raw = archive(raw, tmp_path / "annotations.tar.gz")
    report = convert(request(raw, tmp_path / "out", pictures=pictures))
    assert report.rows == {"train": 6, "dev": 3, "test": 3}
    assert report.left_out == {"train": 2, "dev": 1, "test": 1}
    rows = lines_of(tmp_path / "out" / ANNOTATIONS / "snli_ve_dev.jsonl")
    assert [row["gold_label"] for row in rows] == ["entailment", "neutral", "contradiction"]
    assert rows[1] == {
        "pairID": "1001.jpg#1",
        "sentence1": "a caption",
        "Flikr30kID": "1001.jpg",
        "sentence2": "sentence 1",
        "gold_label": "neutral",
    }
    names = {path.name for path in (tmp_path / "out" / PICTURES).iterdir()}
    assert names == {"1000.jpg", "1001.jpg"}


def test_the_other_published_field_names_the_picture_too(tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    for file in raw.glob("*.jsonl"):
        file.write_text(file.read_text().replace("Flikr30kID", "Flickr30K_ID"))
        file.write_text(file.read_text().replace('0.jpg", "gold', '0", "gold'))
    convert(request(raw, tmp_path / "out"))
    rows = lines_of(tmp_path / "out" / ANNOTATIONS / "snli_ve_train.jsonl")
    assert {row["Flikr30kID"] for row in rows} == {"1000.jpg", "1001.jpg"}


def test_pictures_that_no_row_names_stay_where_they_are(tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    (raw / "flickr30k-images/2000.jpg").write_bytes(b"not named")
    (raw / "flickr30k-images/._1000.jpg").write_bytes(b"by-product")
    convert(request(raw, tmp_path / "out"))
    assert len(list((tmp_path / "out" / PICTURES).iterdir())) == 2


def test_pictures_that_mmf_downloaded_are_left_alone(tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    there = tmp_path / "out" / PICTURES
    there.parent.mkdir(parents=True)
    (raw / "flickr30k-images").rename(there)
    report = convert(request(raw, tmp_path / "out", with_pictures=False))
    assert report.rows["train"] == 6
    assert "flickr30k/defaults/images" not in report.parts


def test_features_belong_to_the_pictures(tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    lmdb = features(tmp_path / "given" / "detectron.lmdb", ["1000", "1001"])
    features(tmp_path / "given" / "other.lmdb", ["1"])
    convert(request(raw, tmp_path / "out", features=lmdb.parent))
    placed = tmp_path / "out/datasets/flickr30k/defaults/features/detectron.lmdb/data.mdb"
    assert placed.read_bytes() == (lmdb / "data.mdb").read_bytes()


def line(number, change):
    """A change of one line of the training file."""

    def apply(raw):
        file = raw / "snli_ve_train.jsonl"
        lines = file.read_text().splitlines()
        lines[number - 1] = change(lines[number - 1])
        file.write_text("\n".join(lines) + "\n")

    return apply


BAD = {
    "broken JSON": (line(3, lambda t: t[:-1]), "snli_ve_train.jsonl, line 3: is no JSON"),
    "an empty line": (line(4, lambda t: ""), "snli_ve_train.jsonl, line 4: is no JSON"),
    "no object": (line(2, lambda t: "[1]"), "line 2: expected an object"),
    "an unknown label": (
        line(1, lambda t: t.replace("entailment", "entails")),
        "line 1: gold_label: unknown label 'entails'; did you mean 'entailment'",
    ),
    "no sentence": (
        line(1, lambda t: t.replace("sentence 0", " ")),
        "line 1: sentence2: expected a text, got ' '",
    ),
    "no picture's number": (
        line(1, lambda t: t.replace('ID": "1000.jpg"', 'ID": "../1000.jpg"')),
        "line 1: Flikr30kID: expected a picture's number, got '../1000.jpg'",
    ),
    "a split is missing": (
        lambda raw: (raw / "snli_ve_test.jsonl").unlink(),
        "snli_ve_test.jsonl is missing",
    ),
    "a picture is missing": (
        lambda raw: (raw / "flickr30k-images/1001.jpg").unlink(),
        "the picture 1001.jpg is missing",
    ),
    "no pictures": (
        lambda raw: (raw / "flickr30k-images").rename(raw / "images"),
        "holds no pictures .*; name them by --pictures, or convert without by --no-pictures",
    ),
    "no rows with a consensus": (
        lambda raw: (raw / "snli_ve_test.jsonl").write_text('{"gold_label": "-"}\n'),
        "the split test has no rows",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named_in_one_line(spoil, message, tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    spoil(raw)
    with pytest.raises(DataError, match=message) as caught:
        convert(request(raw, tmp_path / "out"))
    assert str(caught.value).startswith(str(raw)) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command_counts_rows_without_a_consensus(tmp_path, capsys):
    raw = entailment_folder(tmp_path / "raw")
    out = tmp_path / "out"
    assert cli.main(["data", "convert", "visual_entailment", str(raw), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "train: 6 rows; 2 left out: rows without a consensus (gold_label -)" in said
    assert "NOT the 529,527 rows of the published set" in said
    assert "written, 2 pictures (2 of them hard links)" in said
