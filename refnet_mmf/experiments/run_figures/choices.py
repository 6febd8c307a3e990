"""What a figure on runs can be asked for: data sets, models, numbers, options of the runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from refnet_mmf.core.messages import check_name, check_number
from refnet_mmf.experiments.experiment_names import METRICS, NAMES
from refnet_mmf.experiments.grid.options import GridError, add_grid_arguments

DATA_SETS = tuple(METRICS)


@dataclass(frozen=True)
class Defaults:
    """What a figure shows unless told otherwise.

    Attributes:
        data_sets: MMF's keys.
        models: folders of ``projects/<data set>/configs``.
    """

    data_sets: tuple[str, ...]
    models: tuple[str, ...]


def add_choices(
    parser: argparse.ArgumentParser, defaults: Defaults, data_sets: Sequence[str] = DATA_SETS
) -> None:
    """Add the options of a grid, of the data sets, of the models, and of the runs."""
    add_grid_arguments(parser)
    several = " (several: A,B)" if len(defaults.data_sets) > 1 else ""
    parser.add_argument(
        "--data-set",
        default=",".join(defaults.data_sets),
        metavar="NAME",
        help=f"{', '.join(data_sets)}{several}; default: {', '.join(defaults.data_sets)}",
    )
    several = " (several: A,B)" if len(defaults.models) > 1 else ""
    parser.add_argument(
        "--model",
        default=",".join(defaults.models),
        metavar="NAME",
        help=f"{', '.join(NAMES)}{several}; default: {', '.join(defaults.models)}",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="further options for every mmf_run; give them an --out of their own",
    )


def read_names(place: str, kind: str, text: str, valid: Iterable[str]) -> tuple[str, ...]:
    """Read names that are separated by commas.

    Raises:
        ValueError: one line for the first that is not known.
    """
    valid = list(valid)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        check_name(place, kind, name, valid)
    return tuple(dict.fromkeys(names))


def read_name(place: str, kind: str, text: str, valid: Iterable[str]) -> str:
    """Read one name.

    Raises:
        ValueError: it is not known.
    """
    check_name(place, kind, text, valid)
    return text


def read_numbers(place: str, text: str, *, above: float | None = None) -> tuple[float, ...]:
    """Read numbers that are separated by commas, each from 0; return each once, in order.

    They have six digits, as in the names of what is made with them.

    Args:
        place: the option.
        text: as typed.
        above: where they must be larger than that.

    Raises:
        ValueError: one line for the first that is wrong.
    """
    numbers = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            raise GridError(
                f"{place}: expected numbers separated by commas, as in 0,0.1,0.2, got {text!r}"
            ) from None
        if above is None:
            check_number(place, number, minimum=0)
        else:
            check_number(place, number, above=above)
        numbers.append(float(f"{number:g}"))
    return tuple(sorted(set(numbers)))


def read_percents(place: str, text: str) -> tuple[float, ...]:
    """Read percents that are separated by commas, each above 0 and at most 100.

    Raises:
        ValueError: one line for the first that is wrong.
    """
    percents = read_numbers(place, text, above=0)
    if percents[-1] > 100:
        raise GridError(f"{place}: expected at most 100, got {percents[-1]:g}")
    return percents
