"""Which PyTorch can run a test on fake tensors that are a GPU's by name."""

import pytest
import torch

no_driver_asked_for = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6),
    reason="this torch asks for the driver even of a GPU that is only a name",
)
