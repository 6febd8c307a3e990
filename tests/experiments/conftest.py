"""What tests of commands on finished runs share."""

import pytest

from refnet_mmf.experiments.report.collect import Place


@pytest.fixture
def place(tmp_path):
    """A folder of results, and one of data with nothing in it."""
    data = tmp_path / "data"
    data.mkdir()
    return Place(tmp_path / "results", "mini", data)
