"""Any block of YAML is taken, or refused in one line that names its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnet_mmf.core.messages import unknown

pytestmark = pytest.mark.mmf
pytest.importorskip("mmf")

from refnet_mmf.plugin import settings_reference  # noqa: E402
from refnet_mmf.plugin.errors import RefnetError  # noqa: E402
from refnet_mmf.plugin.settings import read_block, read_metric_loss  # noqa: E402
from refnet_mmf.plugin.tap_settings import read_tap_settings  # noqa: E402

BLOCKS = sorted(set(settings_reference.BLOCKS.values()), key=lambda block: block.__name__)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=8), st.just("1e-5")
)
KEYS = st.one_of(st.text(max_size=8), st.integers(-2, 2), st.booleans())
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def blocks(draw, names):
    """A block with keys that it has and keys that it has not, and anything as values."""
    keys = st.sampled_from(sorted(names)) | KEYS
    return draw(st.dictionaries(keys, TREES, max_size=4) | TREES)


def refused_in_one_line(read, place):
    try:
        read()
    except RefnetError as error:
        assert "\n" not in str(error)
        assert str(error).startswith(place), error


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_block_is_taken_or_refused_in_one_line(block, data):
    values = data.draw(blocks(block.model_fields))
    refused_in_one_line(lambda: read_block(block, values, "the.place"), "the.place")


@settings(max_examples=300, deadline=None)
@given(blocks(["type", "weight", "alpha", "temperature", "gather_distributed"]))
def test_a_metric_loss_is_taken_or_refused_in_one_line(values):
    refused_in_one_line(lambda: read_metric_loss(values, "the.place"), "the.place")


@settings(max_examples=300, deadline=None)
@given(blocks(["fused", "targets"]))
def test_taps_are_taken_or_refused_in_one_line(values):
    refused_in_one_line(lambda: read_tap_settings(values, "the.place"), "the.place")


@settings(max_examples=300, deadline=None)
@given(SCALARS | KEYS, st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=5))
def test_an_unknown_name_is_one_line_whatever_it_is(name, known):
    line = unknown("the.place", "key", name, known)
    assert line.startswith("the.place: unknown key")
    assert "\n" not in line
