"""Each place that has to know a data set knows the same ones."""

import pytest

from refnet_mmf.experiments.experiment_names import METRICS, TITLES
from refnet_mmf.experiments.miniature.make import DATA_SETS as MINIATURE
from refnet_mmf.experiments.mmf_zoo import FALLBACK
from refnet_mmf.experiments.real_data.convert import OPENERS
from refnet_mmf.experiments.real_data.description import part_of
from refnet_mmf.experiments.real_data.known import DATA_SETS as REAL
from refnet_mmf.paths import PROJECTS
from refnet_mmf.plugin.annotation_fields import FIELDS

EVERYWHERE = {
    "METRICS": METRICS,
    "TITLES": TITLES,
    "miniature": MINIATURE,
    "real": REAL,
    "projects": {path.name for path in PROJECTS.iterdir() if path.is_dir()},
}


@pytest.mark.parametrize("place", EVERYWHERE)
def test_every_place_knows_the_data_sets_whose_rows_are_checked(place):
    assert set(EVERYWHERE[place]) == set(FIELDS)


def test_the_zoo_has_every_part_of_every_data_set():
    for data_set in REAL.values():
        paths = [data_set.annotations, data_set.pictures, data_set.features]
        for part in map(part_of, filter(None, [*paths, data_set.class_file])):
            assert part.zoo in FALLBACK, part


def test_only_known_data_sets_are_converted():
    assert set(OPENERS) < set(REAL)


@pytest.mark.mmf
def test_the_checks_of_labels_and_of_classes_know_them():
    from refnet_mmf.plugin import registered  # noqa: F401
    from refnet_mmf.plugin.class_count import COUNTS
    from refnet_mmf.plugin.data_check import LABEL_CHECKS

    assert set(COUNTS) == set(LABEL_CHECKS) == set(FIELDS)


@pytest.mark.mmf
def test_mmf_has_room_for_as_many_genres_as_is_said():
    from mmf.datasets.processors.processors import VQAAnswerProcessor

    from refnet_mmf.plugin.annotation_fields import MOST_GENRES

    assert VQAAnswerProcessor.DEFAULT_NUM_ANSWERS == MOST_GENRES
