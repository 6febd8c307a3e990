"""Numbers as JSON holds them: it has no nan and no infinity, so that they stand there as words."""

from __future__ import annotations

import math
from collections.abc import Mapping


def numbers_for_json(values: Mapping[str, float]) -> dict[str, float | str]:
    """Return numbers as they are, and what is not finite as the word that ``float`` reads."""
    return {name: v if math.isfinite(v) else str(v) for name, v in values.items()}
