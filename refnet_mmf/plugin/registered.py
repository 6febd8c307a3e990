"""Importing this module registers everything of the plugin with MMF."""

from __future__ import annotations

from refnet_mmf.plugin import losses, mmf_lines
from refnet_mmf.plugin.errors import print_refnet_errors_in_one_line
from refnet_mmf.plugin.image_encoder import NAME, TorchvisionImageEncoder
from refnet_mmf.plugin.models import mmbt

__all__ = ["losses", "mmbt"]

mmf_lines.register_image_encoder(NAME, TorchvisionImageEncoder)
print_refnet_errors_in_one_line()
