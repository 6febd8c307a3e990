"""Rows too short to have a direction stay as they are, in every type."""

import pytest
import torch

from refnet_mmf.core.similarity import unit_rows

SHORT = {torch.float64: 5e-7, torch.float32: 5e-7, torch.bfloat16: 5e-7, torch.float16: 5e-5}
LONG = {torch.float64: 2e-6, torch.float32: 2e-6, torch.bfloat16: 2e-6, torch.float16: 2e-4}


@pytest.mark.parametrize("dtype", SHORT)
def test_a_short_row_stays_and_its_gradient_is_finite_in_its_type(dtype):
    row = torch.tensor([[SHORT[dtype], 0]], dtype=dtype, requires_grad=True)
    scaled = unit_rows(row)
    assert torch.equal(scaled, row.to(scaled.dtype))
    scaled.sum().backward()
    assert row.grad.dtype == dtype and torch.equal(row.grad, torch.ones_like(row))


@pytest.mark.parametrize("dtype", LONG)
def test_a_longer_row_has_unit_length_and_a_gradient_that_is_finite_in_its_type(dtype):
    row = torch.tensor([[LONG[dtype], 0]], dtype=dtype, requires_grad=True)
    scaled = unit_rows(row)
    assert scaled.tolist() == [[pytest.approx(1), 0]]
    scaled[0, 1].backward()
    assert row.grad.isfinite().all() and row.grad[0, 1] > 1000
