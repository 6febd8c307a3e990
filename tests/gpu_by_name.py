"""Tensors that are a GPU's by name and have no values: PyTorch's fake tensors."""

import pytest
import torch

TORCH = tuple(map(int, torch.__version__.split(".")[:2]))

no_driver_asked_for = pytest.mark.skipif(
    TORCH < (2, 6), reason="this torch asks for the driver even of a GPU that is only a name"
)
