"""The tiny BERT's pretraining: its losses, and what can be read from what it makes of sentences."""

import numpy as np
import pytest
import torch

from refnet_mmf.experiments.miniature import text_encoder
from refnet_mmf.experiments.miniature.hateful_memes import DATA_SET, GRAMMAR
from refnet_mmf.experiments.miniature.sentences import words_of

FIRST = len(text_encoder.SPECIAL_WORDS)
IDS = np.array([[2, 5, 6, 7, 3, 0, 0], [2, 8, 9, 5, 5, 6, 3]])
VOCABULARY = 12


@pytest.fixture
def network():
    from transformers import BertConfig, BertForPreTraining

    torch.manual_seed(0)
    sizes = dict.fromkeys(("hidden_size", "intermediate_size"), 16)
    config = BertConfig(vocab_size=VOCABULARY, num_hidden_layers=1, num_attention_heads=2, **sizes)
    return BertForPreTraining(config).eval()


def test_the_losses_are_those_of_masked_words_of_the_others_and_of_the_sentences(network):
    read = text_encoder._read(network, IDS, np.random.default_rng(3), VOCABULARY)
    rng = np.random.default_rng(3)
    chosen = (rng.random(IDS.shape) < text_encoder.MASKED) & (IDS >= FIRST)
    fate, other = rng.random(IDS.shape), rng.integers(FIRST, VOCABULARY, IDS.shape)
    shown, masked, others, sentences = IDS.copy(), [], [], []
    for row, place in zip(*chosen.nonzero(), strict=True):
        if fate[row, place] < 0.8:
            shown[row, place] = text_encoder.MASK
        elif fate[row, place] > 0.9:
            shown[row, place] = other[row, place]
    assert 0 < chosen.sum() < (IDS >= FIRST).sum() and (shown != IDS).any()
    for ids, seen, predicted in zip(IDS, shown, chosen, strict=True):
        length = int((ids != 0).sum())
        with torch.no_grad():
            made = network.bert(torch.tensor(seen[None, :length]))
            words = network.cls.predictions(made[0][0]).log_softmax(-1)
            whole = network.cls.predictions(made[1][0]).log_softmax(-1)
        for place in range(length):
            if ids[place] >= FIRST:
                (masked if predicted[place] else others).append(-words[place, ids[place]].item())
                sentences.append(-whole[ids[place]].item())
    assert read.masked_loss.item() == pytest.approx(np.mean(masked), abs=1e-5)
    assert read.shown_loss.item() == pytest.approx(np.mean(others), abs=1e-5)
    assert read.sentence_loss.item() == pytest.approx(np.mean(sentences), abs=1e-5)


def test_a_sentence_s_words_are_looked_for_among_as_many_likeliest():
    """Of {1, 2} the two likeliest are {1, 3}; of {0}, said twice, the likeliest is {0}."""
    scores = torch.tensor([[0.0, 9.0, 1.0, 5.0], [3.0, 1.0, 2.0, 0.0]])
    sentence, said = torch.tensor([0, 0, 1, 1]), torch.tensor([1, 2, 0, 0])
    assert text_encoder._recall(scores, sentence, said) == pytest.approx(2 / 3)


@pytest.mark.slow
def test_what_a_sentence_claims_can_be_read_from_its_words_and_from_the_pooled_output(tmp_path):
    """Without it a refiner would have nothing to give back, and a meme could not be told."""
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModel

    sentences = DATA_SET.corpus(0, 6000)
    learnt = text_encoder.train_text_encoder(
        sentences, DATA_SET.vocabulary, tmp_path, updates=500, seed=0
    )
    assert learnt["loss"] < learnt["unigram_loss"] / 2 and learnt["sentence_words"] > 0.4
    claims = [claim_of(sentence) for sentence in sentences]
    rows = [k for k, claim in enumerate(claims) if claim][:2000]
    ids = text_encoder._encode(
        [sentences[k] for k in rows], [*text_encoder.SPECIAL_WORDS, *DATA_SET.vocabulary]
    )
    network = AutoModel.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        there = torch.from_numpy(ids != 0)
        made = network(torch.from_numpy(ids), attention_mask=there.long())
        mean = (made[0] * there[:, :, None]).sum(1) / there.sum(1, keepdim=True)
    wanted, half = [claims[k] for k in rows], len(rows) // 2
    for points, least in ((mean, 0.8), (made[1], 0.5)):
        points = (points - points.mean(0)) / points.std(0)
        probe = LogisticRegression(max_iter=500).fit(points[:half], wanted[:half])
        assert probe.score(points[half:], wanted[half:]) > least


def claim_of(sentence):
    """What a meme's sentence says that the picture shows; None: nothing."""
    said = set(words_of(sentence))
    for claim in ("warm", "cold", "large", "small", "high", "low"):
        for kind in ("quality", "thing"):
            if said & set(GRAMMAR.rules[f"{claim} {kind}"]):
                return claim
    return None
