"""``refnet embed`` on checkpoints of real runs; what it writes is what the network computes."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from refnet_mmf.cli import main
from refnet_mmf.experiments.embedding_file import read_embeddings
from refnet_mmf.experiments.miniature.make import SIZES
from refnet_mmf.plugin.feature_lmdb import open_features
from tests.plugin.conftest import PROJECTS, run_mmf

pytestmark = pytest.mark.mmf

DATA = {"hateful_memes": "memes", "mmimdb": "movies", "visual_entailment": "entailment"}
TWO_UPDATES = ("training.max_updates=2", "training.batch_size=8")
ANNOTATIONS = {
    "hateful_memes": "hateful_memes/defaults/annotations/dev.jsonl",
    "mmimdb": "mmimdb/defaults/annotations/dev.jsonl",
    "visual_entailment": "visual_entailment/defaults/annotations/snli_ve_dev.jsonl",
}
MOVIES_GMU = ("mmimdb", "gmu", "baseline")
MEMES_MMBT = ("hateful_memes", "mmbt", "refnetms")


@pytest.fixture(scope="module")
def trained(request, tmp_path_factory):
    """Give data folder and run folder of two updates; each cell is trained once."""
    done = {}

    def train(data_set, model, variant, registered=None):
        cell = (data_set, model, variant, registered)
        if cell not in done:
            data = request.getfixturevalue(DATA[data_set])
            run = run_mmf(
                data,
                tmp_path_factory.mktemp("embed") / "run",
                *TWO_UPDATES,
                recipe=PROJECTS / data_set / "configs" / model / f"{variant}_mini.yaml",
                model=registered or f"refnet_{model}",
                data_set=data_set,
            )
            assert run.code == 0, run.output[-3000:]
            done[cell] = (data, run.folder)
        return done[cell]

    return train


@pytest.fixture
def embed(tmp_path):
    """Run ``refnet embed``, and read what it wrote."""

    def command(run, *options, split="val", name="out.npz"):
        out = tmp_path / name
        assert main(["embed", str(run), "--split", split, "--out", str(out), *options]) == 0
        return read_embeddings(out)

    return command


def rows_of(data, data_set):
    lines = (data / "datasets" / ANNOTATIONS[data_set]).read_text().splitlines()
    return [json.loads(line) for line in lines]


def expected_labels(data, data_set):
    """Class indices or label sets, read from the files by hand."""
    rows = rows_of(data, data_set)
    if data_set == "hateful_memes":
        return [row["label"] for row in rows]
    if data_set == "visual_entailment":
        classes = ["entailment", "neutral", "contradiction"]
        return [classes.index(row["gold_label"]) for row in rows]
    file = data / "datasets/mmimdb/defaults/extras/classes_mm_imdb.txt"
    names = ["<unk>", *(n for n in file.read_text().splitlines() if n != "<unk>")]
    return [[int(name in [g.lower() for g in row["genres"]]) for name in names] for row in rows]


@pytest.mark.slow
def test_nothing_is_said_of_first_weights_that_the_checkpoint_replaces(trained, tmp_path):
    _, run = trained("visual_entailment", "vilbert", "refnet")
    words = ["embed", str(run), "--split", "val", "--out", str(tmp_path / "val.npz")]
    done = subprocess.run(
        [sys.executable, "-m", "refnet_mmf.cli", *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "newly initialized" not in done.stderr + done.stdout


CELLS = [
    MOVIES_GMU,
    MEMES_MMBT,
    *(
        pytest.param(*cell, marks=pytest.mark.slow)
        for cell in [
            ("visual_entailment", "vilbert", "refnet"),
            ("hateful_memes", "concat", "refnet"),
            ("visual_entailment", "linear_sum", "baseline"),
            ("mmimdb", "mmbt", "baseline"),
        ]
    ),
]


@pytest.mark.parametrize(("data_set", "model", "variant"), CELLS)
def test_ids_labels_order_and_shapes(trained, embed, data_set, model, variant):
    data, run = trained(data_set, model, variant)
    file = embed(run, "--batch-size", "16")
    found, count = file.embeddings, SIZES["tiny"].dev
    rows = rows_of(data, data_set)
    if data_set == "hateful_memes":
        assert found.ids.tolist() == [str(row["id"]) for row in rows]
    else:
        name = ANNOTATIONS[data_set].rpartition("/")[2]
        assert found.ids.tolist() == [f"{name}:{k}" for k in range(1, count + 1)]
    np.testing.assert_array_equal(found.labels, expected_labels(data, data_set))
    by_modality = (found.features, found.queries, found.inputs)
    assert all(set(of) == {"text", "image"} for of in by_modality)
    arrays = [array for of in by_modality for array in of.values()]
    for array in (found.fused, found.scores, *arrays):
        assert array.dtype == np.float32 and len(array) == count and np.isfinite(array).all()
    for query in found.queries.values():
        assert query.shape == found.fused.shape
        assert np.abs(query - found.fused).max() > 1e-4
    about = file.about
    assert (about["model"], about["data_set"], about["split"]) == (
        f"refnet_{model}",
        data_set,
        "val",
    )
    assert about["miniature"] == {"size": "tiny", "seed": 0}
    assert about["checkpoint"] == "best.ckpt" and len(about["checkpoint_sha256"]) == 64


def test_the_inputs_are_the_words_and_the_regions_of_the_files(trained, embed):
    data, run = trained(*MOVIES_GMU)
    inputs = embed(run).embeddings.inputs
    movies = data / "datasets/mmimdb/defaults"
    rows = rows_of(data, "mmimdb")
    with open_features(movies / "features/features.lmdb") as posters:
        records = [posters.record(row["image_id"].encode()).features for row in rows]
    means = np.stack([record.mean(axis=0) for record in records])
    np.testing.assert_allclose(inputs["image"], means, rtol=1e-4, atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(data / "encoders/bert")
    for row, counts in zip(rows, inputs["text"], strict=True):
        words = tokenizer(" ".join(row["plot"]), truncation=True, max_length=56)["input_ids"]
        np.testing.assert_array_equal(counts, np.bincount(np.array(words) % 256, minlength=256))


def test_the_fused_embedding_of_gmu_is_what_its_fusion_gives(trained, embed):
    from refnet_mmf.plugin.models.refnet_unimodal_fusion import RefNetGMU

    _, run = trained(*MOVIES_GMU)
    found = embed(run).embeddings
    model = RefNetGMU.from_pretrained(run)
    encoded = {name: torch.from_numpy(rows) for name, rows in found.features.items()}
    with torch.no_grad():
        fused = model.fusion(model.normalization(encoded))
        scores = model.classifier(fused)
    np.testing.assert_allclose(found.fused, fused, atol=1e-5)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)


def test_the_fused_embedding_of_mmbt_is_what_its_classifier_reads(trained, embed):
    from refnet_mmf.plugin.models.mmbt import RefNetMMBT

    _, run = trained(*MEMES_MMBT)
    found = embed(run).embeddings
    model = RefNetMMBT.from_pretrained(run)
    with torch.no_grad():
        scores = model.model.classifier(torch.from_numpy(found.fused))
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)


@pytest.mark.parametrize("cell", [MOVIES_GMU, MEMES_MMBT])
def test_the_batch_size_changes_nothing(trained, embed, cell):
    _, run = trained(*cell)
    one = embed(run, "--batch-size", "1", name="one.npz").embeddings
    many = embed(run, "--batch-size", "100", name="many.npz").embeddings
    assert one.ids.tolist() == many.ids.tolist()
    np.testing.assert_allclose(one.fused, many.fused, atol=1e-5)
    for name in one.queries:
        np.testing.assert_allclose(one.features[name], many.features[name], atol=1e-5)
        np.testing.assert_allclose(one.queries[name], many.queries[name], atol=1e-5)


def test_scores_are_those_of_the_runs_own_evaluation(trained, embed):
    """The AUROC of the validation of the run's best checkpoint, from the scores in the file."""
    from sklearn.metrics import roc_auc_score

    _, run = trained(*MEMES_MMBT)
    best = torch.load(run / "best.ckpt", map_location="cpu", weights_only=True)
    found = embed(run).embeddings
    probability = np.exp(found.scores[:, 1]) / np.exp(found.scores).sum(axis=1)
    expected = float(best["best_metric_value"])
    assert roc_auc_score(found.labels, probability) == pytest.approx(expected, abs=1e-6)


def test_the_other_splits_and_the_commands_that_read_them(trained, embed, tmp_path, capsys):
    _, run = trained(*MOVIES_GMU)
    for split in ("train", "test"):
        file = embed(run, split=split, name=f"{split}.npz")
        assert len(file.embeddings) == getattr(SIZES["tiny"], split)
        assert len(set(file.embeddings.ids)) == len(file.embeddings)
    assert main(["retrieve", str(tmp_path / "test.npz")]) == 0
    assert main(["probe", str(tmp_path / "train.npz"), str(tmp_path / "test.npz")]) == 0
    assert "image features" in capsys.readouterr().out


def test_a_checkpoint_file_and_another_data_folder(trained, embed, tmp_path):
    """The encoders are looked for below the folder that is named."""
    data, run = trained(*MEMES_MMBT)
    moved = tmp_path / "moved"
    moved.symlink_to(data)
    here = embed(run).embeddings
    there = embed(run / "best.ckpt", "--data-dir", str(moved), name="moved.npz").embeddings
    np.testing.assert_array_equal(here.fused, there.fused)


def test_a_split_without_labels_gives_embeddings_without_labels(trained, embed, tmp_path):
    """As the test split of the real Hateful Memes, whose labels were kept back."""
    data, run = trained(*MEMES_MMBT)
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    for file in (moved / "datasets/hateful_memes/defaults/annotations").glob("dev*.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        bare = [{key: value for key, value in row.items() if key != "label"} for row in rows]
        file.write_text("".join(json.dumps(row) + "\n" for row in bare))
    here = embed(run).embeddings
    there = embed(run, "--data-dir", str(moved), name="unlabelled.npz").embeddings
    assert there.labels is None
    np.testing.assert_array_equal(here.fused, there.fused)


def test_the_regime_of_the_run_is_left_aside(trained, embed, tmp_path):
    _, run = trained(*MOVIES_GMU)
    content = torch.load(run / "best.ckpt", map_location="cpu", weights_only=True)
    content["config"]["refnet"] = {"stage": "pretrain", "pairing": "shuffled_text"}
    torch.save(content, tmp_path / "changed.ckpt")
    here = embed(run).embeddings
    there = embed(tmp_path / "changed.ckpt", name="changed.npz").embeddings
    np.testing.assert_array_equal(here.fused, there.fused)
    np.testing.assert_array_equal(here.labels, there.labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "variant", "registered"),
    [
        ("mmbt", "baseline", "mmbt"),
        ("gmu", "baseline", "gmu"),
        ("visual_bert", "refnet", "refnet"),
        ("visual_bert", "refnet", "visual_bert"),
        ("late_fusion", "refnet", "refnet"),
    ],
)
def test_stock_models_and_models_with_taps(trained, embed, model, variant, registered):
    _, run = trained("hateful_memes", model, variant, registered)
    file = embed(run)
    assert file.about["model"] == registered
    found = file.embeddings
    assert set(found.features) == set(found.queries) == {"text", "image"}
    assert found.scores.shape == (SIZES["tiny"].dev, 2)


@pytest.fixture
def refused(tmp_path, capsys):
    """Run ``refnet embed``, which has to end in one line; return that line."""

    def command(source, *options, split="val", out="out.npz"):
        path = tmp_path / out
        before = path.read_bytes() if path.exists() else None
        capsys.readouterr()
        words = ["embed", str(source), "--split", split, "--out", str(path), *options]
        assert main(words) == 1
        assert (path.read_bytes() if path.exists() else None) == before
        said = capsys.readouterr().err
        assert said.startswith("refnet embed: ") and said.count("\n") == 1, said
        return said

    return command


def test_bad_input_is_refused_in_one_line(trained, refused, movies, tmp_path):
    _, run = trained(*MEMES_MMBT)
    assert "no such file or folder" in refused(tmp_path / "best.ckpt")
    assert "unknown split 'dev'" in refused(run, split="dev")
    assert "--batch-size: expected at least 1, got 0" in refused(run, "--batch-size", "0")
    assert "--data-dir: no such folder" in refused(run, "--data-dir", str(tmp_path / "none"))
    assert "no such file" in refused(run, "--data-dir", str(movies))
    assert "unknown data set of this run 'mmimdb'" in refused(run, "--dataset", "mmimdb")
    (tmp_path / "there.npz").write_bytes(b"something")
    assert "there.npz: is there already" in refused(run, out="there.npz")


def test_bad_checkpoints_are_refused_in_one_line(trained, refused, tmp_path):
    _, run = trained(*MEMES_MMBT)
    content = torch.load(run / "best.ckpt", map_location="cpu", weights_only=True)
    bare = tmp_path / "bare.pth"
    torch.save(content["model"], bare)
    assert "bare.pth: holds no configuration" in refused(bare)
    processors = {"text_processor": {"type": "none_such", "params": {}}}
    dataset_config = content["config"]["dataset_config"]["hateful_memes"]
    broken = {"hateful_memes": {**dataset_config, "processors": processors}}
    for change, message in [
        ({"dataset_config": broken}, "(REFNET_DEBUG=1 shows where)"),
        ({"dataset_config": None}, "its configuration has no 'dataset_config'"),
        ({"model": "refnet_mbt"}, "unknown model 'refnet_mbt'; did you mean 'refnet_mmbt'"),
        ({"model": "pythia"}, "a checkpoint of 'pythia', for which no taps come with the plugin"),
    ]:
        config = {k: v for k, v in {**content["config"], **change}.items() if v is not None}
        torch.save({"model": content["model"], "config": config}, tmp_path / "changed.ckpt")
        assert message in refused(tmp_path / "changed.ckpt")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    assert "text.ckpt: damaged" in refused(tmp_path / "text.ckpt")
