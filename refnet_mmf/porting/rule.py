"""A substitution as data, and the pure functions that apply it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Literal

Kind = Literal["port", "mend"]


class PortingError(ValueError):
    """What stops a port, in one line: the place, the value, and what to do."""


@dataclass(frozen=True)
class Rule:
    """One substitution in the sources of MMF.

    Attributes:
        files: The files to change, as paths from the root of the distribution.
        old: The text that is looked for.
        new: What stands there afterwards.
        count: How many times ``old`` stands in each of the files.
        why: The reason, for the list that the user reads.
        kind: ``port`` is needed to run on current libraries. ``mend`` corrects MMF as published:
            a false result, a hang, a crash, or a setting that is dropped without a word.
    """

    files: tuple[str, ...]
    old: str
    new: str
    count: int
    why: str
    kind: Kind = "port"


def apply_rule(rule: Rule, path: str, text: str) -> str:
    """Applies a rule to the text of one of its files.

    Args:
        rule: The rule.
        path: The file's path, for the error.
        text: What the file holds.

    Returns:
        The changed text.

    Raises:
        PortingError: The text looked for stands there another number of times than stated.
    """
    found = text.count(rule.old)
    if found != rule.count:
        raise PortingError(
            f"{path}: expected {rule.count} x {_shown(rule.old)}, found {found}: these are not "
            "the sources that the rules are written for; nothing was installed"
        )
    return text.replace(rule.old, rule.new)


def apply_rules(rules: Iterable[Rule], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Applies rules, in their order, to the files of a distribution.

    Args:
        rules: The rules.
        files: Contents by path from the root of the distribution.

    Returns:
        All files, those of the rules changed.

    Raises:
        PortingError: A file of a rule is absent, or a rule does not match as stated.
    """
    ported = dict(files)
    for rule in rules:
        for path in rule.files:
            if path not in ported:
                raise PortingError(
                    f"{path}: expected {rule.count} x {_shown(rule.old)}, but there is no such "
                    "file: these are not the sources that the rules are written for; nothing was "
                    "installed"
                )
            ported[path] = apply_rule(rule, path, ported[path].decode()).encode()
    return ported


def fingerprint(rules: Iterable[Rule]) -> str:
    """Names a table of rules: another table, another name.

    Args:
        rules: The rules.

    Returns:
        ``r`` and eight hexadecimal digits, fit for a part of a local version.
    """
    return "r" + hashlib.sha256(repr([astuple(rule) for rule in rules]).encode()).hexdigest()[:8]


def _shown(text: str) -> str:
    """The first line of a text, quoted."""
    first, *more = text.strip().splitlines()
    return repr(first + " ..." if more else first)
