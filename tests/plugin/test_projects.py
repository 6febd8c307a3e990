"""Every YAML that comes with the package is a command that trains, evaluates, resumes, predicts."""

import json

import pytest
from mmf.utils.configuration import load_yaml

from refnet_mmf.experiments.miniature.make import SIZES
from refnet_mmf.plugin import mmf_lines
from tests.plugin.conftest import PROJECTS, run_mmf

pytestmark = pytest.mark.mmf

DATA = {"hateful_memes": "memes", "mmimdb": "movies", "visual_entailment": "entailment"}
MODELS = ("mmbt", "vilbert", "concat", "linear_sum", "gmu")
VARIANTS = ("baseline", "refnet", "refnetms")
CRITERIA = {
    "hateful_memes": "refnet_roc_auc",
    "mmimdb": "refnet_micro_f1",
    "visual_entailment": "refnet_accuracy",
}
ADDED = {
    "baseline": set(),
    "refnet": {"refiner_text", "refiner_image"},
    "refnetms": {"refiner_text", "refiner_image", "metric_loss"},
}
MAIN_ONLY = ("lxmert", "mmf_transformer", "uniter")
CELLS = [(d, m, v) for d in DATA for m in MODELS for v in VARIANTS]
OF_CELLS = {PROJECTS / d / "configs" / m / f"{v}_mini.yaml" for d, m, v in CELLS}
LEAVES = sorted(
    path
    for path in PROJECTS.rglob("*.yaml")
    if path.stem.partition("_")[0] in VARIANTS
    and path not in OF_CELLS
    and (mmf_lines.LINE == "main" or path.parent.name not in MAIN_ONLY)
)
TWO_UPDATES = ("training.max_updates=2", "training.batch_size=8")
IN_DEFAULT_RUN = {
    ("hateful_memes", "vilbert", "refnetms"),
    ("mmimdb", "gmu", "refnetms"),
    ("visual_entailment", "concat", "refnet"),
}


def test_there_is_a_yaml_for_every_cell():
    for data_set in DATA:
        for model in MODELS:
            for variant in VARIANTS:
                folder = PROJECTS / data_set / "configs" / model
                assert (folder / f"{variant}.yaml").is_file()
                assert (folder / f"{variant}_mini.yaml").is_file()


@pytest.mark.parametrize(
    ("data_set", "model", "variant"),
    [
        pytest.param(*cell, marks=() if cell in IN_DEFAULT_RUN else pytest.mark.slow)
        for cell in CELLS
    ],
)
def test_a_cell_trains_evaluates_resumes_and_predicts(request, tmp_path, data_set, model, variant):
    data = request.getfixturevalue(DATA[data_set])

    def run(*options):
        recipe = PROJECTS / data_set / "configs" / model / f"{variant}_mini.yaml"
        done = run_mmf(
            data,
            tmp_path / "run",
            *TWO_UPDATES,
            *options,
            recipe=recipe,
            model=f"refnet_{model}",
            data_set=data_set,
        )
        assert done.code == 0, done.output[-3000:]
        return done

    trained = run()
    terms = {
        key.split("/")[-1]
        for line in trained.progress
        for key in line.values
        if key.startswith(f"train/{data_set}/")
    }
    stock = {"logit_bce" if data_set == "mmimdb" else "cross_entropy"}
    shown = {f"{term}_unweighted" for term in ADDED[variant]}
    assert stock | ADDED[variant] | shown <= terms
    assert len(trained.series("train/total_loss")) == 2
    for split in ("val", "test"):
        assert len(trained.series(f"{split}/{data_set}/{CRITERIA[data_set]}")) >= 1
    resumed = run("checkpoint.resume=True", "training.max_updates=3", "evaluation.predict=True")
    updates = [line.update for line in resumed.progress if "train/total_loss" in line.values]
    assert updates == [3]
    (report,) = (tmp_path / "run").rglob("reports/*")
    predicted = report.read_text()
    rows = (
        len(predicted.splitlines()) - 1 if report.suffix == ".csv" else len(json.loads(predicted))
    )
    assert rows == SIZES["tiny"].test


def reads_pictures(yaml):
    """Whether a YAML, or one that it includes, is of a network that reads pictures."""
    content = load_yaml(str(yaml))
    data = next(iter(content.dataset_config.values()))
    return not data.get("use_features", False)


# The paper's section 4.1 and A.3: batch, learning rate, updates, schedule, what chooses the best.
OF_THE_PAPER = {
    "hateful_memes": (32, 1e-5, 22_000, "warmup_linear", "hateful_memes/refnet_roc_auc"),
    "mmimdb": (32, 5e-5, 20_000, "warmup_cosine", "mmimdb/refnet_micro_f1"),
    "visual_entailment": (480, 5e-5, 10_000, "warmup_linear", "visual_entailment/refnet_accuracy"),
}


@pytest.mark.parametrize(("data_set", "model", "variant"), CELLS)
def test_a_yaml_has_the_settings_of_the_paper(data_set, model, variant):
    config = load_yaml(str(PROJECTS / data_set / "configs" / model / f"{variant}.yaml"))
    batch, rate, updates, schedule, criterion = OF_THE_PAPER[data_set]
    training, optimizer = config.training, config.optimizer
    assert optimizer.type == "adam_w"
    assert (optimizer.params.lr, optimizer.params.eps) == (rate, 1e-8)
    assert list(optimizer.params.betas) == [0.9, 0.999]
    assert (training.batch_size, training.max_updates) == (batch, updates)
    assert training.evaluation_interval == 1000
    assert (config.scheduler.type, training.lr_scheduler) == (schedule, True)
    assert (training.early_stop.criteria, training.early_stop.minimize) == (criterion, False)


@pytest.mark.slow
@pytest.mark.parametrize("yaml", LEAVES, ids=lambda path: str(path.relative_to(PROJECTS)))
def test_every_other_yaml_takes_two_updates(request, tmp_path, yaml):
    """Those of the paper's scale with the tiny encoders put in."""
    data_set = yaml.relative_to(PROJECTS).parts[0]
    model = yaml.parent.name
    recipe = yaml
    if "_mini" not in yaml.stem:
        names = ("mini.yaml", "refnet_mini.yaml")
        if reads_pictures(yaml):
            names = ("mini_pixels.yaml", *names)
        tiny = next(file for name in names if (file := yaml.with_name(name)).is_file())
        recipe = tmp_path / "tiny.yaml"
        recipe.write_text(f"includes:\n- {yaml}\n- {tiny}\n")
    done = run_mmf(
        request.getfixturevalue(DATA[data_set]),
        tmp_path / "run",
        *TWO_UPDATES,
        recipe=recipe,
        model=f"refnet_{model}" if model in MODELS else "refnet",
        data_set=data_set,
    )
    assert done.code == 0, done.output[-3000:]
    assert len(done.series("train/total_loss")) == 2
    assert all(value == value for value in done.series("train/total_loss"))
