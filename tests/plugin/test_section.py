"""The one-word swap: what stands in the stock section holds, unless the own section says other."""

import textwrap

import pytest

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.models.mmbt import RefNetMMBT
from refnet_mmf.plugin.section import complete_section

pytestmark = pytest.mark.mmf


@pytest.fixture
def section(configure, tmp_path):
    """Return the completed section of refnet_mmbt for a YAML and options."""

    def read(yaml="", *options):
        file = tmp_path / "experiment.yaml"
        includes = "includes:\n- configs/models/mmbt/classification.yaml\n"
        file.write_text(includes + textwrap.dedent(yaml))
        config = configure(*options, recipe=str(file))
        settings = config.model_config.refnet_mmbt
        RefNetMMBT.check_settings(settings)
        return settings

    return read


def test_a_stock_yaml_holds(section):
    settings = section(
        """
        model_config:
          mmbt:
            num_labels: 7
            finetune_lr_multiplier: 0.25
            text_encoder:
              params:
                num_hidden_layers: 3
                vocab_size: 99
            losses:
            - type: logit_bce
        """
    )
    assert settings.num_labels == 7
    assert settings.finetune_lr_multiplier == 0.25
    assert settings.text_encoder.params.num_hidden_layers == 3
    assert settings.text_encoder.params.vocab_size == 99
    assert settings.text_encoder.params.hidden_size == 768
    assert [loss.type for loss in settings.losses] == ["logit_bce"]
    assert settings.refiner.loss == "cosine"
    assert settings.metric_loss is None


def test_the_command_line_s_stock_options_hold(section):
    settings = section(
        "",
        "model_config.mmbt.num_labels=5",
        "model_config.mmbt.text_encoder.params.num_hidden_layers=2",
        "model_config.mmbt.losses[0].type=logit_bce",
    )
    assert settings.num_labels == 5
    assert settings.text_encoder.params.num_hidden_layers == 2
    assert settings.losses[0].type == "logit_bce"


def test_what_stands_in_the_own_section_wins_key_by_key(section):
    settings = section(
        """
        model_config:
          refnet_mmbt:
            num_labels: 3
            text_encoder:
              params:
                num_hidden_layers: 6
          mmbt:
            num_labels: 7
            text_encoder:
              params:
                num_hidden_layers: 3
                num_attention_heads: 4
        """,
        "model_config.mmbt.text_encoder.params.hidden_size=32",
        "model_config.refnet_mmbt.modal_hidden_size=16",
    )
    assert settings.num_labels == 3
    assert settings.modal_hidden_size == 16
    assert settings.text_encoder.params.num_hidden_layers == 6
    assert settings.text_encoder.params.num_attention_heads == 4
    assert settings.text_encoder.params.hidden_size == 32


@pytest.mark.parametrize("owner", ["mmbt", "refnet_mmbt"])
def test_the_name_of_the_bert_reaches_the_text_encoder_from_either_section(section, owner):
    yaml = f"""
        model_config:
          {owner}:
            bert_model_name: bert-large-uncased
        """
    settings = section(yaml)
    assert settings.bert_model_name == "bert-large-uncased"
    assert settings.text_encoder.params.bert_model_name == "bert-large-uncased"


def test_an_explicit_text_encoder_name_is_kept(section):
    settings = section("", "model_config.mmbt.text_encoder.params.bert_model_name=other")
    assert settings.bert_model_name == "bert-base-uncased"
    assert settings.text_encoder.params.bert_model_name == "other"


def test_the_command_line_can_replace_a_whole_block(section):
    """MMF walks through a block without setting it, and says nothing."""
    assert section("", "model_config.refnet_mmbt.refiner=null").refiner is None
    settings = section("", "model_config.refnet_mmbt.refiner={'loss': 'mse'}")
    assert dict(settings.refiner) == {"loss": "mse"}
    yaml = """
        model_config:
          refnet_mmbt:
            metric_loss:
              alpha: 3.0
        """
    assert section(yaml, "model_config.refnet_mmbt.metric_loss=None").metric_loss is None


def test_without_mmf_s_configuration_a_section_stays_as_it_is():
    from mmf.common.registry import registry
    from omegaconf import OmegaConf

    before = registry.get("config", no_warning=True)
    registry.register("config", None)
    try:
        section = OmegaConf.create({"num_labels": 2})
        complete_section(section, "refnet_mmbt", "mmbt", "configs/models/mmbt/pretrain.yaml")
        assert section == {"num_labels": 2}
    finally:
        registry.register("config", before)


@pytest.mark.parametrize("key", ["refinr", "refine", "metric_los", "metricloss"])
def test_a_misspelt_block_is_not_swallowed(section, key):
    yaml = f"""
        model_config:
          refnet_mmbt:
            {key}:
              weight: 0.2
        """
    with pytest.raises(RefnetError, match=f"unknown key '{key}'; did you mean"):
        section(yaml)


def test_a_block_in_the_stock_section_is_not_swallowed(section):
    yaml = """
        model_config:
          mmbt:
            refiner:
              loss: mse
        """
    with pytest.raises(
        RefnetError, match="model_config.mmbt.refiner: .* belongs in model_config.refnet_mmbt"
    ):
        section(yaml)


@pytest.mark.parametrize("null", ["None", "null", "~"])
def test_a_block_on_the_command_line_may_hold_a_null(section, null):
    block = f'{{"epsilon": {null}, "weight": 0.2}}'
    settings = section("", f"model_config.refnet_mmbt.metric_loss={block}")
    assert dict(settings.metric_loss) == {"epsilon": None, "weight": 0.2}
