"""Multimodal models that keep their modalities: REFINER in PyTorch and as a plugin of MMF.

Importing this package needs torch alone. It registers the plugin with MMF as soon as MMF is
imported, before or after; `register` does it at any time.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

__version__ = (Path(__file__).parent / "version.txt").read_text().strip()

if __name__ != "refnet_mmf":
    # MMF imports a user_dir that is given as a relative path under that path's name
    # ("some.folder.refnet_mmf"). Two copies of one package would register everything twice.
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    sys.modules[__name__] = importlib.import_module("refnet_mmf")
else:
    from refnet_mmf.core.concat_fusion import ConcatFusion
    from refnet_mmf.core.gated_multimodal_unit import GatedMultimodalUnit
    from refnet_mmf.core.linear_sum import LinearSum
    from refnet_mmf.core.multi_similarity_loss import MultiSimilarityLoss, multi_similarity_loss
    from refnet_mmf.core.poolers import pool_tokens
    from refnet_mmf.core.refiner import Refiner, RefinerOutput
    from refnet_mmf.core.refiner_contrastive_loss import (
        RefinerContrastiveLoss,
        refiner_contrastive_loss,
    )
    from refnet_mmf.registration import register, register_once_mmf_is_imported

    register_once_mmf_is_imported()

    __all__ = [
        "ConcatFusion",
        "GatedMultimodalUnit",
        "LinearSum",
        "MultiSimilarityLoss",
        "Refiner",
        "RefinerContrastiveLoss",
        "RefinerOutput",
        "__version__",
        "multi_similarity_loss",
        "pool_tokens",
        "refiner_contrastive_loss",
        "register",
    ]
