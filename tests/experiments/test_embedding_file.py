"""Files of embeddings, and the commands that read them."""

import csv
import dataclasses
import json
import re
import zipfile

import numpy as np
import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments import embedding_file
from refnet_mmf.experiments.embedding_file import EmbeddingError, read_embeddings, write_embeddings
from refnet_mmf.plugin.embedding_set import EmbeddingSet

ABOUT = {
    "model": "refnet_gmu",
    "checkpoint": "best.ckpt",
    "checkpoint_sha256": "0" * 64,
    "data_set": "mmimdb",
    "split": "test",
    "miniature": {"size": "tiny", "seed": 0},
    "pooler": "average_last",
    "versions": {},
}


def embeddings(count=60, seed=0, labels="classes", queries=True, features=True):
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    fused = np.eye(3, 4)[classes] + 0.01 * random.normal(size=(count, 4))
    fused = fused.astype(np.float32)
    return EmbeddingSet(
        ids=np.array([f"id{k}" for k in range(count)]),
        fused=fused,
        features={"text": fused[:, :2] * 2, "image": random.normal(size=(count, 6))}
        if features
        else {},
        queries={"text": fused, "image": fused[::-1].copy()} if queries else {},
        labels={"classes": classes, "sets": np.eye(3, dtype=np.uint8)[classes], None: None}[labels],
        scores=fused[:, :3],
        inputs={"text": fused[:, 1:]} if features else {},
    )


@pytest.fixture
def write(tmp_path):
    def make(name="test.npz", about=None, **keywords):
        path = tmp_path / name
        write_embeddings(path, embeddings(**keywords), {**ABOUT, **(about or {})})
        return path

    return make


@pytest.mark.parametrize("labels", ["classes", "sets", None])
def test_what_is_written_is_read(write, labels):
    file = read_embeddings(write(labels=labels))
    expected = embeddings(labels=labels)
    assert file.about == ABOUT
    np.testing.assert_array_equal(file.embeddings.ids, expected.ids)
    np.testing.assert_array_equal(file.embeddings.fused, expected.fused)
    for part in ("features", "queries", "inputs"):
        read, written = getattr(file.embeddings, part), getattr(expected, part)
        assert read.keys() == written.keys()
        for name in written:
            np.testing.assert_array_equal(read[name], written[name])
    if labels is None:
        assert file.embeddings.labels is None
        assert not file.embeddings.labelled().any()
    else:
        np.testing.assert_array_equal(file.embeddings.labels, expected.labels)
        assert file.embeddings.labelled().all()


def test_says_that_it_is_miniature(write):
    said = str(read_embeddings(write()))
    assert said.startswith("MINIATURE (size tiny, seed 0): refnet_gmu on mmimdb, test split, 60")
    assert "MINIATURE" not in str(read_embeddings(write("real.npz", {"miniature": None})))


def test_nothing_is_pickled(write):
    with np.load(write(), allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fiuU" for name in file.files)


def test_a_file_that_is_there_is_kept(write, tmp_path):
    path = write()
    before = path.read_bytes()
    with pytest.raises(EmbeddingError, match=r"test.npz: is there already; .* --force"):
        write()
    assert path.read_bytes() == before
    write_embeddings(path, embeddings(count=9), ABOUT, force=True)
    assert len(read_embeddings(path).embeddings) == 9
    assert [p.name for p in tmp_path.iterdir()] == ["test.npz"]


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(embedding_file.np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        write_embeddings(tmp_path / "a.npz", embeddings(), ABOUT)
    assert not list(tmp_path.iterdir())


def other_npz(path):
    np.savez(path, a=np.zeros(3))


def pickled(path):
    np.savez(path, about=np.array({"a": 1}, dtype=object))


def other_format(path):
    np.savez(path, about=np.array(json.dumps({"format": "refnet embeddings 0"})))


def one_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def cut_off(path):
    write_embeddings(path, embeddings(), ABOUT)
    path.write_bytes(path.read_bytes()[:-200])


def other_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "text")


@pytest.mark.parametrize(
    "make", [other_npz, pickled, other_format, one_array, cut_off, other_zip, lambda p: p.touch()]
)
def test_files_that_are_not_ours(tmp_path, capsys, make):
    path = tmp_path / "a.npz"
    make(path)
    assert main(["retrieve", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"refnet retrieve: {path}: damaged, or not written by 'refnet embed'" in said


def test_rows_that_do_not_fit_and_values_that_are_not_finite(tmp_path):
    good = embeddings()
    short = EmbeddingSet(good.ids[1:], good.fused, good.features, good.queries)
    write_embeddings(tmp_path / "short.npz", short, ABOUT)
    with pytest.raises(EmbeddingError, match="ids: expected 60 rows, got 59"):
        read_embeddings(tmp_path / "short.npz")
    good.fused[3, 1] = np.nan
    write_embeddings(tmp_path / "nan.npz", good, ABOUT)
    with pytest.raises(EmbeddingError, match="fused: holds values that are not finite"):
        read_embeddings(tmp_path / "nan.npz")


@pytest.mark.parametrize(
    "name, rows, says",
    [
        ("fused", np.float32(1), "fused: expected numbers with a point, [N, D], got float32"),
        ("fused", np.array(["a"] * 60), "fused: expected numbers with a point, [N, D], got <U1"),
        ("labels", np.array(["a"] * 60), "labels: expected numbers, [N] or [N, C], got <U1"),
        ("labels", np.zeros((60, 2, 2)), "labels: expected numbers, [N] or [N, C], got float64"),
        ("features.text", np.zeros(60), "features.text: expected numbers with a point, [N, D]"),
        ("about", {"miniature": [1]}, "about: miniature: expected an object or null"),
    ],
)
def test_arrays_of_another_kind_are_named(tmp_path, capsys, name, rows, says):
    path = tmp_path / "a.npz"
    write_embeddings(path, embeddings(), ABOUT)
    with np.load(path) as file:
        arrays = dict(file)
    if name == "about":
        rows = np.array(json.dumps(json.loads(str(arrays["about"])) | rows))
    np.savez(path, **{**arrays, name: rows})
    assert main(["retrieve", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{path}: {says}" in said


def test_probes_of_files_that_do_not_fit_one_another(tmp_path, capsys):
    good = embeddings()
    train, test = tmp_path / "train.npz", tmp_path / "test.npz"
    write_embeddings(train, good, {**ABOUT, "split": "train"})
    features = {"image": good.features["image"]}
    for changed, says in [
        ({"features": features}, "features.text: expected the width"),
        ({"fused": good.fused[:, 1:]}, "fused: expected the width"),
    ]:
        spoilt = dataclasses.replace(good, **changed)
        write_embeddings(test, spoilt, {**ABOUT, "split": "test"}, force=True)
        assert main(["probe", str(train), str(test)]) == 1
        assert f"refnet probe: {test}: {says}" in capsys.readouterr().err


def test_a_table_is_not_written_over_a_file_that_is_there(write, tmp_path, capsys):
    path = write()
    (tmp_path / "mine.md").write_text("mine")
    words = ["retrieve", str(path), "--out", str(tmp_path / "mine")]
    assert main(words) == 1
    assert "mine.md: is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.md").read_text() == "mine"
    assert main([*words, "--force"]) == 0
    assert main(["retrieve", str(path), "--out", ""]) == 1
    assert "--out: expected a name" in capsys.readouterr().err


def test_retrieve_prints_and_writes_a_table(write, tmp_path, capsys):
    path = write(labels="sets")
    assert main(["retrieve", str(path), "--out", str(tmp_path / "table.1")]) == 0
    printed = capsys.readouterr().out
    assert "MINIATURE" in printed and "by cosine" in printed
    assert "MINIATURE" in (tmp_path / "table.1.md").read_text()
    assert (tmp_path / "table.1.tex").is_file()
    rows = list(csv.DictReader((tmp_path / "table.1.csv").open()))
    assert [(row["query"], row["ranking"]) for row in rows] == [
        ("image", "by similarity"),
        ("image", "at random"),
        ("text", "by similarity"),
        ("text", "at random"),
    ]
    text, chance = rows[2], rows[3]
    assert text["top-1"] == "100.00"
    assert chance["top-1"] == f"{100 * 19 / 59:.2f}"


def test_retrieve_of_several_files(write, capsys):
    paths = [write("a.npz"), write("b.npz", {"model": "gmu"}, queries=False)]
    assert main(["retrieve", *map(str, paths), "--query", "padded", "--match", "any"]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r" text +by similarity ", printed)) == 2
    assert main(["retrieve", *map(str, paths)]) == 1
    assert "b.npz: holds no fused queries; use --query padded" in capsys.readouterr().err


def test_retrieve_without_what_a_query_is_made_of(write, capsys):
    path = write(features=False)
    assert main(["retrieve", str(path), "--query", "padded"]) == 1
    assert "holds no padded queries; use --query fused" in capsys.readouterr().err
    path = write("none.npz", features=False, queries=False)
    assert main(["retrieve", str(path)]) == 1
    assert "holds no fused queries at all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--query", "full"], "--query: unknown query 'full'"),
        (["--match", "exakt"], "did you mean 'exact'"),
        (["--metric", "l2"], "--metric: unknown metric 'l2'"),
        (["--out", "{file}/x"], "{file}"),
    ],
)
def test_retrieve_with_bad_options(write, capsys, options, message):
    path = write()
    words = [word.format(file=path) for word in options]
    assert main(["retrieve", str(path), *words]) == 1
    said = capsys.readouterr().err
    assert message.format(file=path) in said and said.count("\n") == 1


def test_retrieve_without_labels_or_without_a_file(write, tmp_path, capsys):
    assert main(["retrieve", str(write(labels=None))]) == 1
    assert "test.npz: its split has no labels" in capsys.readouterr().err
    assert main(["retrieve", str(tmp_path / "none.npz")]) == 1
    assert "none.npz: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("labels", ["classes", "sets", None])
def test_probe_prints_and_writes_a_table(write, tmp_path, capsys, labels):
    train = write("train.npz", {"split": "train"}, seed=1, labels=labels)
    test = write(labels=labels)
    assert main(["probe", str(train), str(test), "--out", str(tmp_path / "probes")]) == 0
    printed = capsys.readouterr().out
    assert "Linear probes of the fused embedding" in printed and "MINIATURE" in printed
    assert "MINIATURE" in (tmp_path / "probes.md").read_text()
    rows = list(csv.DictReader((tmp_path / "probes.csv").open()))
    read = {row["read from the embedding"]: row for row in rows}
    assert float(read["text features"]["score"]) > 0.99
    assert abs(float(read["image features"]["score"])) < 0.15
    if labels is None:
        assert "labels" not in read
    else:
        assert read["labels"]["score"] == "1.0000"
        assert read["labels"]["measure"] == {"classes": "accuracy", "sets": "micro F1"}[labels]


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"split": "test"}, "the test split, as is"),
        ({"split": "train", "checkpoint_sha256": "1" * 64}, "both must be of one network"),
        ({"split": "train", "data_set": "hateful_memes"}, "data_set 'mmimdb', but"),
    ],
)
def test_probe_of_files_that_do_not_belong_together(write, capsys, about, message):
    assert main(["probe", str(write("train.npz", about)), str(write())]) == 1
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
