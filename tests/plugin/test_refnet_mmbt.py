"""refnet_mmbt: stock MMBT, whose pooled output must give back what it was made of."""

import copy

import pytest
import torch

from refnet_mmf.core.refiner import LOSSES
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.refnet import OWN_MODULES

pytestmark = pytest.mark.mmf
NO_DROPOUT = (
    "model_config.mmbt.text_encoder.params.hidden_dropout_prob=0.0",
    "model_config.mmbt.text_encoder.params.attention_probs_dropout_prob=0.0",
)


def own_parameters(model):
    return {n: p for n, p in model.named_parameters() if n.partition(".")[0] in OWN_MODULES}


def losses_of(output):
    return {key.split("/")[-1]: value for key, value in output["losses"].items()}


def test_keeps_the_stock_model_s_parameter_names(build):
    stock = build(recipe="stock", model="mmbt").state_dict()
    ours = build().state_dict()
    assert set(stock) <= set(ours)
    new = set(ours) - set(stock)
    assert new and all(name.startswith("refiner.decoders.") for name in new)


def test_with_the_same_seed_the_stock_part_is_the_stock_model_bit_for_bit(build):
    stock = build(recipe="stock", model="mmbt", seed=3)
    random_state = torch.get_rng_state()
    ours = build(seed=3)
    assert torch.equal(torch.get_rng_state(), random_state)
    for name, value in stock.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


def test_training_adds_a_loss_for_each_modality_and_leaves_the_stock_loss_alone(build, samples):
    stock, ours = build(recipe="stock", model="mmbt"), build()
    torch.manual_seed(0)
    stock_losses = losses_of(stock.train()(samples()))
    torch.manual_seed(0)
    output = ours.train()(samples())
    ours_losses = losses_of(output)
    assert torch.equal(ours_losses.pop("cross_entropy"), stock_losses["cross_entropy"])
    assert set(ours_losses) == {"refiner_text", "refiner_image"}
    for name, loss in ours_losses.items():
        assert loss.shape == (1,)
        unweighted = output["metrics"][f"train/hateful_memes/{name}_unweighted"]
        assert loss.item() == pytest.approx(0.1 * unweighted.item())


def test_targets_are_the_means_of_each_modality_s_own_tokens(build, samples):
    """MMF's own head pools with an inclusive end and takes the fused states of all positions."""
    model = build(*NO_DROPOUT).train()
    batch = samples()
    states, masks = [], []
    joint = model.model.bert.mmbt
    joint.transformer.encoder.layer[-1].register_forward_hook(
        lambda module, args, output: states.append(output[0])
    )
    joint.register_forward_hook(
        lambda module, args, kwargs, output: masks.append(kwargs["attention_mask"]),
        with_kwargs=True,
    )
    with model.reader.record():
        model.forward(batch)
        targets = {name: model.reader.target(name, "average_last")[0] for name in ("text", "image")}
    (last,), (mask,) = states, masks
    for row in range(4):
        tokens = last[row, last.shape[1] - mask.shape[1] :]
        text = torch.stack([token for token, keep in zip(tokens, mask[row], strict=True) if keep])
        torch.testing.assert_close(targets["text"][row], text.mean(dim=0))
        image = last[row, 1 : 1 + batch["image_feature_0"].shape[1]]
        torch.testing.assert_close(targets["image"][row], image.mean(dim=0))


def test_padding_does_not_reach_the_text_target(build, samples):
    model = build(*NO_DROPOUT).train()
    batch, padded = samples(), samples()
    padded["input_ids"] = torch.where(padded["input_mask"] == 1, padded["input_ids"], 7)
    # The PyPI line reads the last text token, even a pad, as the image's end token.
    padded["input_ids"][:, -1] = batch["input_ids"][:, -1]
    read = []
    for sample_list in (batch, padded):
        with model.reader.record():
            model.forward(sample_list)
            read.append(model.reader.target("text", "average_last")[0])
    torch.testing.assert_close(*read)


@pytest.mark.parametrize("tokens", ["", "start", "end", "start end"])
def test_the_image_s_own_tokens_are_found_with_and_without_start_and_end(build, samples, tokens):
    options = [
        f"model_config.mmbt.use_modal_{place}_token={place in tokens.split()}"
        for place in ("start", "end")
    ]
    model = build(*NO_DROPOUT, *options).train()
    batch = samples(regions=3)
    with model.reader.record():
        model.forward(batch)
        target, _ = model.reader.target("image", "average_last")
        states = model.reader.taps.read_tensor(model.reader.where.modalities["image"].states[-1])
    first = 1 if "start" in tokens else 0
    torch.testing.assert_close(target, states[:, first : first + 3].mean(dim=1))


def test_the_fused_embedding_is_what_the_classifier_reads(build, samples):
    model = build(*NO_DROPOUT).train()
    read = []
    model.model.classifier.register_forward_pre_hook(lambda module, args: read.append(args[0]))
    with model.reader.record():
        model.forward(samples())
        assert torch.equal(model.reader.fused(), read[0])


def test_in_eval_mode_nothing_of_it_runs(build, samples):
    stock, ours = build(recipe="stock", model="mmbt"), build()
    ours.load_state_dict(stock.state_dict(), strict=False)
    stock.eval(), ours.eval()
    assert not any(module._forward_hooks for module in ours.modules())
    with torch.profiler.profile() as stock_profile:
        expected = stock(samples())
    with torch.profiler.profile() as our_profile:
        output = ours(samples())

    def operations(profile):
        return {event.key: event.count for event in profile.key_averages() if "aten" in event.key}

    assert operations(our_profile) == operations(stock_profile)
    assert torch.equal(output["scores"], expected["scores"])
    assert set(output) == set(expected)
    assert set(losses_of(output)) == {"cross_entropy"}
    assert any(module._forward_hooks for module in ours.train().modules())


def test_gradients_reach_the_fusion_but_not_through_the_targets(build, samples):
    """With targets that are constants the gradient of the refiner's losses is the same."""

    def gradients(model, constant_targets):
        model.zero_grad()
        with model.reader.record():
            model.forward(samples())
            targets = {
                name: model.reader.target(name, "average_last")[0] for name in ("text", "image")
            }
            if constant_targets:
                targets = {name: target.detach().clone() for name, target in targets.items()}
            model.refiner(model.reader.fused(), targets).total.backward()
        encoder = model.model.bert.mmbt.transformer.encoder
        return [p.grad.clone() for p in encoder.parameters()]

    model = build(*NO_DROPOUT).train()
    free = gradients(model, constant_targets=False)
    for first, second in zip(free, gradients(model, constant_targets=True), strict=True):
        assert torch.equal(first, second)
    assert sum(gradient.abs().sum() for gradient in free) > 0

    model = build(*NO_DROPOUT, "model_config.refnet_mmbt.refiner.stop_gradient=False").train()
    flowing, constant = gradients(model, False), gradients(model, True)
    assert any(not torch.equal(a, b) for a, b in zip(flowing, constant, strict=True))


def test_the_printed_form_of_eq_5_and_a_projection_are_settings(build):
    own = "model_config.refnet_mmbt"
    model = build(
        f"{own}.refiner.projection_dim=5",
        f"{own}.metric_loss={{'alpha': 50.0, 'beta': 2.0, 'epsilon': null, 'similarity': 'dot'}}",
    )
    assert model.refiner.projection.out_features == 5
    assert model.refiner.decoders["text"][0].in_features == 5
    loss = model.metric_loss
    assert (loss.alpha, loss.beta, loss.epsilon, loss.similarity) == (50, 2, None, "dot")


def test_the_optimizer_gets_every_parameter_once(build, configure):
    """MMF leaves new submodules out: on the PyPI line without a word."""
    from mmf.common.registry import registry
    from mmf.utils.build import build_optimizer

    model = build("model_config.mmbt.finetune_lr_multiplier=0.5")
    config = registry.get("config")
    optimizer = build_optimizer(model, config)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    in_groups = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(in_groups) == len(set(in_groups))
    assert set(in_groups) == {id(p) for p in model.parameters()}
    base = config.optimizer.params.lr
    assert all(rates[id(p)] == base for p in own_parameters(model).values())
    assert rates[id(model.model.bert.mmbt.transformer.pooler.dense.weight)] == 0.5 * base


def test_a_step_changes_every_decoder(build, samples):
    model = build().train()
    before = copy.deepcopy({name: p.data for name, p in own_parameters(model).items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sum(losses_of(model(samples())).values()).backward()
    optimizer.step()
    for name, parameter in own_parameters(model).items():
        assert not torch.equal(parameter, before[name]), name


@pytest.mark.parametrize(
    "options",
    [
        ["model_config.refnet_mmbt.refiner=null"],
        ["model_config.refnet_mmbt.refiner=None"],
        [f"model_config.refnet_mmbt.refiner.weights.{m}=0" for m in ("text", "image")],
        [
            "model_config.refnet_mmbt.refiner=null",
            "model_config.refnet_mmbt.metric_loss={'weight': 0}",
        ],
    ],
)
def test_without_a_refiner_it_is_the_stock_model(build, samples, options):
    from mmf.common.registry import registry
    from mmf.utils.build import build_optimizer

    stock = build(recipe="stock", model="mmbt")
    stock_groups = build_optimizer(stock, registry.get("config")).param_groups
    ours = build(*options)
    groups = build_optimizer(ours, registry.get("config")).param_groups
    assert list(ours.state_dict()) == list(stock.state_dict())
    assert [len(g["params"]) for g in groups] == [len(g["params"]) for g in stock_groups]
    assert ours.reader is None and not any(module._forward_hooks for module in ours.modules())
    torch.manual_seed(0)
    expected = stock.train()(samples())
    torch.manual_seed(0)
    output = ours.train()(samples())
    assert set(output) == set(expected)
    assert losses_of(output) == losses_of(expected)


def test_one_gamma_of_zero_leaves_that_decoder_out(build, samples):
    model = build("model_config.refnet_mmbt.refiner.weights.image=0")
    assert {name.split(".")[2] for name in own_parameters(model)} == {"text"}
    assert set(losses_of(model.train()(samples()))) == {"cross_entropy", "refiner_text"}


def test_metric_loss_of_the_fused_embedding(build, samples):
    from refnet_mmf import multi_similarity_loss

    model = build(*NO_DROPOUT, recipe="refnetms_mini").train()
    fused = []
    model.model.bert.mmbt.register_forward_hook(
        lambda module, args, output: fused.append(output[1])
    )
    batch = samples(size=8)
    losses = losses_of(model(batch))
    expected = 0.1 * multi_similarity_loss(fused[0], batch["targets"])
    assert losses["metric_loss"].item() == pytest.approx(expected.item(), abs=1e-7)
    assert set(losses) == {"cross_entropy", "refiner_text", "refiner_image", "metric_loss"}


def test_metric_loss_without_labels_is_a_zero_with_a_graph(build, samples):
    model = build(recipe="refnetms_mini").train()
    losses = losses_of(model(samples(labels=False)))
    assert losses["metric_loss"].item() == 0 and losses["metric_loss"].requires_grad
    sum(losses.values()).backward()


def test_metric_loss_of_pytorch_metric_learning(build, samples):
    options = "model_config.refnet_mmbt.metric_loss={'type': 'TripletMarginLoss', 'margin': 0.2}"
    losses = losses_of(build(options).train()(samples(size=8)))
    assert torch.isfinite(losses["metric_loss"]) and losses["metric_loss"].item() > 0


def test_metric_loss_of_pytorch_metric_learning_refuses_label_sets(build, samples):
    model = build("model_config.refnet_mmbt.metric_loss={'type': 'TripletMarginLoss'}").train()
    batch = samples()
    batch["targets"] = torch.ones(4, 2)
    model.losses.losses = type(model.losses.losses)()
    with pytest.raises(
        RefnetError, match="^model_config.refnet_mmbt.metric_loss.type: .* one class"
    ):
        model(batch)


def test_losses_of_pytorch_metric_learning_are_computed_in_full_precision():
    from refnet_mmf.plugin.metric_loss import build_metric_loss
    from refnet_mmf.plugin.settings import read_metric_loss

    loss = build_metric_loss(read_metric_loss({"type": "MultiSimilarityLoss"}, "x"), "x", 8)
    embeddings, classes = torch.randn(16, 8), torch.arange(16) % 3
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(embeddings, classes)
    assert torch.equal(half, loss(embeddings, classes))


def test_label_sets_that_the_losses_tell_of_are_refused_when_the_model_is_built(build):
    loss = "{'type': 'TripletMarginLoss', 'weight': 0.1}"
    with pytest.raises(
        RefnetError, match=r"one class a sample, got label sets \(losses: logit_bce"
    ):
        build(
            f"model_config.refnet_mmbt.metric_loss={loss}",
            "model_config.mmbt.losses=['logit_bce']",
        )


@pytest.mark.parametrize("pooler", ["average_last_two", "average_concat", "average_second_to_last"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_pooler_and_loss_trains(build, samples, pooler, loss):
    place = "model_config.refnet_mmbt.refiner"
    model = build(f"{place}.pooler={pooler}", f"{place}.loss={loss}").train()
    losses = losses_of(model(samples()))
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss).all() for loss in losses.values())
    assert all(p.grad.abs().sum() > 0 for p in own_parameters(model).values())
    width = 2 * 96 if pooler == "average_concat" else 96
    assert model.refiner.target_dims == {"text": width, "image": width}


def test_diagnostics_show_a_collapse(build, samples):
    model = build(*NO_DROPOUT).train()
    metrics = model(samples())["metrics"]
    prefix = "train/hateful_memes/refiner_image"
    assert metrics[f"{prefix}_target_variance"].item() > 0
    assert metrics[f"{prefix}_r2"].item() <= 1
    assert not any(value.requires_grad for value in metrics.values())
    alike = samples()
    for key in ("input_ids", "input_mask", "image_feature_0"):
        alike[key] = alike[key][:1].expand_as(alike[key]).clone()
    assert model(alike)["metrics"][f"{prefix}_target_variance"].item() < 1e-10


def test_a_built_model_can_be_copied(build, samples):
    model = build().train()
    model(samples())
    twin = copy.deepcopy(model)
    assert set(losses_of(twin(samples()))) == {"cross_entropy", "refiner_text", "refiner_image"}
    assert not model.reader.taps.calls


def test_a_stock_checkpoint_is_complete_for_it_and_a_cut_one_is_not(build):
    stock = build(recipe="stock", model="mmbt").state_dict()
    model = build()
    fresh = copy.deepcopy({name: p.data for name, p in own_parameters(model).items()})
    model.load_state_dict(stock, strict=True)
    for name, value in stock.items():
        assert torch.equal(model.state_dict()[name], value)
    for name, value in own_parameters(model).items():
        assert torch.equal(value, fresh[name])
    own = model.state_dict()
    own.pop("refiner.decoders.text.0.weight")
    with pytest.raises(RuntimeError, match=r"refiner\.decoders\.text\.0\.weight"):
        model.load_state_dict(own, strict=True)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "refiner.weights={'txt': 0.1}",
            "refiner.weights: unknown modality 'txt'; did you mean 'text'",
        ),
        ("refiner.weights.text=-0.1", "refiner.weights.text: expected number from 0, got -0.1"),
        (
            "refiner.pooler=average_lst",
            "refiner.pooler: unknown pooler 'average_lst'; did you mean 'average_last'",
        ),
        ("refiner.loss=cosin", "refiner.loss: unknown loss 'cosin'; did you mean 'cosine'"),
        (
            "refiner.stop_gradient=false",
            "refiner.stop_gradient: expected true or false, got 'false' .*write False",
        ),
        ("metric_loss={'alfa': 2}", "metric_loss: unknown key 'alfa'; did you mean 'alpha'"),
        (
            "metric_loss={'type': 'multisimilarity'}",
            "unknown metric loss 'multisimilarity'; did you mean 'multi_similarity'",
        ),
        ("metric_loss={'weight': -1}", "metric_loss.weight: expected number from 0, got -1"),
    ],
)
def test_a_bad_setting_ends_in_one_line_when_the_model_is_built(build, option, message):
    with pytest.raises(RefnetError, match=message) as error:
        build(f"model_config.refnet_mmbt.{option}")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("model_config.refnet_mmbt.")


def test_a_pooler_of_two_layers_needs_two_layers(build):
    one_layer = "model_config.mmbt.text_encoder.params.num_hidden_layers=1"
    assert build(one_layer).refiner is not None
    with pytest.raises(
        RefnetError, match="'average_concat' reads the last 2 layers, the text encoder has 1"
    ):
        build(one_layer, "model_config.refnet_mmbt.refiner.pooler=average_concat")


def test_metric_loss_needs_a_task_with_labels(build):
    with pytest.raises(RefnetError, match="'pretraining', which has no labels"):
        build("model_config.mmbt.training_head_type=pretraining", recipe="refnetms_mini")
