"""Sentences: a seeded grammar whose rules are plain text with names of other rules in braces."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from refnet_mmf.experiments.miniature.randomness import pick

_NAME = re.compile(r"\{([^{}]+)\}")
_WORD = re.compile(r"\w+|[^\w\s]")


def words_of(sentence: str) -> list[str]:
    """Split a sentence as an uncased BERT does before word pieces: words and punctuation marks."""
    return _WORD.findall(sentence.lower())


class Grammar:
    """Rules that expand into sentences.

    Args:
        rules: for each rule its alternatives, each as likely as the others; ``{name}`` in one
            stands for an expansion of the rule of that name.

    Raises:
        KeyError: an alternative names a rule that is neither given nor a ``{placeholder}`` of
            ``placeholders``.
    """

    def __init__(
        self, rules: Mapping[str, Sequence[str]], placeholders: Sequence[str] = ()
    ) -> None:
        self.rules = {name: tuple(alternatives) for name, alternatives in rules.items()}
        used = {name for texts in self.rules.values() for t in texts for name in _NAME.findall(t)}
        missing = used - self.rules.keys() - set(placeholders)
        if missing:
            raise KeyError(f"no grammar rule named {', '.join(sorted(missing))}")

    def expand(self, rule: str, rng: np.random.Generator, **bound: str) -> str:
        """Return a random expansion of ``rule``; ``bound`` says which rule a placeholder means."""
        text = pick(rng, self.rules[bound.get(rule, rule)])
        return _NAME.sub(lambda name: self.expand(name[1], rng, **bound), text)

    def words(self) -> list[str]:
        """Return every word that a sentence can hold, sorted."""
        texts = (text for alternatives in self.rules.values() for text in alternatives)
        return sorted({word for text in texts for word in words_of(_NAME.sub(" ", text))})
