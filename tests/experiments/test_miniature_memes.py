"""The miniature memes: same seed, same bytes; neither half of a meme tells its label by itself."""

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from refnet_mmf.experiments.miniature.hateful_memes import GRAMMAR, TOPICS, corpus, draw_split
from refnet_mmf.experiments.miniature.make import SIZES, CannotMake, make
from refnet_mmf.experiments.miniature.sentences import words_of


def annotations(folder: Path, split: str) -> list[dict]:
    file = folder / "datasets/hateful_memes/defaults/annotations" / f"{split}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def words_for(claim: str) -> list[str]:
    return [text for kind in ("quality", "thing") for text in GRAMMAR.rules[f"{claim} {kind}"]]


def test_a_mocking_meme_shares_each_half_with_a_benign_one():
    groups = {}
    for meme in draw_split(0, "train", 600):
        groups.setdefault(meme.group, {})[meme.confounder] = meme
    assert len(groups) == 200
    for group in groups.values():
        mocking, other_picture, other_text = (group[name] for name in ("none", "image", "text"))
        assert (mocking.label, other_picture.label, other_text.label) == (1, 0, 0)
        assert mocking.text == other_picture.text != other_text.text
        assert mocking.scene == other_text.scene != other_picture.scene


def test_one_half_alone_tells_little():
    """The best score by what one half claims or shows has an AUROC of about 5/8."""
    memes = draw_split(0, "train", 6000)
    first = {claims[0]: claims for claims in TOPICS.values()}
    by_text = [
        any(word in meme.text for claim in first for word in words_for(claim)) for meme in memes
    ]
    labels = [meme.label for meme in memes]
    assert roc_auc_score(labels, by_text) == pytest.approx(5 / 8, abs=0.02)


def test_every_block_of_twelve_holds_both_labels():
    labels = [meme.label for meme in draw_split(3, "test", 300)]
    assert all(sum(labels[start : start + 12]) == 4 for start in range(0, len(labels), 12))


def test_a_seed_fixes_the_samples_and_another_changes_them():
    assert draw_split(0, "train", 60) == draw_split(0, "train", 60)
    assert draw_split(0, "train", 60) != draw_split(1, "train", 60)
    assert draw_split(0, "train", 60) != draw_split(0, "dev", 60)
    assert corpus(0, 50) == corpus(0, 50) != corpus(1, 50)


def test_the_vocabulary_holds_every_word():
    words = set(GRAMMAR.words())
    texts = [*corpus(0, 500), *(meme.text for meme in draw_split(0, "train", 420))]
    assert {word for text in texts for word in words_of(text)} <= words


def test_the_files_are_complete(memes):
    dataset = memes / "datasets/hateful_memes/defaults"
    size = SIZES["tiny"]
    rows = [row for split in ("train", "dev", "test") for row in annotations(memes, split)]
    assert len(rows) == size.train + size.dev + size.test
    assert len({row["id"] for row in rows}) == len(rows)
    store = lmdb.open(str(dataset / "features/detectron.lmdb"), readonly=True, lock=False)
    with store.begin() as transaction:
        keys = pickle.loads(transaction.get(b"keys"))
        for row in rows:
            assert (dataset / "images" / row["img"]).is_file()
            key = Path(row["img"]).stem.encode()
            assert key in keys
            record = pickle.loads(transaction.get(key))
            assert record["features"].shape == (4, 512)
            assert record["features"].dtype == np.float32
            assert np.isfinite(record["features"]).all()
    store.close()
    assert "MINIATURE" in (memes / "README.txt").read_text()


def test_the_encoders_load(memes):
    import torch
    from torchvision import models
    from transformers import AutoTokenizer, BertForPreTraining

    folder = memes / "encoders"
    tokenizer = AutoTokenizer.from_pretrained(folder / "bert")
    for row in annotations(memes, "train"):
        assert tokenizer.unk_token_id not in tokenizer(row["text"])["input_ids"]
    assert BertForPreTraining.from_pretrained(folder / "bert").config.hidden_size == 96
    weights = torch.load(folder / "resnet18.pt", weights_only=True)
    outputs = len(weights["fc.bias"])
    models.resnet18(num_classes=outputs).load_state_dict(weights)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fixture"),
    [("hateful_memes", "memes"), ("mmimdb", "movies"), ("visual_entailment", "entailment")],
)
def test_same_seed_same_bytes(request, tmp_path, name, fixture):
    assert make(name, "tiny", tmp_path / "again", seed=0)
    assert contents(tmp_path / "again") == contents(request.getfixturevalue(fixture))


def test_a_set_that_is_there_is_kept(memes):
    before = contents(memes)
    assert make("hateful_memes", "tiny", memes, seed=0) is False
    assert contents(memes) == before


def test_other_files_are_never_overwritten(memes, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CannotMake, match="holds other files"):
        make("hateful_memes", "tiny", tmp_path, seed=0)
    with pytest.raises(CannotMake, match="seed 0, not 1"):
        make("hateful_memes", "tiny", memes, seed=1)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hatefulmemes"], "unknown data set 'hatefulmemes'; did you mean 'hateful_memes'"),
        (["hateful_memes", "--size", "tinny"], "unknown size 'tinny'; did you mean 'tiny'"),
        (["hateful_memes", "--seed", "-1"], "--seed: expected at least 0, got -1"),
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
