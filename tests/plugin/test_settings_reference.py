"""The page of settings is that of today's schemas."""

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml

from refnet_mmf.experiments.experiment_names import NAMES as MODELS
from refnet_mmf.paths import CONFIGS, PACKAGE

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


NAMES_OF_FUSION = ("concat", "linear_sum", "gmu")
OF_ONE_MODEL = {"concat": {"num_layers": 1}}
"""What a model's YAML has otherwise than the schema, as the page says."""


def defaults_of(block):
    return {
        key: field.get_default(call_default_factory=True)
        for key, field in block.model_fields.items()
        if not field.is_required()
    }


@pytest.mark.parametrize("file", ["refnet/defaults", *(f"refnet_{m}" for m in MODELS)])
def test_a_model_s_yaml_has_every_key_of_the_refiner_with_its_default(file):
    from refnet_mmf.plugin.settings import RefinerSettings

    (section,) = yaml.safe_load((CONFIGS / f"models/{file}.yaml").read_text())[
        "model_config"
    ].values()
    weights = section["refiner"].pop("weights")
    assert set(weights.values()) <= {0.1}
    assert section["refiner"] == {
        key: value for key, value in defaults_of(RefinerSettings).items() if key != "weights"
    }


@pytest.mark.parametrize("model", NAMES_OF_FUSION)
def test_a_fusion_model_s_yaml_has_every_key_of_its_schema_with_its_default(model):
    from mmf.common.registry import registry

    from refnet_mmf.plugin import registered  # noqa: F401
    from refnet_mmf.plugin.models.unimodal_fusion import ClassifierSettings

    section = yaml.safe_load((CONFIGS / f"models/{model}.yaml").read_text())["model_config"][model]
    classifier = section.pop("classifier")
    assert classifier == defaults_of(ClassifierSettings) | OF_ONE_MODEL.get(model, {})
    expected = defaults_of(registry.get_model_class(model).settings_class)
    for key in ("classifier", "model", "zoo_requirements"):
        del expected[key]
    assert {k: v for k, v in section.items() if not k.endswith("_encoder")} == expected


def test_the_regime_s_yaml_has_every_key_with_its_default():
    from refnet_mmf.plugin.regime import LabelSettings, RegimeSettings

    block = yaml.safe_load((CONFIGS / "regime.yaml").read_text())["refnet"]
    assert block.pop("labels") == defaults_of(LabelSettings)
    assert block == {k: v for k, v in defaults_of(RegimeSettings).items() if k != "labels"}


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
