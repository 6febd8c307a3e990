"""The miniature memes: neither half of a meme tells its label by itself."""

import pytest
from sklearn.metrics import roc_auc_score

from refnet_mmf.experiments.miniature.hateful_memes import GRAMMAR, TOPICS, draw_split


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
