"""A search by Optuna, kept in a file: a process that is killed loses no trial that was finished.

A trial that was begun stays begun in the file; the next process goes on with it. What a trial
draws depends on the seed and on the trials before it alone, so that a search that was cut off
draws what it would have drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url

from refnet_mmf.core.messages import first_line
from refnet_mmf.experiments.grid.options import GridError
from refnet_mmf.experiments.tune.space import Setting, Space

NAME = "search"
IDENTITY, CHOSEN, VALUES = "identity", "chosen", "values of trial"


@dataclass(frozen=True)
class Trial:
    """A setting that is, or was, tried.

    Attributes:
        number: from 0.
        setting: the weights.
        values: of the validation split, one a run; none: it is not finished.
    """

    number: int
    setting: Setting
    values: Sequence[float] = ()

    @property
    def mean(self) -> float:
        """What it is judged by; NaN: it is not finished."""
        return math.fsum(self.values) / len(self.values) if self.values else math.nan


class Search:
    """The trials of one search.

    Args:
        path: the file; None: in memory alone.
        space: what is searched over.
        seed: of what is drawn.
        identity: what all trials have in common, by name.

    Raises:
        GridError: the file holds another search, is damaged, or has a name that it can't have.
    """

    def __init__(
        self, path: Path | None, space: Space, seed: int, identity: Mapping[str, Any]
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.path, self.space, self.seed = path, space, seed
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._study = optuna.create_study(
                storage=None if path is None else _url_of(path),
                study_name=NAME,
                direction="maximize",
                load_if_exists=True,
            )
            known: dict[str, Any] = self._study.user_attrs.get(IDENTITY) or {}
        except Exception as error:  # of SQLAlchemy, Alembic or Optuna
            raise GridError(f"{path}: cannot be read as a search: {first_line(error)}") from None
        mine = json.loads(json.dumps(identity))
        for key, value in mine.items() if known else ():
            if known.get(key) != value:
                raise GridError(
                    f"{path}: holds a search with other {key} ({known.get(key)}, now {value}); "
                    "remove it, or choose another --out"
                )
        if not known:
            self._study.set_user_attr(IDENTITY, mine)

    @property
    def trials(self) -> list[Trial]:
        """All trials that have a setting, in the order in which they were begun."""
        kept = self._study.user_attrs
        return [
            Trial(
                trial.number,
                self.space.setting(trial.params),
                kept.get(f"{VALUES} {trial.number}", ()) if trial.state.is_finished() else (),
            )
            for trial in self._study.get_trials(deepcopy=False)
            if self._is_whole(trial)
        ]

    @property
    def chosen(self) -> int | None:
        """Number of the trial that has been, or is being, evaluated on the test split."""
        number: int | None = self._study.user_attrs.get(CHOSEN)
        return number

    def begin(self) -> Trial:
        """Draw the setting of a new trial."""
        number = len(self.trials)
        self._study.sampler = TPESampler(seed=(1000 * self.seed + number) % 2**32)
        trial = self._study.ask(self._distributions)
        return Trial(trial.number, self.space.setting(trial.params))

    def finish(self, trial: Trial, values: Sequence[float]) -> None:
        """Keep what a trial has come to: the metric's value of each run.

        A mean that is no number (a run that diverged) is the worst, and never chosen.
        """
        self._study.set_user_attr(f"{VALUES} {trial.number}", list(values))
        mean = math.fsum(values) / len(values)
        self._study.tell(trial.number, 0.0 if math.isnan(mean) else mean)

    def choose(self) -> Trial:
        """Choose the best finished trial, the first of equals, once and for all.

        Raises:
            GridError: none is finished, or the one that was chosen is not.
        """
        finished = [trial for trial in self.trials if not math.isnan(trial.mean)]
        if not finished:
            raise GridError("no trial is finished: there is nothing to choose from")
        if self.chosen is None:
            best = max(finished, key=lambda trial: (trial.mean, -trial.number))
            self._study.set_user_attr(CHOSEN, best.number)
        for trial in finished:
            if trial.number == self.chosen:
                return trial
        raise GridError(
            f"{self.path}: damaged: it has chosen trial {self.chosen}, which is not finished; "
            "remove it, or choose another --out"
        )

    @property
    def _distributions(self) -> dict[str, BaseDistribution]:
        return {name: FloatDistribution(r.low, r.high) for name, r in self.space.ranges.items()}

    def _is_whole(self, trial: FrozenTrial) -> bool:
        """Tell whether a trial's setting is there: a process may be killed while it is drawn."""
        return trial.state in (TrialState.RUNNING, TrialState.COMPLETE) and set(
            trial.params
        ) == set(self.space.ranges)


def _url_of(path: Path) -> str:
    """Return what Optuna calls a file.

    Raises:
        ValueError: SQLAlchemy before 2.1 would take a part of its name for something else.
    """
    url = URL.create("sqlite", database=str(path)).render_as_string()
    if make_url(url).database != str(path):
        raise ValueError("its name can't hold '?' here")
    return url
