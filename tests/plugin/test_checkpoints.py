"""Checkpoints go from a stock model to its ReFNet and back, by files and by real commands."""

import shutil

import pytest
import torch
from omegaconf import OmegaConf

from refnet_mmf.plugin.errors import RefnetError
from tests.command_server import refnet
from tests.plugin.conftest import PROJECTS

pytestmark = pytest.mark.mmf

TWINS = ["mmbt", "vilbert", "concat", "linear_sum", "gmu"]
TEST = ("run_type=test", "checkpoint.resume_pretrained=False")
PREDICT = (*TEST, "evaluation.predict=True")
FRESH = "the refiner's decoders start fresh"


def predictions(run) -> str:
    assert run.code == 0, run.output[-3000:]
    return next(run.folder.rglob("*.csv")).read_text()


@pytest.fixture(scope="module")
def trained(memes, tmp_path_factory):
    """Runs of four updates, each made once: of a model, by a recipe."""
    from tests.plugin.conftest import run_mmf

    runs = {}

    def get(recipe, model):
        if (recipe, model) not in runs:
            folder = tmp_path_factory.mktemp(f"{recipe}_{model}")
            runs[recipe, model] = run_mmf(memes, folder, recipe=recipe, model=model)
            assert runs[recipe, model].code == 0, runs[recipe, model].output[-3000:]
        return runs[recipe, model]

    return get


@pytest.mark.parametrize("name", ["mmbt", pytest.param("gmu", marks=pytest.mark.slow)])
def test_an_exported_checkpoint_is_the_stock_model_s(mmf_run, trained, name, tmp_path):
    ours = trained("refnetms_mini", f"refnet_{name}").folder / "best.ckpt"
    file = tmp_path / "stock.pth"
    done = refnet("export", ours, "--out", file)
    assert done.code == 0, done.errors
    assert f"a checkpoint of {name}, without the 8 tensors that are not its own" in done.output
    exported = torch.load(file, weights_only=True)
    assert list(exported["config"]["model_config"]) == [name]
    assert "refiner" not in exported["config"]["model_config"][name]
    common = (*PREDICT, f"checkpoint.resume_file={file}")
    stock = mmf_run(*common, recipe="stock", model=name, name="stock")
    assert "Missing keys" not in stock.output and "Unexpected keys" not in stock.output
    own = mmf_run(*PREDICT, f"checkpoint.resume_file={ours}", model=f"refnet_{name}", name="own")
    assert predictions(stock) == predictions(own)


@pytest.mark.parametrize("name", TWINS)
def test_exported_weights_load_into_the_stock_model_strictly(build, tmp_path, name):
    from mmf.common.registry import registry
    from omegaconf import OmegaConf

    from refnet_mmf.plugin.export import as_stock

    ours = build(recipe="refnetms_mini", model=f"refnet_{name}")
    config = OmegaConf.to_container(registry.get("config"), resolve=True)
    stock_name, exported = as_stock(ours.state_dict(), config, tmp_path / "x.ckpt")
    assert stock_name == name
    stock = build(recipe="stock", model=name, seed=1)
    stock.load_state_dict(exported["model"], strict=True)


def test_export_of_refnet_on_a_base(build, tmp_path):
    from mmf.common.registry import registry
    from omegaconf import OmegaConf

    from refnet_mmf.plugin.export import as_stock

    recipe = PROJECTS / "hateful_memes/configs/visual_bert/refnet_mini.yaml"
    ours = build(recipe=recipe, model="refnet")
    config = OmegaConf.to_container(registry.get("config"), resolve=True)
    name, exported = as_stock(ours.state_dict(), config, tmp_path / "x.ckpt")
    assert name == "visual_bert"
    assert not {"base", "taps", "refiner"} & set(exported["config"]["model_config"][name])
    build(recipe=recipe, model=name, seed=1).load_state_dict(exported["model"], strict=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "absent.ckpt", "absent.ckpt: no such file or folder"),
        (lambda p: p, "expected one checkpoint in this folder, found none"),
        (lambda p: _written(p / "cut.ckpt", b"PK\x03\x04"), "cut.ckpt: damaged, or it holds"),
        (lambda p: _saved(p / "list.pt", [1]), "holds a list, not a checkpoint of MMF"),
        (lambda p: _saved(p / "bare.pth", {"w": torch.ones(1)}), "holds no configuration"),
        (
            lambda p: _saved(p / "stock.ckpt", {"model": {}, "config": {"model": "mmbt"}}),
            "a checkpoint of mmbt, which is no ReFNet model",
        ),
    ],
)
def test_what_can_t_be_exported_is_named(tmp_path, make, message):
    (tmp_path / "in").mkdir()
    done = refnet("export", make(tmp_path / "in"), "--out", tmp_path / "out.pth")
    assert done.code == 1
    # Importing MMF main lets torch say on stderr that there is no GPU.
    said = [line for line in done.errors.splitlines() if "cpp_extension" not in line]
    assert len(said) == 1 and message in said[0]
    assert not (tmp_path / "out.pth").exists()


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    out = _written(tmp_path / "mine.pth", b"mine")
    done = refnet("export", tmp_path, "--out", out)
    assert done.code == 1 and "is there already" in done.errors
    assert out.read_bytes() == b"mine"


def _written(path, content):
    path.write_bytes(content)
    return path


def _saved(path, content):
    torch.save(content, path)
    return path


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    file = tmp_path / "hostile.ckpt"
    torch.save({"model": {}, "config": Hostile()}, file)
    done = refnet("export", file, "--out", tmp_path / "out.pth")
    assert done.code == 1 and "MMF_TRUST_CHECKPOINTS=1" in done.errors
    assert not (tmp_path / "ran").exists()


def test_a_stock_training_checkpoint_says_which_option_it_needs(mmf_run, trained):
    stock = trained("stock", "mmbt").folder / "current.ckpt"
    start = f"checkpoint.resume_file={stock}"
    refused = mmf_run(start)
    assert refused.code != 0 and "Traceback" not in refused.output
    last = refused.output.strip().splitlines()[-1]
    assert "training checkpoint of mmbt" in last and "checkpoint.reset.all=True" in last
    started = mmf_run(start, "checkpoint.reset.all=True", name="started")
    assert started.code == 0, started.output[-3000:]
    assert started.output.count(FRESH) == 1
    assert "Missing keys" not in started.output
    assert started.progress[0].update == 1


def test_stock_weights_start_a_refnet(mmf_run, trained):
    """Those of the zoo are weights alone, as mmbt_final.pth is."""
    final = next(trained("stock", "mmbt").folder.rglob("mmbt_final.pth"))
    run = mmf_run(f"checkpoint.resume_file={final}", "training.max_updates=1")
    assert run.code == 0, run.output[-3000:]
    assert run.output.count(FRESH) == 1
    mapped = mmf_run(
        f"checkpoint.resume_file={final}",
        "checkpoint.resume_pretrained=True",
        "checkpoint.pretrained_state_mapping={'model.bert': 'model.bert'}",
        "training.max_updates=1",
        name="mapped",
    )
    assert mapped.code == 0, mapped.output[-3000:]
    assert FRESH in mapped.output


@pytest.mark.parametrize(
    "name", ["mmbt", *(pytest.param(name, marks=pytest.mark.slow) for name in TWINS[1:])]
)
def test_from_pretrained_reads_folder_file_and_stock_twin(trained, samples, name, tmp_path):
    import refnet_mmf

    refnet_mmf.register()
    from mmf.common.registry import registry

    model_class = registry.get_model_class(f"refnet_{name}")
    run = trained("refnetms_mini", f"refnet_{name}")
    best = torch.load(run.folder / "best.ckpt", weights_only=True)
    scores = []
    final = next(run.folder.rglob(f"refnet_{name}_final.pth"))
    for source in (run.folder, run.folder / "best.ckpt", str(final)):
        model = model_class.from_pretrained(source)
        assert not model.training and model.is_pretrained
        for key, value in best["model"].items():
            assert torch.equal(model.state_dict()[key], value), key
        with torch.no_grad():
            scores.append(model(samples())["scores"])
    assert torch.equal(scores[0], scores[1]) and torch.equal(scores[0], scores[2])
    stock = trained("stock", name).folder / "best.ckpt"
    twin = model_class.from_pretrained(stock)
    for key, value in torch.load(stock, weights_only=True)["model"].items():
        assert torch.equal(twin.state_dict()[key], value), key


def test_from_pretrained_of_any_model_finds_the_base_in_the_checkpoint(memes, tmp_path, samples):
    from refnet_mmf.plugin.models.any_model import RefNetOnAnyModel
    from tests.plugin.conftest import PROJECT, run_mmf

    recipe = PROJECT.parent / "visual_bert" / "refnet_mini.yaml"
    run = run_mmf(memes, tmp_path / "run", recipe=str(recipe), model="refnet")
    assert run.code == 0, run.output[-3000:]
    model = RefNetOnAnyModel.from_pretrained(run.folder)
    assert model.stock_name == "visual_bert"
    for key, value in run.model("best.ckpt").items():
        assert torch.equal(model.state_dict()[key], value), key
    with pytest.raises(RefnetError, match="no such file or folder"):
        RefNetOnAnyModel.from_pretrained(tmp_path / "none")


def test_from_pretrained_names_what_is_wrong(trained, tmp_path):
    import refnet_mmf

    refnet_mmf.register()
    from refnet_mmf.plugin.models.mmbt import RefNetMMBT

    with pytest.raises(RefnetError, match=r"visual_bert\.x: no such file .* starts with mmbt\. or"):
        RefNetMMBT.from_pretrained("visual_bert.x")
    other = trained("stock", "gmu").folder
    with pytest.raises(RefnetError, match="holds a checkpoint of .*gmu.*, not of refnet_mmbt or"):
        RefNetMMBT.from_pretrained(other)
    cut = tmp_path / "cut"
    cut.mkdir()
    shutil.copy(trained("stock", "mmbt").folder / "config.yaml", cut)
    weights = trained("stock", "mmbt").model()
    weights.pop("model.classifier.1.weight")
    torch.save(weights, cut / "mmbt.pth")
    with pytest.raises(RefnetError, match=r"mmbt.pth: .*Missing key.*model.classifier.1.weight"):
        RefNetMMBT.from_pretrained(cut)


def test_only_numbered_checkpoints_of_this_run_are_there_to_remove(tmp_path):
    """Those of later updates are of an earlier run in the folder."""
    from types import SimpleNamespace

    from refnet_mmf.plugin.training_checkpoint import TrainingCheckpoint

    names = [*(f"model_{update}.ckpt" for update in (2, 10, 4, 9000)), "model_keep.ckpt"]
    for name in names:
        (tmp_path / name).touch()
    config = OmegaConf.create({"checkpoint": {"max_to_keep": 2}})
    TrainingCheckpoint._remove_oldest(SimpleNamespace(config=config), tmp_path, 10)
    assert {path.name for path in tmp_path.iterdir()} == {*names} - {"model_2.ckpt"}
