"""What tests of commands on finished runs share."""

import pytest

from refnet_mmf.experiments.report.collect import Place
from refnet_mmf.paths import MANIFEST


@pytest.fixture
def place(tmp_path):
    """A folder of results, and one of miniature data with nothing in it."""
    data = tmp_path / "data"
    data.mkdir()
    (data / MANIFEST).write_text("{}")
    return Place(tmp_path / "results", "mini", data)
