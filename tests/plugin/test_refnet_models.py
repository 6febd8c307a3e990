"""Every ReFNet: the stock model, whose fused embedding must give back what it was made of."""

import copy

import pytest
import torch

from refnet_mmf.core.poolers import pool_tokens
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.refnet import OWN_MODULES

pytestmark = pytest.mark.mmf

TWINS = {
    "refnet_mmbt": "mmbt",
    "refnet_vilbert": "vilbert",
    "refnet_concat": "concat",
    "refnet_linear_sum": "linear_sum",
    "refnet_gmu": "gmu",
}
PREFIX = "train/hateful_memes/"


def own_parameters(model):
    return {n: p for n, p in model.named_parameters() if n.partition(".")[0] in OWN_MODULES}


def losses_of(output):
    return {key.removeprefix(PREFIX): value for key, value in output["losses"].items()}


@pytest.fixture(params=TWINS)
def name(request):
    return request.param


@pytest.fixture
def stock(build, name):
    return build(recipe="stock", model=TWINS[name])


def test_keeps_the_stock_model_s_names_and_its_weights_for_a_seed(build, stock, name):
    random_state = torch.get_rng_state()
    ours = build(recipe="refnet_mini", model=name)
    assert torch.equal(torch.get_rng_state(), random_state)
    new = set(ours.state_dict()) - set(stock.state_dict())
    assert new and all(key.startswith("refiner.decoders.") for key in new)
    for key, value in stock.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key


def test_training_adds_losses_and_leaves_the_stock_loss_alone(build, stock, name, samples):
    ours = build(recipe="refnetms_mini", model=name)
    torch.manual_seed(0)
    expected = losses_of(stock.train()(samples(size=8)))["cross_entropy"]
    torch.manual_seed(0)
    output = ours.train()(samples(size=8))
    losses = losses_of(output)
    assert torch.equal(losses.pop("cross_entropy"), expected)
    assert set(losses) == {"refiner_text", "refiner_image", "metric_loss"}
    for key, loss in losses.items():
        assert loss.shape == (1,)
        unweighted = output["metrics"][f"{PREFIX}{key}_unweighted"]
        assert loss.item() == pytest.approx(0.1 * unweighted.item())
    sum(output["losses"].values()).backward()
    assert all(p.grad.abs().sum() > 0 for p in own_parameters(ours).values())


def test_the_fused_embedding_is_what_the_classifier_gets(build, name, samples):
    """In eval mode there is no dropout between the two."""
    model = build(recipe="refnet_mini", model=name).eval()
    model.reader.follow(True)
    read = []
    classifier = model.classifier if hasattr(model, "classifier") else model.model.classifier
    classifier.register_forward_pre_hook(lambda module, args: read.append(args[0]))
    with model.reader.record():
        model.forward(samples())
        assert torch.equal(model.reader.fused(), read[0])
    assert read[0].shape[1] == model.refiner.fused_dim


def test_the_targets_of_encoders_are_their_outputs(build, samples):
    model = build(recipe="refnet_mini", model="refnet_gmu").eval()
    model.reader.follow(True)
    batch = samples()
    batch["image_info_0"]["max_features"][0] = 2
    with model.reader.record():
        model.forward(batch)
        text, _ = model.reader.target("text", "average_last")
        image, _ = model.reader.target("image", "average_last")
    assert torch.equal(text, model.encode_text(batch))
    assert torch.allclose(image[0], batch["image_feature_0"][0, :2].mean(dim=0))
    assert torch.allclose(image[1], batch["image_feature_0"][1].mean(dim=0))


def test_regions_that_are_only_padding_do_not_count_where_the_batch_does_not_say(build, samples):
    model = build(recipe="refnet_mini", model="refnet_gmu").eval()
    batch = samples()
    del batch["image_info_0"]
    batch["image_feature_0"][0, 2:] = 0
    image = model.encode_image(batch)
    assert torch.allclose(image[0], batch["image_feature_0"][0, :2].mean(dim=0))
    assert torch.allclose(image[1], batch["image_feature_0"][1].mean(dim=0))


@pytest.mark.parametrize("pooler", ["average_last", "average_concat"])
def test_the_targets_of_vilbert_are_the_tokens_of_its_streams(build, samples, pooler):
    model = build(recipe="refnet_mini", model="refnet_vilbert").eval()
    model.reader.follow(True)
    encoder, seen = model.model.bert.encoder, {}
    for key, layer in (("text", encoder.layer[-1]), ("image", encoder.v_layer[-1])):
        layer.register_forward_hook(
            lambda module, args, output, key=key: seen.update({key: (args[0], output[0])})
        )
    batch = samples()
    batch["image_info_0"]["max_features"][0] = 2
    mask = {"text": batch["input_mask"].clone(), "image": torch.ones(4, 4)}
    mask["image"][0, 2:] = 0
    with model.reader.record():
        model.forward(batch)
        for key, states in seen.items():
            target, present = model.reader.target(key, pooler)
            torch.testing.assert_close(target, pool_tokens(states, mask[key], pooler))
            assert present.all()


def test_in_eval_mode_it_is_the_stock_model(build, stock, name, samples):
    ours = build(recipe="refnetms_mini", model=name)
    ours.load_state_dict(stock.state_dict(), strict=False)
    stock.eval(), ours.eval()
    assert not any(module._forward_hooks for module in ours.modules())
    profiles = []
    for model in (stock, ours):
        with torch.profiler.profile() as profile:
            output = model(samples())
        counts = {e.key: e.count for e in profile.key_averages() if "aten" in e.key}
        profiles.append((counts, output))
    (expected_counts, expected), (counts, output) = profiles
    assert counts == expected_counts
    assert torch.equal(output["scores"], expected["scores"])
    assert set(output) == set(expected) and set(losses_of(output)) == set(losses_of(expected))


def test_without_a_refiner_it_is_the_stock_model(build, name, samples):
    from mmf.common.registry import registry
    from mmf.utils.build import build_optimizer

    built = []
    for recipe, model in (("stock", TWINS[name]), ("baseline_mini", name)):
        network = build(recipe=recipe, model=model)
        groups = build_optimizer(network, registry.get("config")).param_groups
        torch.manual_seed(0)
        losses = losses_of(network.train()(samples()))
        built.append((list(network.state_dict()), [len(g["params"]) for g in groups], losses))
    assert built[0] == built[1]


def test_the_optimizer_gets_every_parameter_once(build, name):
    from mmf.common.registry import registry
    from mmf.utils.build import build_optimizer

    multiplier = f"model_config.{TWINS[name]}.finetune_lr_multiplier=0.5"
    model = build(multiplier, recipe="refnet_mini", model=name)
    config = registry.get("config")
    optimizer = build_optimizer(model, config)
    in_groups = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(in_groups) == len(set(in_groups))
    assert set(in_groups) == {id(p) for p in model.parameters()}
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    base = config.optimizer.params.lr
    assert all(rates[id(p)] == base for p in own_parameters(model).values())
    assert set(rates.values()) == {base, 0.5 * base}


def test_a_step_changes_every_decoder_and_a_copy_works(build, name, samples):
    model = build(recipe="refnet_mini", model=name).train()
    before = copy.deepcopy({key: p.data for key, p in own_parameters(model).items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sum(losses_of(model(samples())).values()).backward()
    optimizer.step()
    assert all(not torch.equal(p, before[key]) for key, p in own_parameters(model).items())
    twin = copy.deepcopy(model)
    assert set(losses_of(twin(samples()))) == set(losses_of(model(samples())))


def test_the_head_of_pretraining_of_vilbert_fuses_nothing(build):
    with pytest.raises(
        RefnetError, match=r"^model_config.refnet_vilbert.training_head_type: 'pretraining' fuses"
    ):
        build(
            "model_config.vilbert.training_head_type=pretraining",
            recipe="refnet_mini",
            model="refnet_vilbert",
        )


@pytest.mark.parametrize("name", ["mmbt", "gmu"])
def test_a_batch_of_one_logs_the_same_keys(build, samples, name):
    """Several ranks add up what they log by its place: none may have another number of keys."""
    model = build(recipe="refnetms_mini", model=f"refnet_{name}").train()
    several, one = (model(samples(size=size)) for size in (4, 1))
    for part in ("losses", "metrics"):
        assert list(one[part]) == list(several[part])
    assert all(torch.isfinite(value).all() for value in one["metrics"].values())


def test_a_pretraining_model_that_is_loaded_for_inference_has_no_hooks(build, samples):
    model = build("refnet.stage=pretrain", recipe="refnet_mini", model="refnet_mmbt").eval()
    assert any(module._forward_hooks for module in model.modules())
    model.is_pretrained = True
    assert not any(module._forward_hooks for module in model.eval().modules())
