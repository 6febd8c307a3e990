"""``multi_similarity`` and ``refiner`` in MMF's own list of losses."""

import textwrap
from pathlib import Path

import pytest
import torch

from refnet_mmf import multi_similarity_loss
from refnet_mmf.plugin.errors import RefnetError

pytestmark = pytest.mark.mmf
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def with_losses(build, tmp_path):
    """Build a model with a list of losses, and further keys of its section."""

    def make(losses, model="refnet_mmbt", section="", refiner="null"):
        from tests.plugin.conftest import PROJECT

        recipe = "refnet_mini" if model == "refnet_mmbt" else "baseline_mini"
        file = tmp_path / "experiment.yaml"
        own = f"    refiner: {refiner}\n" if model == "refnet_mmbt" else ""
        file.write_text(
            f"includes:\n- {PROJECT / recipe}.yaml\nmodel_config:\n  {model}:\n{own}"
            + textwrap.indent(section, "    ")
            + "    losses:\n"
            + textwrap.indent(textwrap.dedent(losses), "    ")
        )
        return build(recipe=str(file), model=model)

    return make


def losses_of(output):
    return {key.split("/")[-1]: value for key, value in output["losses"].items()}


def test_multi_similarity_on_the_output_of_a_stock_model(with_losses, samples):
    model = with_losses(
        """
        - type: cross_entropy
        - type: multi_similarity
          params:
            embedding: scores
            weight: 0.5
            epsilon: null
        """,
        model="mmbt",
    ).train()
    batch = samples(size=8)
    output = model(batch)
    expected = 0.5 * multi_similarity_loss(output["scores"], batch["targets"], epsilon=None)
    assert losses_of(output)["multi_similarity"].item() == pytest.approx(expected.item(), abs=1e-7)


def test_multi_similarity_may_be_the_only_loss_of_labelled_samples(mmf_run, tmp_path):
    from tests.plugin.conftest import PROJECT

    file = tmp_path / "experiment.yaml"
    file.write_text(
        f"includes: [{PROJECT / 'refnet_mini.yaml'}]\n"
        "model_config:\n  refnet_mmbt:\n    losses:\n"
        "    - {type: multi_similarity, params: {embedding: scores}}\n"
    )
    result = mmf_run(recipe=str(file))
    assert result.code == 0, result.output[-3000:]


def test_a_key_that_the_output_does_not_have_is_named(with_losses, samples):
    model = with_losses(
        "- type: multi_similarity\n  params: {embedding: score}\n", model="mmbt"
    ).train()
    with pytest.raises(
        RefnetError,
        match="embedding: unknown key of the model's output 'score'; did you mean 'scores'",
    ):
        model(samples())


def test_multi_similarity_of_the_fused_embedding_is_the_metric_loss(with_losses, build, samples):
    listed = with_losses(
        "- type: cross_entropy\n- type: multi_similarity\n  params: {weight: 0.2}\n"
    )
    block = build(
        "model_config.refnet_mmbt.refiner=null",
        "model_config.refnet_mmbt.metric_loss={'weight': 0.2}",
    )
    block.load_state_dict(listed.state_dict())
    torch.manual_seed(0)
    in_list = losses_of(listed.train()(samples(size=8)))
    torch.manual_seed(0)
    in_block = losses_of(block.train()(samples(size=8)))
    assert in_list["multi_similarity"].item() == in_block["metric_loss"].item() > 0


def test_refiner_in_the_list_is_the_refiner_block(with_losses, samples):
    model = with_losses("- type: cross_entropy\n- type: refiner\n  params: {loss: mse}\n").train()
    assert model.refiner.loss == "mse"
    assert set(losses_of(model(samples()))) == {"cross_entropy", "refiner_text", "refiner_image"}
    assert set(losses_of(model.eval()(samples()))) == {"cross_entropy"}


def test_the_same_loss_in_list_and_block_is_refused(with_losses):
    with pytest.raises(
        RefnetError, match="'refiner' stands in this list and in model_config.refnet_mmbt.refiner"
    ):
        with_losses("- type: cross_entropy\n- type: refiner\n", refiner="{loss: cosine}")
    with pytest.raises(
        RefnetError, match="'multi_similarity' stands in this list and in .*metric_loss"
    ):
        with_losses("- type: multi_similarity\n", section="metric_loss: {}\n")


def test_refiner_on_a_stock_model_is_refused(with_losses):
    with pytest.raises(RefnetError, match="ReFNet models only.*model=refnet | .*refnet_mmbt"):
        with_losses("- type: refiner\n", model="mmbt")


def test_an_unknown_loss_is_named(with_losses):
    with pytest.raises(
        RefnetError,
        match=r"losses\[0\].type: unknown loss 'crossentropy'; did you mean 'cross_entropy'",
    ):
        with_losses("- type: crossentropy\n")


def test_an_unknown_parameter_is_named(with_losses):
    with pytest.raises(RefnetError, match="unknown key 'alhpa'; did you mean 'alpha'"):
        with_losses(
            "- type: multi_similarity\n  params: {alhpa: 2, embedding: scores}\n", model="mmbt"
        )
    with pytest.raises(RefnetError, match="unknown key 'alhpa'; did you mean 'alpha'"):
        with_losses("- type: multi_similarity\n  params: {alhpa: 2}\n")


@pytest.mark.parametrize(
    ("part", "model", "losses"),
    [
        ("## The metric loss", "refnet_mmbt", {"cross_entropy", "metric_loss"}),
        ("In MMF's list of losses", "mmbt", {"cross_entropy", "multi_similarity"}),
        (
            "On a ReFNet",
            "refnet_mmbt",
            {"cross_entropy", "refiner_text", "refiner_image", "multi_similarity"},
        ),
    ],
)
def test_the_page_on_losses_says_what_works(build, samples, tmp_path, part, model, losses):
    from tests.plugin.conftest import PROJECT

    page = (REPOSITORY / "docs/losses.md").read_text()
    block = page[page.index(part) :].partition("```yaml\n")[2].partition("```")[0]
    recipe = "refnet_mini" if model == "refnet_mmbt" else "baseline_mini"
    file = tmp_path / "experiment.yaml"
    file.write_text(f"includes:\n- {PROJECT / recipe}.yaml\n{block}")
    built = build(recipe=str(file), model=model).train()
    assert losses <= set(losses_of(built(samples(size=8))))


def test_gamma_weighs_against_logit_bce_times_the_number_of_classes():
    """As docs/losses.md has it; ``cross_entropy`` is the mean itself."""
    from mmf.modules.losses import LogitBinaryCrossEntropy

    scores, targets = torch.zeros(4, 24), torch.zeros(4, 24)
    loss = LogitBinaryCrossEntropy()({"targets": targets}, {"scores": scores})
    assert float(loss) == pytest.approx(24 * torch.tensor(2.0).log().item())


def test_a_bad_setting_of_the_refiner_is_named_where_it_stands(with_losses):
    with pytest.raises(RefnetError, match=r"refnet_mmbt.losses\[1\].params: unknown key 'gamma'"):
        with_losses("- type: cross_entropy\n- type: refiner\n  params: {gamma: 1}\n")
    with pytest.raises(
        RefnetError, match=r"refnet_mmbt.losses\[1\].params.weights: unknown modality 'txt'"
    ):
        with_losses("- type: cross_entropy\n- type: refiner\n  params: {weights: {txt: 1}}\n")
