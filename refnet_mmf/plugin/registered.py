"""Importing this module registers everything of the plugin with MMF."""

from __future__ import annotations

from refnet_mmf.plugin import losses, metrics, mmf_lines, trainer
from refnet_mmf.plugin.image_encoder import NAME, TorchvisionImageEncoder
from refnet_mmf.plugin.models import (
    any_model,
    mmbt,
    refnet_unimodal_fusion,
    unimodal_fusion,
    vilbert,
)
from refnet_mmf.plugin.uncaught_errors import print_refnet_errors_in_one_line

__all__ = [
    "any_model",
    "losses",
    "metrics",
    "mmbt",
    "refnet_unimodal_fusion",
    "trainer",
    "unimodal_fusion",
    "vilbert",
]

mmf_lines.register_image_encoder(NAME, TorchvisionImageEncoder)
mmf_lines.register_picture_datasets()
mmf_lines.accept_box_processor()
print_refnet_errors_in_one_line()
