"""``refnet``: REFINER on any MMF model, by a base and taps in YAML."""

import copy
import pickle

import pytest
import torch
from torch import nn

from refnet_mmf.paths import CONFIGS
from refnet_mmf.plugin import mmf_lines
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.refnet import OWN_MODULES
from refnet_mmf.plugin.train_loader import UNLABELLED
from tests.command_server import refnet
from tests.plugin.conftest import PROJECTS

pytestmark = pytest.mark.mmf

MEMES = PROJECTS / "hateful_memes" / "configs"
BASES = ["visual_bert", "concat_bert", "late_fusion"]
if mmf_lines.LINE == "main":
    BASES += ["lxmert", "mmf_transformer", "uniter"]
PREFIX = "train/hateful_memes/"


@pytest.fixture
def build_on(build):
    """Build refnet on a base, at the scale of the miniature memes."""

    def make(base, *options, recipe="refnet_mini", **keywords):
        return build(*options, recipe=MEMES / base / f"{recipe}.yaml", model="refnet", **keywords)

    return make


@pytest.fixture
def stock(build, tmp_path):
    """Build the base itself from the same YAML."""

    def make(base, **keywords):
        return build(recipe=MEMES / base / "refnet_mini.yaml", model=base, **keywords)

    return make


def own_parameters(model):
    return {n: p for n, p in model.named_parameters() if n.partition(".")[0] in OWN_MODULES}


def losses_of(output):
    return {key.removeprefix(PREFIX): value for key, value in output["losses"].items()}


@pytest.mark.parametrize("base", BASES)
def test_is_the_base_with_decoders(build_on, stock, samples, base):
    expected, ours = stock(base), build_on(base)
    new = set(ours.state_dict()) - set(expected.state_dict())
    assert new and all(key.startswith("refiner.decoders.") for key in new)
    for key, value in expected.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key
    torch.manual_seed(0)
    stock_losses = losses_of(expected.train()(samples()))
    torch.manual_seed(0)
    losses = losses_of(ours.train()(samples()))
    for key, loss in stock_losses.items():
        assert torch.equal(losses.pop(key), loss)
    assert set(losses) == {"refiner_text", "refiner_image"}
    sum(losses.values()).backward()
    assert all(p.grad.abs().sum() > 0 for p in own_parameters(ours).values())
    assert set(losses_of(copy.deepcopy(ours)(samples()))) > set(losses)


@pytest.mark.parametrize("base", BASES)
def test_poolers_of_two_layers_where_there_are_two(build_on, samples, base):
    """Encoders that give one vector have one layer, and say so."""
    options = ["model_config.refnet.refiner.pooler=average_concat"]
    if base in ("concat_bert", "late_fusion"):
        with pytest.raises(RefnetError, match=r"pooler: .* taps.targets.text names one; the"):
            build_on(base, *options)
    else:
        losses = losses_of(build_on(base, *options).train()(samples()))
        assert losses["refiner_text"].isfinite() and losses["refiner_image"].isfinite()


@pytest.mark.parametrize("base", BASES)
def test_in_eval_mode_it_is_the_base(build_on, stock, samples, base):
    expected, ours = stock(base).eval(), build_on(base).eval()
    assert not any(module._forward_hooks for module in ours.modules())
    outputs = []
    for model in (expected, ours):
        torch.manual_seed(0)
        with torch.profiler.profile() as profile:
            scores = model(samples())["scores"]
        counts = {e.key: e.count for e in profile.key_averages() if "aten" in e.key}
        outputs.append((scores, counts))
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert outputs[0][1] == outputs[1][1]


@pytest.mark.parametrize("base", BASES)
def test_the_optimizer_gets_every_parameter_once(build_on, base):
    from mmf.common.registry import registry
    from mmf.utils.build import build_optimizer

    model = build_on(base)
    optimizer = build_optimizer(model, registry.get("config"))
    in_groups = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(in_groups) == len(set(in_groups))
    assert set(in_groups) == {id(p) for p in model.parameters()}


def test_targets_of_visual_bert_are_its_own_tokens_by_modality(build_on, samples):
    model = build_on("visual_bert").eval()
    model.reader.follow(True)
    states = []
    model.model.bert.encoder.layer[-1].register_forward_hook(
        lambda module, args, output: states.append(output[0])
    )
    batch = samples()
    batch["image_info_0"]["max_features"][0] = 2
    lengths = batch["input_mask"].sum(dim=1)
    words = batch["input_ids"].shape[1]
    with model.reader.record():
        model(batch)
        text, _ = model.reader.target("text", "average_last")
        image, _ = model.reader.target("image", "average_last")
    for row in range(4):
        torch.testing.assert_close(text[row], states[0][row, : lengths[row]].mean(dim=0))
        regions = 2 if row == 0 else 4
        torch.testing.assert_close(image[row], states[0][row, words:][:regions].mean(dim=0))


def test_base_and_settings_of_the_base_come_from_the_command_line(build):
    """A stock experiment with nothing of the plugin in its YAML."""
    options = ["model_config.refnet.base=visual_bert", "model_config.visual_bert.freeze_base=True"]
    options += ["model_config.refnet.refiner.weights={'text': 0.3}"]
    model = build(*options, recipe=MEMES / "visual_bert" / "refnet_mini.yaml", model="refnet")
    assert model.refiner.weights == {"text": 0.3, "image": 0.1}
    assert not any(p.requires_grad for p in model.model.bert.parameters())


BY_HAND = """
includes: [{project}]
model_config:
  refnet:
    base: visual_bert
    taps:
      fused: {{module: model.bert.pooler}}
      targets:
        text:
          module: model.bert.encoder.layer.-1
          path: 0
          second_to_last: {{module: model.bert.encoder.layer.-2, path: 0}}
          keep: {{first: input_ids}}
          mask: sample.input_mask
        regions:
          module: model.bert.encoder.layer.-1
          path: 0
          second_to_last: {{module: model.bert.encoder.layer.-2, path: 0}}
          keep: {{after: [input_ids], length: image_feature_0}}
          mask: sample.image_info_0.max_features
    refiner: {{pooler: average_concat, weights: {{text: 0.2}}}}
"""


@pytest.fixture
def by_hand(build, tmp_path):
    """Build from taps of one's own, some text of which is replaced."""

    def make(*replacements):
        text = BY_HAND.format(project=MEMES / "visual_bert" / "refnet_mini.yaml")
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "by_hand.yaml"
        file.write_text(text)
        return build(recipe=file, model="refnet")

    return make


def test_taps_of_one_s_own_with_names_of_one_s_own(by_hand, samples):
    model = by_hand().train()
    assert model.refiner.target_dims == {"text": 192, "regions": 192}
    assert model.refiner.weights == {"text": 0.2, "regions": 0.1}
    output = model(samples())
    assert set(losses_of(output)) == {"cross_entropy", "refiner_text", "refiner_regions"}


def test_a_mask_of_counts_of_the_batch_is_a_mask(by_hand, samples):
    model = by_hand(("pooler: average_concat, ", "")).eval()
    model.reader.follow(True)
    batch, states = samples(), []
    batch["image_info_0"]["max_features"][0] = 2
    model.model.bert.encoder.layer[-1].register_forward_hook(
        lambda module, args, output: states.append(output[0])
    )
    with model.reader.record():
        model(batch)
        regions, _ = model.reader.target("regions", "average_last")
    words = batch["input_ids"].shape[1]
    torch.testing.assert_close(regions[0], states[0][0, words : words + 2].mean(dim=0))


FUSED = "fused: {module: model.bert.pooler}"
KEEP = "keep: {first: input_ids}"
MASK = "mask: sample.input_mask"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base: visual_bert", "base: visual_bart", "base: unknown model .*mean 'visual_bert'"),
        ("base: visual_bert", "base: refnet_mmbt", "base: unknown model 'refnet_mmbt'"),
        ("base: visual_bert", "base: null", "base: is missing; with worked taps: concat_bert, .*"),
        ("base: visual_bert", "base: pythia", "'pythia' has no defaults .* includes: .*pythia"),
        (
            "model.bert.pooler",
            "model.bert.poolr",
            r"taps.fused.module: no module 'model.bert.poolr'.*did you mean 'model.bert.pooler'.*"
            r"\(model.bert has: embeddings, encoder, pooler\)",
        ),
        ("layer.-2", "layer.-3", "text.second_to_last.module: no module .*layer has: 0, 1"),
        (FUSED, "fused: {modul: x}", "taps.fused: unknown key 'modul'; did you mean 'module'"),
        (FUSED, "fused: []", r"taps.fused: expected a tap, or a list of at least one"),
        (FUSED, "fused: {read: output}", "taps.fused.module: is missing .path of a module"),
        (FUSED, "fused: {module: model.dropout}", "taps.fused.dim: is missing, .*does not tell it"),
        ("    taps:", "    tapss:", "unknown key 'tapss'; did you mean 'taps'"),
        (KEEP, "keep: {first: a, last: b}", "text.keep: expected one of first, after_first, last"),
        (KEEP, "keep: {after: [a]}", "text.keep: expected one of first, after_first"),
        (KEEP, "keep: {skip_first: -1}", "text.keep.skip_first: expected whole number"),
        (MASK, "mask: input_mask", "text.mask: expected a tap or sample.<field>, got 'input_mask'"),
        (MASK, "mask: {module: nowhere}", "text.mask.module: no module 'nowhere'"),
        ("weights: {text: 0.2}", "weights: {txt: 1.0}", "unknown modality 'txt'; did you mean"),
    ],
)
def test_what_is_wrong_is_named_when_the_model_is_built(by_hand, old, new, message):
    with pytest.raises(RefnetError, match=message) as error:
        by_hand((old, new))
    assert "\n" not in str(error.value)


def test_each_part_of_the_fused_embedding_has_a_position_of_its_own(by_hand, samples):
    parts = [f"{{module: model.bert.encoder, path: 0, token: {token}}}" for token in (0, 3)]
    model = by_hand((FUSED, f"fused: [{', '.join(parts)}]")).train()
    states = {}
    model.model.bert.encoder.register_forward_hook(
        lambda module, args, output: states.update(last=output[0])
    )
    with model.reader.record():
        nn.Module.__call__(model, samples())
        fused = model.reader.fused()
    assert torch.equal(fused, torch.cat([states["last"][:, 0], states["last"][:, 3]], dim=1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            FUSED,
            "fused: {module: model.bert.pooler, dim: 97}",
            "tap taps.fused, .* found a width of 96, expected 97, as its dim",
        ),
        (
            KEEP,
            f"dim: 97\n          {KEEP}",
            "taps.targets.text, .* found a width of 192, expected 194, as its dim",
        ),
        (FUSED, "fused: {module: model.bert.encoder, path: 0, token: 99}", "token at position 99"),
        (
            KEEP,
            "keep: {first: input_idz}",
            r"tap taps.targets.text.keep, .*: nothing at 'input_idz' .*; did you mean 'input_ids'",
        ),
        (
            "sample.image_info_0.max_features",
            "sample.scores",
            r"tap taps.targets.regions.mask, .*: nothing at 'scores'",
        ),
    ],
)
def test_what_only_a_batch_shows_is_named_with_the_first_one(by_hand, samples, old, new, message):
    model = by_hand((old, new)).train()
    with pytest.raises(RefnetError, match=f"model_config.refnet: .*{message}"):
        model(samples())


def test_a_base_without_worked_taps_needs_taps(build, tmp_path):
    file = tmp_path / "bare.yaml"
    file.write_text(
        "includes: [configs/models/mmbt/pretrain.yaml, "
        f"{MEMES}/mmbt/model.yaml, {MEMES}/mmbt/mini.yaml]\n"
        "model_config: {refnet: {base: mmbt}}\n"
    )
    with pytest.raises(
        RefnetError, match="taps: is missing: where 'mmbt' has .* late_fusion.*model=refnet_mmbt"
    ):
        build(recipe=file, model="refnet")


@pytest.mark.skipif(mmf_lines.LINE == "main", reason="MMF main has these models")
@pytest.mark.parametrize("base", ["lxmert", "mmf_transformer", "uniter"])
def test_a_base_of_mmf_main_alone_is_said_to_be_one(build, base):
    with pytest.raises(RefnetError, match=f"base: '{base}' is a model of MMF main, not of this"):
        build(
            f"model_config.refnet.base={base}",
            recipe=MEMES / "visual_bert" / "refnet_mini.yaml",
            model="refnet",
        )


def test_a_model_is_pickled_and_saved_whole(build_on, samples, tmp_path):
    model = build_on("visual_bert").eval()
    for copied in (pickle.loads(pickle.dumps(model)), _saved_and_loaded(model, tmp_path / "m.pt")):
        assert type(copied) is type(model)
        torch.manual_seed(0)
        expected = model(samples())["scores"]
        torch.manual_seed(0)
        assert torch.equal(copied.eval()(samples())["scores"], expected)


def _saved_and_loaded(model, file):
    torch.save(model, file)
    return torch.load(file, weights_only=False)


def test_a_model_of_the_plugin_may_be_the_base(build, samples, tmp_path):
    file = tmp_path / "gmu.yaml"
    file.write_text(
        f"includes: [{CONFIGS}/models/gmu.yaml, {MEMES}/gmu/model.yaml, {MEMES}/gmu/mini.yaml]\n"
        "model_config:\n  refnet:\n    base: gmu\n    taps:\n"
        "      fused: {module: fusion}\n"
        "      targets:\n"
        "        image: {module: normalization.modalities.image, read: input, path: 0, dim: 512}\n"
        "        text: {module: normalization.modalities.text, read: input, path: 0, dim: 96}\n"
    )
    alone = tmp_path / "without_defaults.yaml"
    alone.write_text(file.read_text().replace(f"{CONFIGS}/models/gmu.yaml, ", ""))
    with pytest.raises(RefnetError, match=r"base: 'gmu' has no defaults .* includes: .*gmu.yaml"):
        build(recipe=alone, model="refnet")
    on_base = build(recipe=file, model="refnet").train()
    twin = build(recipe="refnet_mini", model="refnet_gmu").train()
    results = []
    for model in (on_base, twin):
        torch.manual_seed(0)
        results.append({key: loss.item() for key, loss in losses_of(model(samples())).items()})
    assert results[0] == results[1]


@pytest.mark.parametrize("spelled", ["item", "attribute"])
def test_a_base_that_reads_the_labels_can_t_have_samples_without(build_on, samples, spelled):
    model = build_on("visual_bert").train()
    stock = model.forward

    def forward(sample_list):
        _ = sample_list["targets"] if spelled == "item" else sample_list.targets
        return stock(sample_list)

    model.forward = forward
    batch = samples()
    batch[UNLABELLED] = samples(labels=False)
    with pytest.raises(
        RefnetError, match="visual_bert reads the labels in its forward pass.*labels.fraction"
    ):
        model(batch)


@pytest.mark.skipif(mmf_lines.LINE == "pypi", reason="a model of MMF main")
def test_losses_by_data_set_pass_the_check(memes, tmp_path):
    """UNITER's section has ``losses: {hateful_memes: cross_entropy}``."""
    done = refnet(
        *["run", f"config={MEMES}/uniter/refnet_mini.yaml", "model=refnet"],
        *["dataset=hateful_memes", f"env.data_dir={memes}", f"env.save_dir={tmp_path / 'run'}"],
        *["training.max_updates=1", "training.num_workers=0"],
    )
    assert done.code == 0, done.errors
    refused = refnet(
        *["run", f"config={MEMES}/uniter/refnet_mini.yaml", "model=refnet"],
        *["dataset=hateful_memes", f"env.data_dir={memes}", f"env.save_dir={tmp_path / 'other'}"],
        "model_config.uniter.losses.hateful_memes=cross_entropi",
    )
    assert "losses.hateful_memes.type: unknown loss 'cross_entropi'" in refused.errors
