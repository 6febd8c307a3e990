"""Losses are computed in full precision, whatever the network runs in."""

from __future__ import annotations

import torch
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return ``tensor`` in float32 if it is in half precision or integer, else as it is."""
    if tensor.dtype in _HALF or not tensor.is_floating_point():
        return tensor.float()
    return tensor


def without_autocast(tensor: Tensor) -> torch.autocast:
    """Return the context in which autocast is off on the device of ``tensor``.

    The multi-similarity loss takes exp(50 * similarity): a similarity rounded to 8 bits is off
    by up to 20 % there.
    """
    return torch.autocast(device_type=tensor.device.type, enabled=False)
