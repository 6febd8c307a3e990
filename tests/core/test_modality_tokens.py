"""Which positions of a joint sequence are one modality's own."""

import re

import pytest
import torch
from torch import nn

from refnet_mmf import pool_tokens
from refnet_mmf.core.modality_tokens import Keep, ModalityTokens, read_target, token_mask
from refnet_mmf.core.taps import Tap, Taps


class Joint(nn.Module):
    """[start] image (3) [end] text (4), as MMBT joins them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Identity(), nn.Identity()
        self.text_mask, self.joint_mask = nn.Identity(), nn.Identity()

    def forward(self, states, text_mask, joint_mask):
        self.first(states)
        self.second(2 * states)
        self.text_mask(text_mask)
        self.joint_mask(joint_mask)


STATES = torch.arange(2 * 9 * 1.0).view(2, 9, 1)
TEXT_MASK = torch.tensor([[1, 1, 1, 0], [0, 0, 0, 0]])
JOINT_MASK = torch.cat([torch.ones(2, 5), TEXT_MASK], dim=1)


def read(tokens, pooler="average_last"):
    network = Joint()
    taps = Taps(network, tokens.taps)
    taps.attach()
    with taps.record():
        network(STATES, TEXT_MASK, JOINT_MASK)
        return read_target(taps, tokens, pooler)


TEXT = Tap("text_mask")
STATE_TAPS = (Tap("first"), Tap("second"))


@pytest.mark.parametrize(
    ("keep", "positions"),
    [
        (Keep("last", TEXT), [5, 6, 7, 8]),
        (Keep("before_last", TEXT), [0, 1, 2, 3, 4]),
        (Keep("before_last", TEXT, skip_first=1, skip_last=1), [1, 2, 3]),
        (Keep("first", TEXT), [0, 1, 2, 3]),
        (Keep("first", TEXT, skip_first=1), [1, 2, 3]),
        (Keep("after", TEXT, behind=(TEXT,)), [4, 5, 6, 7]),
        (Keep("after", TEXT, behind=(TEXT,), skip_first=1, skip_last=1), [5, 6]),
        (Keep("after", TEXT), [0, 1, 2, 3]),
        (Keep("after_first", TEXT), [4, 5, 6, 7, 8]),
        (None, list(range(9))),
    ],
)
@pytest.mark.parametrize("pooler", ["average_last", "average_last_two", "average_concat"])
def test_keeps_the_part_that_is_meant(keep, positions, pooler):
    target, present = read(ModalityTokens(STATE_TAPS, keep=keep), pooler)
    part = STATES[:, positions]
    assert torch.equal(target, pool_tokens([part, 2 * part], None, pooler))
    assert present is None


@pytest.mark.parametrize("mask", [Tap("text_mask"), Tap("joint_mask")])
def test_a_mask_of_the_part_or_of_the_whole_says_what_counts(mask):
    target, present = read(ModalityTokens(STATE_TAPS, mask=mask, keep=Keep("last", TEXT)))
    assert target[0].item() == 2 * STATES[0, 5:8].mean()
    assert target[1].item() == 0
    assert present.tolist() == [True, False]


class Given(nn.Module):
    """Calls one module with each of its arguments."""

    def __init__(self):
        super().__init__()
        self.states, self.mask = nn.Identity(), nn.Identity()

    def forward(self, states, mask):
        self.states(states)
        self.mask(mask)


def read_given(states, mask=None, keep=None, with_mask=True):
    network = Given()
    tokens = ModalityTokens((Tap("states"),), Tap("mask") if with_mask else None, keep)
    taps = Taps(network, tokens.taps)
    taps.attach()
    with taps.record():
        network(states, mask)
        return read_target(taps, tokens, "average_last")


@pytest.mark.parametrize("counts", [torch.tensor([3, 0]), torch.tensor([[3], [0]])])
def test_counts_of_tokens_are_a_mask(counts):
    target, present = read_given(STATES, counts)
    assert target[0].item() == STATES[0, :3].mean()
    assert target[1].item() == 0
    assert present.tolist() == [True, False]


def test_a_mask_of_counts_is_made_where_the_counts_are():
    counts = torch.zeros(2, dtype=torch.long, device="meta")
    assert token_mask(counts, 4).device.type == "meta"


def test_counts_are_those_of_the_part():
    target, _ = read_given(
        STATES, torch.tensor([[2], [1]]), Keep("before_last", Tap("mask"), (), 4)
    )
    assert target[0].item() == STATES[0, 4:6].mean()
    assert target[1].item() == STATES[1, 4]


def test_one_vector_a_sample_is_taken_as_it_is():
    vectors = STATES[:, :, 0]
    target, present = read_given(vectors, with_mask=False)
    assert torch.equal(target, vectors) and present is None


def test_a_network_that_runs_without_a_mask_has_all_tokens():
    target, present = read_given(STATES, None)
    assert torch.equal(target, STATES.mean(dim=1)) and present is None


@pytest.mark.parametrize(
    ("shape", "with_mask", "needed"),
    [
        ((2,), False, "[B, D] or [B, T, D], got (2,)"),
        ((2, 3, 4, 5), True, "[B, D] or [B, T, D], got (2, 3, 4, 5)"),
        ((2, 9), True, "[B, T, D], to keep or mask parts, got (2, 9)"),
    ],
)
def test_states_of_other_dimensions_are_named(shape, with_mask, needed):
    message = f"tap states (output): expected a tensor of shape {needed}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_given(torch.zeros(shape), torch.ones(2, 9), with_mask=with_mask)


@pytest.mark.parametrize("pooler", ["average_last", "average_last_two", "average_concat"])
def test_a_masked_part_is_pooled_as_asked_for(pooler):
    target, _ = read(ModalityTokens(STATE_TAPS, TEXT, Keep("last", TEXT)), pooler)
    part = STATES[:, 5:]
    assert torch.equal(target, pool_tokens([part, 2 * part], TEXT_MASK, pooler))


def test_a_part_has_no_offset_unless_one_is_given():
    assert Keep("after", TEXT).span(9, 4) == slice(0, 4)


def test_a_side_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="^Keep: side: unknown side 'left'"):
        Keep("left", Tap("a"))
