"""A tiny BERT, pretrained on sentences alone, in a folder that transformers loads.

Masked words alone would teach it to forget the words that it is shown, and leave its pooled output
untrained. A large BERT keeps what it reads, and has learnt a task of whole sentences: so has this.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from refnet_mmf.experiments.miniature.randomness import repeatable_torch, stream
from refnet_mmf.experiments.miniature.sentences import words_of

if TYPE_CHECKING:
    from torch import Tensor

SPECIAL_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, CLS, SEP, MASK = 0, 2, 3, 4
HIDDEN_SIZE = 96
LAYERS = 2
HEADS = 4
MASKED = 0.15
"""Share of the words that are to be predicted."""
SHOWN_WEIGHT = 0.5
"""Weight of the loss of the words that are shown."""

Ids = npt.NDArray[np.int64]


def train_text_encoder(
    sentences: Sequence[str],
    words: Sequence[str],
    folder: Path,
    *,
    updates: int,
    seed: int,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    bar: int = 0,
) -> dict[str, float]:
    """Train a BERT on sentences and save it with its tokenizer.

    Args:
        sentences: what it learns from; one in eight is held out to measure it.
        words: its vocabulary, every word a piece of its own.
        folder: where ``config.json``, the weights and the tokenizer's files go.
        updates: optimizer steps.
        seed: same seed, same weights.
        batch_size: sentences a step.
        learning_rate: the peak of a warm-up and linear decay.
        bar: the line of the terminal, from 0, that the progress bar stands in.

    Returns:
        Of held-out sentences ``loss`` and ``accuracy`` on masked words, ``unigram_loss``, that of
        guessing by how often each word occurs, and ``sentence_words``, the share of a sentence's
        words that are among as many that the pooled output holds for the likeliest.
    """
    import torch
    from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

    vocabulary = [*SPECIAL_WORDS, *words]
    ids = _encode(sentences, vocabulary)
    held_out, learnt = ids[::8], np.delete(ids, np.s_[::8], axis=0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=HIDDEN_SIZE,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN_SIZE,
        max_position_embeddings=128,
    )
    rng = stream(seed, "masked words")
    with repeatable_torch(seed):
        model = BertForPreTraining(config).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            learning_rate,
            total_steps=updates + 1,
            pct_start=0.1,
            anneal_strategy="linear",
        )
        for _ in tqdm(range(updates), desc="text encoder", unit="update", position=bar):
            batch = learnt[rng.integers(len(learnt), size=batch_size)]
            seen = _read(model, batch, rng, len(vocabulary))
            loss = seen.masked_loss + SHOWN_WEIGHT * seen.shown_loss + seen.sentence_loss
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            seen = _read(model, held_out, rng, len(vocabulary))
    model.save_pretrained(folder)
    vocabulary_file = folder / "vocab.txt"
    vocabulary_file.write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    BertTokenizerFast(vocab_file=str(vocabulary_file), do_lower_case=True).save_pretrained(folder)
    return {
        "loss": round(float(seen.masked_loss), 4),
        "accuracy": round(float(seen.right.float().mean()), 4),
        "unigram_loss": round(_unigram_loss(learnt, held_out, len(vocabulary)), 4),
        "sentence_words": round(_recall(seen.of_sentences, seen.sentence, seen.said), 4),
    }


def _encode(sentences: Sequence[str], vocabulary: Sequence[str]) -> Ids:
    """Return the word numbers of sentences, [sentences, longest], padded."""
    number = {word: index for index, word in enumerate(vocabulary)}
    rows = [[CLS, *(number[word] for word in words_of(text)), SEP] for text in sentences]
    ids = np.full((len(rows), max(map(len, rows))), PAD, dtype=np.int64)
    for row, line in zip(ids, rows, strict=True):
        row[: len(line)] = line
    return ids


class _Reading(NamedTuple):
    """What a BERT makes of sentences.

    Attributes:
        masked_loss: cross-entropy of the words that were masked (Devlin et al. 2019).
        shown_loss: cross-entropy of those that were not.
        sentence_loss: cross-entropy of a sentence's words, each given the pooled output (as a
            paragraph's vector gives its words, Le & Mikolov 2014).
        right: which of the masked words are predicted.
        of_sentences: scores of the words by the pooled output, [sentences, vocabulary].
        sentence: of each word that is said, its sentence.
        said: the words.
    """

    masked_loss: Tensor
    shown_loss: Tensor
    sentence_loss: Tensor
    right: Tensor
    of_sentences: Tensor
    sentence: Tensor
    said: Tensor


def _read(model: Any, ids: Ids, rng: np.random.Generator, vocabulary_size: int) -> _Reading:
    """Mask some words, and predict them, the others, and each sentence's words."""
    import torch
    from torch.nn import functional as F

    ids = ids[:, : int((ids != PAD).sum(axis=1).max())]
    words = ids >= len(SPECIAL_WORDS)
    chosen = (rng.random(ids.shape) < MASKED) & words
    fate = rng.random(ids.shape)
    shown = np.where(chosen & (fate < 0.8), MASK, ids)
    other = rng.integers(len(SPECIAL_WORDS), vocabulary_size, ids.shape)
    shown = np.where(chosen & (fate > 0.9), other, shown)
    attention = torch.from_numpy((ids != PAD).astype(np.int64))
    states, pooled = model.bert(torch.from_numpy(shown), attention_mask=attention)[:2]
    masked = model.cls.predictions(states[torch.from_numpy(chosen)])
    others = model.cls.predictions(states[torch.from_numpy(words & ~chosen)])
    of_sentences = model.cls.predictions(pooled)
    targets = torch.from_numpy(ids[chosen])
    sentence = torch.from_numpy(words.nonzero()[0])
    said = torch.from_numpy(ids[words])
    return _Reading(
        masked_loss=F.cross_entropy(masked, targets),
        shown_loss=F.cross_entropy(others, torch.from_numpy(ids[words & ~chosen])),
        sentence_loss=F.nll_loss(of_sentences.log_softmax(dim=1)[sentence], said),
        right=masked.argmax(1) == targets,
        of_sentences=of_sentences,
        sentence=sentence,
        said=said,
    )


def _unigram_loss(learnt: Ids, held_out: Ids, vocabulary_size: int) -> float:
    """Return the loss of guessing each held-out word by how often it occurs."""
    first = len(SPECIAL_WORDS)
    counts = np.bincount(learnt[learnt >= first], minlength=vocabulary_size) + 1.0
    counts[:first] = 0
    share = counts / counts.sum()
    return float(-np.log(share[held_out[held_out >= first]]).mean())


def _recall(scores: Tensor, sentence: Tensor, said: Tensor) -> float:
    """Return the share of the sentences' words that are among as many of the highest scores.

    Args:
        scores: [sentences, vocabulary].
        sentence: of each word that is said, its sentence.
        said: the words.
    """
    import torch

    there = torch.zeros_like(scores)
    there[sentence, said] = 1
    rank = scores.argsort(dim=1, descending=True).argsort(dim=1)
    found = there * (rank < there.sum(dim=1, keepdim=True))
    return float(found.sum() / there.sum())
