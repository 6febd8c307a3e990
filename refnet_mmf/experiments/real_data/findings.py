"""What a check finds: for each thing what is there, what should be, and whether that will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OK, NOTE, MISSING, WRONG = "ok", "note", "missing", "wrong"
ANNOTATIONS, PICTURES, FEATURES = "annotations", "pictures", "features"
INPUTS = (PICTURES, FEATURES)


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes:
        part: what it belongs to: annotations, pictures or features.
        what: the file, or what of it.
        found: what is there.
        expected: what should be.
        verdict: ``ok``; ``note``: differs, and does no harm; ``missing`` or ``wrong``: the part
            can't be used.
        detail: the whole story, if there is more to it.
    """

    part: str
    what: str
    found: str
    expected: str
    verdict: str = OK
    detail: str = ""


def is_fit(findings: Sequence[Finding], part: str) -> bool:
    """Whether a part is there and nothing of it is missing or wrong."""
    verdicts = [finding.verdict for finding in findings if finding.part == part]
    return bool(verdicts) and not {MISSING, WRONG} & set(verdicts)


def usable_inputs(findings: Sequence[Finding]) -> list[str]:
    """Return which of pictures and features a model can be trained on; none: on nothing."""
    if not is_fit(findings, ANNOTATIONS):
        return []
    return [part for part in INPUTS if is_fit(findings, part)]
