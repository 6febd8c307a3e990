"""The ids of a split's samples, read from its annotation files by MMF's own data set."""

import pytest

from refnet_mmf.paths import PROJECTS
from refnet_mmf.plugin.dataset_rows import sample_ids
from tests.plugin import small_sets

pytestmark = pytest.mark.mmf


@pytest.fixture
def split(movies):
    """The training split of the tiny miniature movies, whose annotations have no ``id``."""
    from mmf.utils.build import build_dataset

    recipe = PROJECTS / "mmimdb/configs/gmu/baseline_mini.yaml"
    config = small_sets.configuration("mmimdb", movies, f"config={recipe}")
    return build_dataset("mmimdb", config.dataset_config.mmimdb, "train")


def test_a_sample_without_an_id_is_named_by_file_and_line(split):
    assert sample_ids(split) == [f"train.jsonl:{line}" for line in range(1, 73)]


def test_the_configuration_is_asked_once_a_file_not_once_a_sample(split, monkeypatch):
    """OmegaConf takes a millisecond for a path; the half million rows of SNLI-VE took minutes."""
    from mmf.datasets.mmf_dataset import MMFDataset

    asked = []
    stock = MMFDataset._get_path_based_on_index

    def watched(part, *arguments):
        asked.append(arguments)
        return stock(part, *arguments)

    monkeypatch.setattr(MMFDataset, "_get_path_based_on_index", watched)
    sample_ids(split)
    assert len(asked) == 1
