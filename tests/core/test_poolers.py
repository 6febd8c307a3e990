"""The five poolers of Table 5, and the release's reading of "k from last"."""

import re

import pytest
import torch

from refnet_mmf import pool_tokens
from refnet_mmf.core.poolers import POOLERS


def loop_of_the_definition(states, mask, pooler):
    """Pool with loops over samples and tokens, in float64."""

    def state(layer, b, t):
        return states[layer][b, t].double()

    token = {
        "average_last": lambda b, t: state(-1, b, t),
        "average_last_two": lambda b, t: (state(-1, b, t) + state(-2, b, t)) / 2,
        "average_sum_last": lambda b, t: state(-1, b, t),
        "average_sum_last_two": lambda b, t: state(-1, b, t) + state(-2, b, t),
        "average_concat": lambda b, t: torch.cat([state(-2, b, t), state(-1, b, t)]),
        "average_second_to_last": lambda b, t: state(-2, b, t),
    }[pooler]
    rows = []
    for b in range(len(mask)):
        kept = [token(b, t) for t in range(mask.shape[1]) if mask[b, t]]
        rows.append(sum(kept) / len(kept) if kept else torch.zeros_like(token(b, 0)))
    return torch.stack(rows)


@pytest.mark.parametrize("pooler", POOLERS)
def test_equals_the_loop_of_the_definition(pooler):
    torch.manual_seed(0)
    states = [torch.randn(4, 5, 3, dtype=torch.float64) for _ in range(3)]
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]])
    pooled = pool_tokens(states, mask, pooler)
    torch.testing.assert_close(
        pooled, loop_of_the_definition(states, mask, pooler), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("pooler", POOLERS)
def test_masked_positions_never_count_and_an_empty_mask_gives_zeros(pooler):
    states = [torch.randn(2, 3, 4).requires_grad_() for _ in range(2)]
    with torch.no_grad():
        for state in states:
            state[0, 1] = float("nan")
            state[1] = float("inf")
    mask = torch.tensor([[True, False, True], [False, False, False]])
    pooled = pool_tokens(states, mask, pooler)
    assert torch.isfinite(pooled).all()
    assert (pooled[1] == 0).all()
    pooled.sum().backward()
    for state in states:
        if state.grad is not None:
            assert torch.isfinite(state.grad).all()
            assert (state.grad[~mask] == 0).all()


def test_the_release_s_reading_of_sums_is_the_same_as_the_last_layer():
    states = [torch.randn(2, 3, 4) for _ in range(2)]
    assert torch.equal(pool_tokens(states, None, "average_sum_last"), pool_tokens(states))
    assert torch.equal(pool_tokens(states, None, "average_second_to_last"), pool_tokens(states[:1]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_averaged_in_full_precision(dtype):
    states = [torch.full((1, 4000, 2), 30.0, dtype=dtype)]
    pooled = pool_tokens(states, torch.ones(1, 4000))
    assert pooled.dtype == torch.float32
    assert (pooled == 30).all()


def test_no_tokens_give_zeros():
    assert (pool_tokens([torch.zeros(2, 0, 4)]) == 0).all()
    assert (pool_tokens([torch.zeros(2, 0, 4)], torch.zeros(2, 0)) == 0).all()


@pytest.mark.parametrize(
    ("states", "mask", "pooler", "message"),
    [
        (
            [(2, 3, 4)],
            None,
            "averagelast",
            "pool_tokens: pooler: unknown pooler 'averagelast'; did you mean 'average_last'? "
            f"(valid: {', '.join(sorted(POOLERS))})",
        ),
        (
            [(2, 3, 4)],
            None,
            "average_concat",
            "pool_tokens: pooler 'average_concat' reads the last 2 layers, got 1",
        ),
        (
            [(2, 3, 4)],
            (2, 4),
            "average_last",
            "pool_tokens: expected a mask of shape (2, 3) [B, T], got (2, 4)",
        ),
        (
            [(2, 3, 4), (2, 4, 4)],
            None,
            "average_concat",
            "pool_tokens: expected hidden states of one shape [B, T, D], got (2, 3, 4), (2, 4, 4)",
        ),
        (
            [(2, 3)],
            None,
            "average_last",
            "pool_tokens: expected hidden states of one shape [B, T, D], got (2, 3)",
        ),
    ],
)
def test_bad_inputs_are_named(states, mask, pooler, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pool_tokens(
            [torch.randn(shape) for shape in states],
            None if mask is None else torch.ones(mask),
            pooler,
        )
