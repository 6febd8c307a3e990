"""The page of settings is that of today's schemas."""

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml

from refnet_mmf.paths import PACKAGE

pytestmark = pytest.mark.mmf
PAGE = Path(__file__).parents[2] / "docs/settings.md"


def test_the_documentation_holds_the_settings_of_today():
    from refnet_mmf.plugin.settings_reference import as_markdown

    assert PAGE.read_text("utf-8") == as_markdown()


def test_every_key_has_a_meaning():
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    for row in rows:
        assert all(cell.strip() for cell in row.replace("\\|", "").split("|")[1:-1]), row


def test_every_block_of_ours_is_there():
    from refnet_mmf.plugin import settings_reference
    from refnet_mmf.plugin.settings import Block
    from refnet_mmf.plugin.tap_settings import TapBlock

    def below(kind):
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    shown = set(settings_reference.BLOCKS.values())
    assert below(Block) - {Block, TapBlock} <= shown


def test_what_the_trainer_reads_is_there_with_its_defaults():
    defaults = yaml.safe_load((PACKAGE / "configs/regime.yaml").read_text())
    page = PAGE.read_text("utf-8")
    for block in ("training", "checkpoint"):
        for key, value in defaults[block].items():
            if key != "trainer":
                (row,) = [line for line in page.splitlines() if f"| `{block}.{key}` |" in line]
                assert f"| `{json.dumps(value)}` |" in row


def test_the_schemas_know_the_names_that_the_core_knows():
    from refnet_mmf.core import decoder, label_pairs, normalization, poolers, refiner, taps
    from refnet_mmf.core.refiner_contrastive_loss import FORMS
    from refnet_mmf.plugin.models.unimodal_fusion import UnimodalFusionSettings
    from refnet_mmf.plugin.settings import MultiSimilaritySettings, RefinerSettings
    from refnet_mmf.plugin.tap_settings import TapBlock

    for block, key, known in (
        (RefinerSettings, "pooler", poolers.POOLERS),
        (RefinerSettings, "loss", refiner.LOSSES),
        (RefinerSettings, "form", FORMS),
        (RefinerSettings, "activation", decoder.ACTIVATIONS),
        (MultiSimilaritySettings, "match", label_pairs.MATCHES),
        (UnimodalFusionSettings, "normalization", normalization.NORMALIZATIONS),
        (TapBlock, "read", taps.READS),
    ):
        assert set(get_args(block.model_fields[key].annotation)) == set(known), key
