"""``refnet data check``: what of a data set is there, what is wrong, where to get the rest."""

import json
import pickle

import lmdb
import numpy as np
import pytest
from PIL import Image

from refnet_mmf import cli
from refnet_mmf.experiments import mmf_zoo
from refnet_mmf.experiments.real_data import check_command
from refnet_mmf.experiments.real_data.check import check
from refnet_mmf.experiments.real_data.convert import Request, convert
from refnet_mmf.experiments.real_data.description import DataError
from refnet_mmf.experiments.real_data.findings import MISSING, NOTE, OK, WRONG, usable_inputs
from refnet_mmf.experiments.real_data.hateful_memes import HATEFUL_MEMES
from tests.experiments import published
from tests.experiments.published import (
    SMALL_ENTAILMENT,
    SMALL_MMIMDB,
    counted,
    entailment_folder,
    features,
    movie_folder,
)

MOVIES = "datasets/mmimdb/defaults"
SMALL_MEMES = counted(HATEFUL_MEMES, train=4, dev=2, test=2)


@pytest.fixture
def movies(tmp_path):
    """MM-IMDB, converted, with pictures and features."""
    lmdb_folder = features(tmp_path / "given.lmdb", published.GENRES)
    raw = movie_folder(tmp_path)
    convert(Request(SMALL_MMIMDB, raw, tmp_path / "data", features=lmdb_folder))
    return tmp_path / "data"


def hateful(data, files=("train", "dev", "test"), width=2048, labelled=True):
    """Hateful Memes of a few rows, in place, with marks."""
    folder = data / "datasets/hateful_memes/defaults"
    (folder / "annotations").mkdir(parents=True)
    names = []
    for start, file in enumerate(files, 1):
        rows = []
        for number in range(4 if file == "train" else 2):
            name = f"{start}{number:04d}"
            names.append(name)
            published.picture(folder / "images/img" / f"{name}.png", number)
            row = {"id": int(name), "img": f"img/{name}.png", "text": "text", "label": number % 2}
            if not labelled and file.startswith("test"):
                del row["label"]
            rows.append(row)
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / "annotations" / f"{file}.jsonl").write_text(lines)
    features(folder / "features/detectron.lmdb", names, width)
    check(SMALL_MEMES, data, mark=True)
    return data


def wrong(done):
    """What is not as it should be: each one's name and story."""
    return {f.what: f.detail for f in done.findings if f.verdict in (WRONG, MISSING)}


@pytest.mark.parametrize("everything", [False, True])
def test_a_whole_set_is_fit(movies, everything):
    done = check(SMALL_MMIMDB, movies, everything=everything)
    assert {f.verdict for f in done.findings} == {OK}
    assert usable_inputs(done.findings) == ["pictures", "features"]
    assert str(done.origin) == "real, converted by refnet data convert"


def test_a_whole_set_of_sentences_is_fit(tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    convert(Request(SMALL_ENTAILMENT, raw, tmp_path / "data"))
    done = check(SMALL_ENTAILMENT, tmp_path / "data")
    assert wrong(done) == {"detectron.lmdb": ""}
    assert usable_inputs(done.findings) == ["pictures"]


def test_the_published_counts_are_those_of_the_papers(movies):
    from refnet_mmf.experiments.real_data.known import DATA_SETS

    def counts(name):
        return {file: told.rows for file, told in DATA_SETS[name].files.items()}

    assert counts("mmimdb") == {
        "train.jsonl": (15552,),
        "dev.jsonl": (2608,),
        "test.jsonl": (7799,),
    }
    assert counts("visual_entailment") == {
        "snli_ve_train.jsonl": (529527,),
        "snli_ve_dev.jsonl": (17858,),
        "snli_ve_test.jsonl": (17901,),
    }
    memes = counts("hateful_memes")
    assert memes["train.jsonl"] == (8500,)
    assert (memes["dev_seen.jsonl"], memes["dev_unseen.jsonl"]) == ((500,), (540,))
    assert (memes["test_seen.jsonl"], memes["test_unseen.jsonl"]) == ((1000,), (2000,))
    done = check(DATA_SETS["mmimdb"], movies)
    assert wrong(done)["train.jsonl"] == "train.jsonl: 3 rows, where 15,551 rows are expected"
    assert usable_inputs(done.findings) == []


def test_who_converts_otherwise_may_lack_the_movies_of_rare_genres(movies):
    (movies / MOVIES / "annotations/conversion.json").unlink()
    lacking = counted(SMALL_MMIMDB, train=3 + 71, dev=2, test=1)
    assert not wrong(check(lacking, movies))
    lacking = counted(SMALL_MMIMDB, train=3 + 72, dev=2, test=1)
    assert "75 (up to 71 fewer) rows" in wrong(check(lacking, movies))["train.jsonl"]


def replace_file(path, content):
    """Replace a file; a hard link's other end stays as it is."""
    path.unlink()
    path.write_bytes(content)


def rewrite(file, old, new):
    def apply(data):
        path = data / MOVIES / file
        replace_file(path, path.read_bytes().replace(old.encode(), new.encode()))

    return apply


def overwrite(file, content):
    return lambda data: replace_file(data / MOVIES / file, content)


def cut(file):
    def apply(data):
        content = (data / MOVIES / file).read_bytes()
        replace_file(data / MOVIES / file, content[: len(content) // 2])

    return apply


def store(key, value):
    def apply(data):
        path = data / MOVIES / "features/features.lmdb"
        replace_file(path / "data.mdb", (path / "data.mdb").read_bytes())
        with (
            lmdb.open(str(path), map_size=1 << 24, lock=False) as environment,
            environment.begin(write=True) as transaction,
        ):
            transaction.put(key, value)

    return apply


def record(**changes):
    values = {
        "features": np.ones((2, 2048), np.float32),
        "bbox": np.ones((2, 4), np.float32),
        "num_boxes": 2,
        "image_width": 1,
        "image_height": 1,
        **changes,
    }
    return store(b"0000102", pickle.dumps({k: v for k, v in values.items() if v is not None}, 4))


class Evil:
    def __reduce__(self):
        return (print, ("the record ran",))


TRAIN = "annotations/train.jsonl"
POSTER = "images/mmimdb/dataset/0000102.jpeg"
DAMAGE = {
    "broken JSON": (
        rewrite(TRAIN, '{"image_id": "0000102"', '{"image_id" "0000102"'),
        "train.jsonl",
        "train.jsonl, line 2: is no JSON",
        [],
    ),
    "an empty line": (
        rewrite(TRAIN, '\n{"image_id": "0000102"', '\n\n{"image_id": "0000102"'),
        "train.jsonl",
        "train.jsonl, line 2: is empty, and MMF stops there; train.jsonl: 4 rows, where 3",
        [],
    ),
    "a row names another picture": (
        rewrite("annotations/test.jsonl", '"0000107.jpeg"', '"0000108.jpeg"'),
        "pictures in dataset/",
        "1 missing; the first: ",
        ["features"],
    ),
    "a row names another feature": (
        rewrite("annotations/test.jsonl", '"0000107.npy"', '"0000108.npy"'),
        "features.lmdb",
        "1 are missing; the first: 0000108",
        ["pictures"],
    ),
    "no file to test on": (
        lambda data: (data / MOVIES / "annotations/test.jsonl").unlink(),
        "test.jsonl",
        "",
        [],
    ),
    "no genres": (
        rewrite(TRAIN, '["comedy"]', "[]"),
        "train.jsonl",
        "train.jsonl, line 2: genres: expected a list of texts, got []",
        [],
    ),
    "more genres than MMF has room for": (
        rewrite(TRAIN, '["comedy"]', json.dumps(["comedy"] * 11)),
        "train.jsonl",
        "train.jsonl, line 2: genres: MMF takes 1 to 10 of a movie, got 11",
        [],
    ),
    "no plot": (
        rewrite(TRAIN, '["plot of 0000102", "shorter"]', '["", "shorter"]'),
        "train.jsonl",
        "train.jsonl, line 2: plot: expected a text, got ''",
        [],
    ),
    "a genre that is none": (
        rewrite(TRAIN, '["comedy"]', '["comdy"]'),
        "labels",
        "no classes: 'comdy'; did you mean 'comedy'?",
        [],
    ),
    "no class file": (
        lambda data: (data / MOVIES / "extras/classes_mm_imdb.txt").unlink(),
        "classes_mm_imdb.txt",
        "",
        [],
    ),
    "a class in upper case": (
        rewrite("extras/classes_mm_imdb.txt", "drama", "Drama"),
        "classes_mm_imdb.txt",
        "line 8: no label can match the class 'Drama', as MMF puts labels into lower case and "
        "takes commas out: write 'drama'",
        [],
    ),
    "a class too few": (
        rewrite("extras/classes_mm_imdb.txt", "western\n", ""),
        "classes_mm_imdb.txt",
        "these are missing, or no genres: western",
        [],
    ),
    "a class twice": (
        rewrite("extras/classes_mm_imdb.txt", "western\n", "western\nwar\n"),
        "classes_mm_imdb.txt",
        "line 24: 'war' is the class of line 22 already",
        [],
    ),
    "a class file with an empty line": (
        rewrite("extras/classes_mm_imdb.txt", "drama\n", "\ndrama\n"),
        "classes_mm_imdb.txt",
        "line 8: is empty",
        [],
    ),
    "a picture is missing": (
        lambda data: (data / MOVIES / POSTER).unlink(),
        "pictures in dataset/",
        "1 missing; the first: ",
        ["features"],
    ),
    "a picture is cut off": (
        cut(POSTER),
        "pictures in dataset/",
        "1 broken; the first: ",
        ["features"],
    ),
    "a truncated lmdb": (
        cut("features/features.lmdb/data.mdb"),
        "features.lmdb",
        "features.lmdb: is truncated: ",
        ["pictures"],
    ),
    "no lmdb": (
        overwrite("features/features.lmdb/data.mdb", b"text" * 5000),
        "features.lmdb",
        "features.lmdb: is no lmdb that can be read",
        ["pictures"],
    ),
    "no list of keys": (
        store(b"keys", pickle.dumps({"0000101"})),
        "features.lmdb",
        "has no list of keys under 'keys'",
        ["pictures"],
    ),
    "a feature is missing": (
        store(b"keys", pickle.dumps([b"0000101", b"0000102"])),
        "features.lmdb",
        "4 are missing; the first: 0000104",
        ["pictures"],
    ),
    "another width": (
        record(features=np.ones((2, 512), np.float32)),
        "features.lmdb",
        "0000102: its width is 512, not 2048",
        ["pictures"],
    ),
    "no array": (
        record(features=[1.0]),
        "features.lmdb",
        "0000102: its features are no array",
        ["pictures"],
    ),
    "not finite": (
        record(features=np.full((2, 2048), np.nan, np.float32)),
        "features.lmdb",
        "0000102: its features are not all finite",
        ["pictures"],
    ),
    "a record that is a program": (
        store(b"0000102", pickle.dumps(Evil())),
        "features.lmdb",
        "'0000102' is damaged: it asks for builtins.print, and is no plain data",
        ["pictures"],
    ),
}


@pytest.mark.parametrize(("damage", "what", "detail", "fit"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_and_told(damage, what, detail, fit, movies, capsys):
    damage(movies)
    done = check(SMALL_MMIMDB, movies)
    assert what in wrong(done) and detail in wrong(done)[what]
    assert usable_inputs(done.findings) == fit
    assert "the record ran" not in capsys.readouterr().out


def test_features_without_boxes_serve_models_that_need_none(movies):
    record(bbox=None, image_width=None)(movies)
    done = check(SMALL_MMIMDB, movies)
    (told,) = [f for f in done.findings if f.verdict == NOTE]
    assert "without bbox, image_width, which e.g. ViLBERT needs" in told.detail
    assert usable_inputs(done.findings) == ["pictures", "features"]


def test_damage_beyond_the_first_rows_is_found_by_all(tmp_path, monkeypatch):
    from refnet_mmf.experiments.real_data import check as checking

    monkeypatch.setattr(checking, "FIRST", 2)
    data = hateful(tmp_path)
    (data / "datasets/hateful_memes/defaults/images/img/10003.png").write_bytes(b"broken")
    assert not wrong(check(SMALL_MEMES, data))
    found = wrong(check(SMALL_MEMES, data, everything=True))
    assert "10003.png: can't be decoded" in found["pictures in images/"]


def test_without_pictures_the_features_will_do_and_the_other_way_round(movies):
    (movies / MOVIES / "features").rename(movies / "kept")
    done = check(SMALL_MMIMDB, movies)
    assert usable_inputs(done.findings) == ["pictures"]
    assert [f.verdict for f in done.findings if f.part == "features"] == [MISSING]
    (movies / "kept").rename(movies / MOVIES / "features")
    (movies / MOVIES / "images").rename(movies / "kept")
    assert usable_inputs(check(SMALL_MMIMDB, movies).findings) == ["features"]


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Stand in for the zoo and the defaults of either line of MMF."""

    def install(version, val, test):
        folder = tmp_path / f"mmf-{val}"
        defaults = folder / "configs/datasets/hateful_memes/defaults.yaml"
        defaults.parent.mkdir(parents=True)
        annotations = {"val": [f"a/{val}.jsonl"], "test": [f"a/{test}.jsonl"]}
        config = {"dataset_config": {"hateful_memes": {"annotations": annotations}}}
        defaults.write_text(json.dumps(config))  # JSON is YAML
        zoo = folder / "configs/zoo/datasets.yaml"
        zoo.parent.mkdir()
        entry = {"version": version, "resources": {"features": [], "extras": []}}
        zoo.write_text(json.dumps({"hateful_memes": {"defaults": entry}}))
        monkeypatch.setattr(mmf_zoo, "mmf_folder", lambda: folder)

    return install


LINES = {
    "pypi": (1.020200511, "dev", "test"),
    "main": (1.020201001, "dev_unseen", "test_unseen"),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("pair", HATEFUL_MEMES.evaluation)
def test_the_split_names_of_both_lines_are_accepted(pair, line, installed, tmp_path):
    installed(*LINES[line])
    names = [name.removesuffix(".jsonl") for name in pair]
    data = hateful(tmp_path / "data", ("train", *names))
    done = check(SMALL_MEMES, data)
    assert usable_inputs(done.findings) == ["pictures", "features"]
    (told,) = [f for f in done.findings if f.what == "to evaluate on"]
    assert told.found == " and ".join(names)
    assert told.verdict == (OK if tuple(names) == LINES[line][1:] else NOTE)
    if told.verdict == NOTE:
        override = f"annotations.val[0]=hateful_memes/defaults/annotations/{pair[0]}"
        assert override in told.detail


def test_half_a_pair_is_not_enough(tmp_path):
    data = hateful(tmp_path, ("train", "dev_seen", "test_unseen"))
    done = check(SMALL_MEMES, data)
    assert usable_inputs(done.findings) == []
    assert "dev_seen.jsonl and test_seen.jsonl" in wrong(done)["to evaluate on"]


def test_only_a_whole_test_file_may_lack_labels(tmp_path):
    data = hateful(tmp_path, labelled=False)
    assert not wrong(check(SMALL_MEMES, data))
    for name, told in (("dev", "1 of 2 rows have no label"), ("test", "1 of 2 rows have no label")):
        file = data / f"datasets/hateful_memes/defaults/annotations/{name}.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        rows[0].pop("label", None)
        rows[1]["label"] = 1
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        assert told in wrong(check(SMALL_MEMES, data))[f"{name}.jsonl"]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("id", "x1", "id: expected a whole number of up to 9 digits, got 'x1'"),
        ("id", 3000000000, "id: expected a whole number of up to 9 digits, got 3000000000"),
        ("text", "a \ud83d", "text: holds half a character"),
        ("label", "1", "label: expected 0 or 1, got '1'"),
        ("label", 2, "no classes: '2'"),
        ("text", None, "text: expected a text, got None"),
        ("img", "", "img: expected a text, got ''"),
    ],
)
def test_a_meme_s_field_is_checked(field, value, told, tmp_path):
    data = hateful(tmp_path)
    file = data / "datasets/hateful_memes/defaults/annotations/train.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[2][field] = value
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert any(told in detail for detail in wrong(check(SMALL_MEMES, data)).values())


def test_marks_of_the_other_line_are_found_and_renewed(installed, tmp_path):
    installed(*LINES["pypi"])
    data = hateful(tmp_path / "data", ("train", "dev", "test", "dev_unseen", "test_unseen"))
    installed(*LINES["main"])
    found = wrong(check(SMALL_MEMES, data))
    assert set(found) == {"mark of hateful_memes/extras", "mark of hateful_memes/features"}
    assert "would download hateful_memes/features at the next run" in next(
        iter(found.values())
    ) or ("would download hateful_memes/extras at the next run" in next(iter(found.values())))
    assert not wrong(check(SMALL_MEMES, data, mark=True))
    assert not wrong(check(SMALL_MEMES, data))


def test_what_is_not_fit_is_not_marked(movies):
    for mark in movies.rglob(".built.json"):
        mark.unlink()
    (movies / MOVIES / POSTER).unlink()
    done = check(SMALL_MMIMDB, movies, mark=True)
    assert "mark of mmimdb/images" in wrong(done)
    assert not (movies / MOVIES / "images/.built.json").exists()
    assert usable_inputs(done.findings) == ["features"]


def test_a_miniature_set_is_told_from_a_real_one(memes):
    done = check(HATEFUL_MEMES, memes, everything=True)
    assert str(done.origin).startswith("MINIATURE, generated (size tiny, seed 0)")
    unmarked = {k: v for k, v in wrong(done).items() if not k.startswith("mark of")}
    assert not unmarked
    with pytest.raises(DataError, match="holds the MINIATURE set 'hateful_memes', not 'mmimdb'"):
        check(SMALL_MMIMDB, memes)


def test_a_miniature_set_is_compared_with_its_own_manifest(tmp_path):
    data = hateful(tmp_path, width=8)
    manifest = {"name": "hateful_memes", "size": "tiny", "seed": 3}
    file = data / "miniature.json"
    file.write_text(json.dumps({**manifest, "counts": {"train": 4, "dev": 2, "test": 2}}))
    assert not wrong(check(HATEFUL_MEMES, data, mark=True))
    file.write_text(json.dumps({**manifest, "counts": {"train": 5, "dev": 2, "test": 2}}))
    found = wrong(check(HATEFUL_MEMES, data))
    assert found == {"train.jsonl": "train.jsonl: 4 rows, where 5 rows are expected"}
    counts = {"train": 4, "dev": 2, "test": 2}
    hashes = {"annotations_sha256": {"train": "0" * 64}}
    file.write_text(json.dumps({**manifest, "counts": counts, **hashes}))
    assert "is not the file that was generated" in wrong(check(HATEFUL_MEMES, data))["train.jsonl"]
    file.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="miniature.json: counts: expected a number for each of"):
        check(HATEFUL_MEMES, data)


def test_an_empty_folder_is_told_where_to_get_everything(tmp_path, capsys):
    for name in ("hateful_memes", "mmimdb", "visual_entailment"):
        assert cli.main(["data", "check", name, str(tmp_path)]) == 1
        said = capsys.readouterr().out
        for part in ("annotations", "pictures", "features"):
            assert f"{part} are missing: " in said
        assert str(tmp_path) in said and "https://" in said and "{" not in said
        assert said.splitlines()[-1] == "Fit to train on: no"


@pytest.mark.parametrize("fit", [True, False])
def test_the_exit_code_says_whether_it_is_fit(fit, movies, capsys, monkeypatch):
    monkeypatch.setattr(check_command, "DATA_SETS", {"mmimdb": SMALL_MMIMDB})
    if not fit:
        (movies / MOVIES / TRAIN).unlink()
    assert cli.main(["data", "check", "mmimdb", str(movies), "--all"]) == (0 if fit else 1)
    said = capsys.readouterr().out
    assert "real, converted by refnet data convert" in said
    assert said.splitlines()[-1] == (
        "Fit to train on: pictures and features" if fit else "Fit to train on: no"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hatefulmemes", "."], "unknown data set 'hatefulmemes'; did you mean 'hateful_memes'"),
        (["mmimdb", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_a_bad_command_is_named_in_one_line(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "check", *words]) == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1


def test_rows_are_read_as_mmf_reads_them():
    read = SMALL_MMIMDB.read
    row = {"plot": "a plot", "genres": ["Sci-Fi"], "image_id": "0000001"}
    sample = read(row)
    assert (sample.picture, sample.feature, sample.labels) == ("0000001", "0000001", ("sci-fi",))
    assert read({**row, "img": "p/0000002.jpeg"}).picture == "p/0000002.jpeg"
    assert read({**row, "feature_path": "3.npy"}).feature == "3"
    with pytest.raises(ValueError, match="no field names the poster"):
        read({"plot": "a plot", "genres": ["Drama"]})


def test_a_picture_is_found_whatever_its_extension(tmp_path):
    from refnet_mmf.experiments.real_data.check_pictures import find_picture

    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    for name in ("1", "1.png", "1.jpg"):
        assert find_picture(tmp_path, name) == tmp_path / "1.png"
    assert find_picture(tmp_path, "2.png") is None


def test_left_out_rows_that_were_not_published_change_no_count(tmp_path):
    raw = entailment_folder(tmp_path / "raw")
    convert(Request(SMALL_ENTAILMENT, raw, tmp_path / "data"))
    assert "snli_ve_train.jsonl" not in wrong(check(SMALL_ENTAILMENT, tmp_path / "data"))


def test_the_folder_that_is_meant_is_named(tmp_path, capsys):
    (tmp_path / "datasets/mmimdb").mkdir(parents=True)
    assert cli.main(["data", "check", "mmimdb", str(tmp_path / "datasets")]) == 1
    assert capsys.readouterr().err.endswith(f"DIR is the folder above, {tmp_path}\n")


def test_labels_are_compared_as_mmf_looks_them_up(movies):
    """MMF's processor of words leaves children's as children 's, and no question mark."""
    from refnet_mmf.experiments.real_data.known import DATA_SETS

    file = movies / "datasets/mmimdb/defaults/annotations/train.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[0]["genres"] = ["Children's"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "children 's" in wrong(check(DATA_SETS["mmimdb"], movies, own=True))["labels"]


def test_data_of_ones_own_may_have_other_rows_and_classes(movies):
    from refnet_mmf.experiments.real_data.known import DATA_SETS

    folder = movies / "datasets/mmimdb/defaults"
    (folder / "extras/classes_mm_imdb.txt").write_text(
        "drama\ncomedy\nsci-fi\nwar\nfilm-noir\nshort\n"
    )
    published = check(DATA_SETS["mmimdb"], movies)
    assert {"train.jsonl", "classes_mm_imdb.txt"} <= set(wrong(published))
    done = check(DATA_SETS["mmimdb"], movies, own=True)
    assert str(done.origin) == "data of your own in this form"
    assert not {"train.jsonl", "dev.jsonl", "classes_mm_imdb.txt"} & set(wrong(done)), wrong(done)
    (folder / "annotations/train.jsonl").write_text("")
    assert (
        "0 rows, where any number of rows are expected"
        in wrong(check(DATA_SETS["mmimdb"], movies, own=True))["train.jsonl"]
    )
