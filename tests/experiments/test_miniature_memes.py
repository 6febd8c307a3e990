"""The miniature memes: neither half of a meme tells its label by itself."""

import pytest
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from refnet_mmf.experiments.miniature.hateful_memes import GRAMMAR, TOPICS, WARM, draw_split


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


def claims_of(meme) -> dict[str, bool]:
    """What a meme's sentence claims, of all that sentences claim."""
    claims = [claim for pair in TOPICS.values() for claim in pair]
    text = f" {meme.text} "
    return {claim: any(f" {word} " in text for word in words_for(claim)) for claim in claims}


def shown_by(meme) -> dict[str, bool]:
    """What a meme's picture shows, of all that sentences claim."""
    shape = meme.scene.shapes[0]
    first = (shape.colour in WARM, shape.size == "large", shape.row == "top")
    pairs = zip(TOPICS.values(), first, strict=True)
    return {claim: is_first == (claim == pair[0]) for pair, is_first in pairs for claim in pair}


def test_one_half_alone_tells_little_and_both_tell_all():
    """The best score by what one half claims or shows has an AUROC of about 5/8, or less."""
    memes = draw_split(0, "train", 6000)
    labels = [meme.label for meme in memes]
    texts, pictures = ([half(meme) for meme in memes] for half in (claims_of, shown_by))
    by_text = [any(text[pair[0]] for pair in TOPICS.values()) for text in texts]
    assert roc_auc_score(labels, by_text) == pytest.approx(5 / 8, abs=0.02)
    tree = DecisionTreeClassifier(min_samples_leaf=50)
    features = [list(picture.values()) for picture in pictures]
    tree.fit(features[:3000], labels[:3000])
    by_picture = tree.predict_proba(features[3000:])[:, 1]
    assert 0.5 < roc_auc_score(labels[3000:], by_picture) < 5 / 8 + 0.02
    mocking = [
        any(text[claim] and not picture[claim] for claim in text)
        for text, picture in zip(texts, pictures, strict=True)
    ]
    assert mocking == [bool(label) for label in labels]


def test_every_block_of_twelve_holds_both_labels():
    labels = [meme.label for meme in draw_split(3, "test", 300)]
    assert all(sum(labels[start : start + 12]) == 4 for start in range(0, len(labels), 12))
