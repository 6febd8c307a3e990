"""What all miniature sets have in common: files, same seed same bytes, nothing overwritten."""

import hashlib
import json
import pickle
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest

from refnet_mmf import __version__
from refnet_mmf.experiments.miniature import make as module
from refnet_mmf.experiments.miniature.make import DATA_SETS, SIZES, CannotMake, make
from refnet_mmf.experiments.miniature.picture_encoder import region_features
from refnet_mmf.experiments.miniature.sentences import words_of
from refnet_mmf.experiments.mmf_zoo import zoo_entry

SPLITS = ("train", "dev", "test")
FIXTURE = {"hateful_memes": "memes", "mmimdb": "movies", "visual_entailment": "entailment"}
TEXT = {"hateful_memes": "text", "mmimdb": "plot", "visual_entailment": "sentence2"}
PICTURE = {
    "hateful_memes": lambda row: f"hateful_memes/defaults/images/{row['img']}",
    "mmimdb": lambda row: f"mmimdb/defaults/images/mmimdb/dataset/{row['img']}",
    "visual_entailment": lambda row: (
        f"flickr30k/defaults/images/flickr30k_images/{row['Flikr30kID']}"
    ),
}
each_set = pytest.mark.parametrize("name", DATA_SETS)


@pytest.fixture
def folder(request, name) -> Path:
    """The tiny set ``name``; the value is for env.data_dir."""
    return request.getfixturevalue(FIXTURE[name])


def annotations(folder: Path, name: str, split: str) -> list[dict]:
    (first, *others) = DATA_SETS[name].layout.annotations[split]
    text = (folder / "datasets" / first).read_text()
    assert all((folder / "datasets" / other).read_text() == text for other in others)
    return [json.loads(line) for line in text.splitlines()]


def text_of(row: dict, name: str) -> str:
    text = row[TEXT[name]]
    return text[0] if isinstance(text, list) else text


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@each_set
def test_a_seed_fixes_the_samples_and_another_changes_them(name):
    data = DATA_SETS[name]
    assert data.draw_split(0, "train", 60) == data.draw_split(0, "train", 60)
    assert data.draw_split(0, "train", 60) != data.draw_split(1, "train", 60)
    assert data.draw_split(0, "train", 60) != data.draw_split(0, "dev", 60)
    assert data.corpus(0, 50) == data.corpus(0, 50) != data.corpus(1, 50)


@each_set
def test_the_vocabulary_holds_every_word_and_no_other(name):
    data = DATA_SETS[name]
    rows = [sample.annotation("00001") for sample in data.draw_split(0, "train", 3000)]
    texts = [*data.corpus(0, 3000), *(text_of(row, name) for row in rows)]
    assert sorted({word for text in texts for word in words_of(text)}) == data.vocabulary


@each_set
def test_the_files_are_complete(name, folder):
    size, layout = SIZES["tiny"], DATA_SETS[name].layout
    rows = {split: annotations(folder, name, split) for split in SPLITS}
    assert [len(rows[split]) for split in SPLITS] == [size.train, size.dev, size.test]
    pictures = [folder / "datasets" / PICTURE[name](row) for split in SPLITS for row in rows[split]]
    assert len(set(pictures)) == len(pictures)
    store = lmdb.open(str(folder / "datasets" / layout.features), readonly=True, lock=False)
    with store.begin() as transaction:
        keys = pickle.loads(transaction.get(b"keys"))
        records = [pickle.loads(transaction.get(key)) for key in keys]
    store.close()
    assert keys == [picture.stem.encode() for picture in pictures]
    assert all(picture.is_file() for picture in pictures)
    for record in records:
        assert record["features"].shape == (4, 512)
        assert record["features"].dtype == np.float32
        assert np.isfinite(record["features"]).all()
        assert record["bbox"].shape == (4, 4) and record["num_boxes"] == 4
        assert record["image_width"] == record["image_height"] == 64
    assert "MINIATURE" in (folder / "README.txt").read_text()


@each_set
def test_the_features_are_the_picture_encoders_of_the_pictures_that_are_there(name, folder):
    layout = DATA_SETS[name].layout
    store = lmdb.open(str(folder / "datasets" / layout.features), readonly=True, lock=False)
    rows = annotations(folder, name, "dev")[:4]
    pictures = [folder / "datasets" / PICTURE[name](row) for row in rows]
    computed = region_features(folder / "encoders/resnet18.pt", pictures)
    with store.begin() as transaction:
        for picture, expected in zip(pictures, computed, strict=True):
            record = pickle.loads(transaction.get(picture.stem.encode()))
            np.testing.assert_allclose(record["features"], expected, rtol=1e-3, atol=1e-4)
    store.close()


@each_set
def test_the_encoders_load(name, folder):
    import torch
    from torchvision import models
    from transformers import AutoTokenizer, BertForPreTraining

    encoders = folder / "encoders"
    tokenizer = AutoTokenizer.from_pretrained(encoders / "bert")
    for row in annotations(folder, name, "train"):
        assert tokenizer.unk_token_id not in tokenizer(text_of(row, name))["input_ids"]
    assert BertForPreTraining.from_pretrained(encoders / "bert").config.hidden_size == 96
    weights = torch.load(encoders / "resnet18.pt", weights_only=True)
    outputs = len(weights["fc.bias"])
    models.resnet18(num_classes=outputs).load_state_dict(weights)


@each_set
def test_every_part_bears_the_mark_of_its_data_set(name, folder):
    layout = DATA_SETS[name].layout
    files = [
        *(file for files in layout.annotations.values() for file in files),
        *(layout.picture, layout.features, *layout.words, *layout.picture_lists.values()),
    ]
    for data_set, variation, part in {Path(file).parts[:3] for file in files}:
        assert variation == "defaults" and part in ("annotations", "extras", "features", "images")
        whole = folder / "datasets" / data_set / variation
        for marked in (whole, whole / part):
            mark = json.loads((marked / ".built.json").read_text())
            assert mark == {"version": zoo_entry(data_set).version}


@pytest.mark.slow
@each_set
def test_same_seed_same_bytes(name, folder, tmp_path):
    assert make(name, "tiny", tmp_path / "again", seed=0)
    assert contents(tmp_path / "again") == contents(folder)


@pytest.mark.slow
def test_a_set_is_the_same_with_the_picture_encoder_of_a_set_beside_it(memes, entailment, tmp_path):
    shutil.copytree(memes, tmp_path / "memes")
    assert make("visual_entailment", "tiny", tmp_path / "new", seed=0)
    assert contents(tmp_path / "new") == contents(entailment)


@pytest.mark.parametrize(
    ("damage", "taken"),
    [
        (lambda set_: None, True),
        (lambda set_: (set_ / "encoders/resnet18.pt").write_bytes(b"PK"), False),
        (lambda set_: (set_ / "encoders/resnet18.pt").unlink(), False),
        (lambda set_: (set_ / "miniature.json").write_text('["no manifest"]'), False),
        (lambda set_: (set_ / "miniature.json").write_text('{"size": "tiny"}'), False),
    ],
    ids=["whole", "other weights", "no file", "no manifest", "half a manifest"],
)
def test_the_picture_encoder_of_a_set_beside_it_is_taken_over_if_it_is_whole(
    damage, taken, memes, tmp_path
):
    damage(shutil.copytree(memes, tmp_path / "memes"))
    wanted = {"size": "tiny", "seed": 0, "version": __version__}
    assert (module._encoder_beside(tmp_path / "new", wanted) is not None) == taken


def test_the_picture_encoder_of_another_seed_size_or_library_is_not_taken_over(memes, tmp_path):
    wanted = {"size": "tiny", "seed": 0, "version": __version__}
    beside = shutil.copytree(memes, tmp_path / "memes")
    assert module._encoder_beside(tmp_path / "new", wanted) is not None
    for other in ({"seed": 1}, {"size": "mini"}, {"version": "0.0.1"}):
        assert module._encoder_beside(tmp_path / "new", {**wanted, **other}) is None
    manifest = beside / "miniature.json"
    described = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**described, "libraries": {"torch": "1.0"}}))
    assert module._encoder_beside(tmp_path / "new", wanted) is None


@pytest.mark.slow
def test_a_full_disk_is_named_in_one_line_and_leaves_nothing(tmp_path):
    words = [sys.executable, "-m", "refnet_mmf.cli", "data", "make", "mmimdb", "--size", "tiny"]
    command = shlex.join([*words, "--out", str(tmp_path / "data")])
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 2000; exec {command}"], capture_output=True, text=True
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("refnet data make: ") and str(tmp_path) in last
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_set_that_is_there_is_kept_and_its_marks_renewed(entailment, tmp_path):
    folder = shutil.copytree(entailment, tmp_path / "copy")
    # MMF makes such a folder when it looks for parts that the zoo does not list.
    (folder / "datasets/visual_entailment/defaults/features").mkdir(exist_ok=True)
    before = contents(folder)
    for mark in folder.rglob(".built.json"):
        mark.write_text("{}")
    assert make("visual_entailment", "tiny", folder, seed=0) is False
    assert contents(folder) == before


def test_other_files_are_never_overwritten(memes, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CannotMake, match="holds other files"):
        make("hateful_memes", "tiny", tmp_path, seed=0)
    with pytest.raises(CannotMake, match="seed 0, not 1"):
        make("hateful_memes", "tiny", memes, seed=1)
    with pytest.raises(CannotMake, match="name hateful_memes, not mmimdb"):
        make("mmimdb", "tiny", memes, seed=0)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hatefulmemes"], "unknown data set 'hatefulmemes'; did you mean 'hateful_memes'"),
        (["mm_imdb"], "unknown data set 'mm_imdb'; did you mean 'mmimdb'"),
        (["mmimdb", "--size", "tinny"], "unknown size 'tinny'; did you mean 'tiny'"),
        (
            ["visual_entailment", "--seed", "-1"],
            "--seed: expected a number from 0 to 4294967295, got -1",
        ),
    ],
)
def test_a_bad_command_is_named_in_one_line(words, message, tmp_path):
    command = [sys.executable, "-m", "refnet_mmf.cli", "data", "make", *words]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
