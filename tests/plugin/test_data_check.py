"""What is wrong in a data set's files ends a run in one line, before anything is trained."""

import json
import pickle
import re

import lmdb
import pytest
from omegaconf import OmegaConf

from refnet_mmf.plugin.errors import RefnetError
from tests.plugin import small_sets

pytestmark = pytest.mark.mmf

MOVIES = "datasets/mmimdb/defaults"
SENTENCES = "datasets/visual_entailment/defaults/annotations"
MEMES = "datasets/hateful_memes/defaults"
NAMES = {"mmimdb": small_sets.movies, "visual_entailment": small_sets.entailment}


@pytest.fixture
def check(tmp_path):
    """Check the files of ``data`` with a configuration of some YAML and ``run_type``."""

    def run(name, data, block="    use_features: true\n    use_images: false\n", run_type="train"):
        from refnet_mmf.plugin.data_check import check_data

        file = tmp_path / "experiment.yaml"
        file.write_text(f"run_type: {run_type}\ndataset_config:\n  {name}:\n{block}")
        check_data(small_sets.configuration(name, data, f"config={file}"))

    return run


@pytest.fixture
def refused(check):
    """Check and expect one line that holds ``message``."""

    def run(name, data, message, **options):
        with pytest.raises(RefnetError, match=re.escape(message)) as error:
            check(name, data, **options)
        assert "\n" not in str(error.value)
        return str(error.value)

    return run


@pytest.fixture
def tiny_memes(memes, tmp_path):
    """A copy of the miniature memes' files that a test may spoil; pictures and features linked."""
    folder = tmp_path / "memes" / MEMES
    (folder / "annotations").mkdir(parents=True)
    for part in ("images", "features"):
        (folder / part).symlink_to(memes / MEMES / part)
    for file in (memes / MEMES / "annotations").glob("*.jsonl"):
        (folder / "annotations" / file.name).write_text(file.read_text())
    return tmp_path / "memes"


def edit(file, line, change):
    """Replace line ``line`` of a JSON lines file by what ``change`` makes of its row."""
    lines = file.read_text().splitlines()
    row = json.loads(lines[line - 1])
    lines[line - 1] = json.dumps(change(row))
    file.write_text("\n".join(lines) + "\n")


def without(field):
    return lambda row: {key: value for key, value in row.items() if key != field}


IMAGES = "    use_images: true\n    use_features: false\n"
WAYS = [
    "    use_features: true\n    use_images: false\n",
    IMAGES,
]


@pytest.mark.parametrize("block", WAYS)
@pytest.mark.parametrize("run_type", ["train", "val", "train_inference", "train_val_test"])
def test_good_files_pass(check, memes, tmp_path, block, run_type):
    check("hateful_memes", memes, block=block, run_type=run_type)
    for name, write in NAMES.items():
        check(name, write(tmp_path), block=block, run_type=run_type)


@pytest.mark.parametrize(
    ("run_type", "splits"),
    [
        ("train", ["train", "val"]),
        ("train_inference", ["train", "val", "test"]),
        ("train_val", ["train", "val"]),
        ("val", ["val"]),
        ("test", ["test"]),
        ("val_predict", ["val", "test"]),
    ],
)
def test_the_splits_of_a_run(run_type, splits):
    from refnet_mmf.plugin.data_check import used_splits

    assert used_splits(run_type) == splits


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["drama", "Comedy"], "line 2: no label can match the class 'Comedy', as MMF puts labels"),
        (["drama", "Sci-Fi"], "write 'sci-fi'"),
        (["drama", "sci-fi, fantasy"], "line 2: no label can match the class 'sci-fi, fantasy'"),
        (["drama", "comedy", "drama"], "line 3: 'drama' is the class of line 1 already"),
        (["drama", "", "comedy"], "line 2: is empty, and would be a class"),
    ],
)
def test_a_class_file_that_silently_takes_labels_away(refused, tmp_path, classes, message):
    data = small_sets.movies(tmp_path, classes=classes)
    line = refused("mmimdb", data, message)
    assert line.startswith(f"{data / MOVIES / 'extras/classes_mm_imdb.txt'}, line ")


def test_a_model_can_check_the_class_file_alone(tmp_path):
    from refnet_mmf.plugin.class_files import check_class_files

    data = small_sets.movies(tmp_path, classes=["Drama"])
    config = small_sets.configuration("mmimdb", data)
    with pytest.raises(RefnetError, match="line 1: no label can match the class 'Drama'"):
        check_class_files(config)
    (data / MOVIES / "extras/classes_mm_imdb.txt").unlink()
    check_class_files(config)
    check_class_files(small_sets.configuration("hateful_memes", data))


def test_a_missing_class_file_is_named(refused, tmp_path):
    data = small_sets.movies(tmp_path)
    file = data / MOVIES / "extras/classes_mm_imdb.txt"
    file.unlink()
    refused("mmimdb", data, f"vocab_file: no such file: {file}")


@pytest.mark.parametrize(
    ("genres", "message"),
    [
        (["Drama", "Comdy"], "genres: unknown genre 'comdy'; did you mean 'comedy'? (valid: com"),
        ("Drama", "genres: expected a list, got 'Drama'"),
        ([], "genres: MMF takes 1 to 10 of a movie, got 0"),
        (["War"] * 11, "genres: MMF takes 1 to 10 of a movie, got 11"),
        ([3], "genres: expected names, got 3"),
    ],
)
def test_genres_that_mmf_drops_or_dies_of(refused, tmp_path, genres, message):
    data = small_sets.movies(tmp_path)
    file = data / MOVIES / "annotations/train.jsonl"
    edit(file, 2, lambda row: {**row, "genres": genres})
    refused("mmimdb", data, f"{file}, line 2: {message}")


def test_the_rare_genres_of_the_real_movies_pass(check, tmp_path):
    rows = [
        {"image_id": "0000001", "plot": "a", "genres": ["News", "Drama"]},
        {"image_id": "0000002", "plot": "b", "genres": ["Reality-TV", "Talk-Show", "Adult"]},
    ]
    check("mmimdb", small_sets.movies(tmp_path, rows=rows))


def test_a_class_of_entailment_that_is_none(refused, tmp_path):
    data = small_sets.entailment(tmp_path)
    file = data / SENTENCES / "snli_ve_dev.jsonl"
    edit(file, 3, lambda row: {**row, "gold_label": "contradicts"})
    line = f"{file}, line 3: gold_label: unknown class 'contradicts'; did you mean 'contradiction'?"
    refused("visual_entailment", data, line)
    edit(file, 3, without("gold_label"))
    refused(
        "visual_entailment", data, f"{file}, line 3: no field 'gold_label' (there: ", run_type="val"
    )


@pytest.mark.parametrize(
    ("label", "message"),
    [(2, "expected 0 or 1, got 2"), ("1", "got '1' (a string"), (None, "got None")],
)
def test_a_label_of_a_meme_that_is_none(refused, tiny_memes, label, message):
    file = tiny_memes / MEMES / "annotations/train.jsonl"
    edit(file, 5, lambda row: {**row, "label": label})
    line = refused("hateful_memes", tiny_memes, message)
    assert line.startswith(f"{file}, line 5: label: expected 0 or 1")


def test_samples_that_are_used_without_labels_may_lack_them(refused, check, tiny_memes, tmp_path):
    """refnet.labels.ids_file names those that have; what the others have is not read."""
    file = tiny_memes / MEMES / "annotations/train.jsonl"
    ids = tmp_path / "ids.txt"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    ids.write_text("".join(f"{row['id']}\n" for row in rows[5:]))
    edit(file, 1, lambda row: {k: v for k, v in row.items() if k != "label"})
    edit(file, 2, lambda row: {**row, "label": "unknown"})
    block = "    use_features: true\n    use_images: false\n"
    regime = f"refnet: {{labels: {{ids_file: {ids}}}}}\n"
    check("hateful_memes", tiny_memes, block=block + regime)
    edit(file, 7, lambda row: {**row, "label": "unknown"})
    refused("hateful_memes", tiny_memes, f"{file}, line 7: label: expected", block=block + regime)


def test_labels_are_needed_to_train_and_to_validate(refused, check, tiny_memes):
    folder = tiny_memes / MEMES / "annotations"
    config = small_sets.configuration("hateful_memes", tiny_memes)
    named = {
        split: folder / config.dataset_config.hateful_memes.annotations[split][0].split("/")[-1]
        for split in ("train", "val", "test")
    }
    for line in range(1, len(named["test"].read_text().splitlines()) + 1):
        edit(named["test"], line, without("label"))
    line = f"{named['test']}, line 1: no field 'label'"
    said = refused("hateful_memes", tiny_memes, line, run_type="train_test")
    assert said.endswith("the test split needs labels; run_type=train_val leaves it out")
    check("hateful_memes", tiny_memes, run_type="train_val")
    edit(named["val"], 1, without("label"))
    refused("hateful_memes", tiny_memes, f"{named['val']}, line 1: no field 'label'")
    check("hateful_memes", tiny_memes, run_type="predict")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("plot"), "no field 'plot'"),
        (lambda row: {**without("plot")(row), "plots": ["a"]}, "did you mean 'plots'"),
        (lambda row: {**row, "plot": []}, "plot: expected a text, got []"),
        (without("genres"), "no field 'genres'"),
        (lambda row: [row], "expected an object, got"),
    ],
)
def test_a_row_that_lacks_something(refused, tmp_path, change, message):
    data = small_sets.movies(tmp_path)
    file = data / MOVIES / "annotations/dev.jsonl"
    edit(file, 1, change)
    line = refused("mmimdb", data, message)
    assert line.startswith(f"{file}, line 1: ")


def test_a_line_that_is_not_json(refused, tmp_path):
    data = small_sets.entailment(tmp_path)
    file = data / SENTENCES / "snli_ve_train.jsonl"
    file.write_text(file.read_text() + "\n")
    refused("visual_entailment", data, f"{file}, line 4: not JSON")


def test_a_missing_feature(refused, tmp_path, tiny_memes):
    data = small_sets.movies(tmp_path)
    file = data / MOVIES / "annotations/train.jsonl"
    edit(file, 2, lambda row: {**row, "feature_path": "7777777.npy"})
    refused("mmimdb", data, f"{file}, line 2: no feature '7777777' in {data / MOVIES}")
    edit(file, 2, lambda row: {"plot": "a", "genres": ["War"]})
    refused("mmimdb", data, f"{file}, line 2: no field names its picture or feature")
    data = small_sets.entailment(tmp_path)
    file = data / SENTENCES / "snli_ve_train.jsonl"
    edit(file, 3, lambda row: {**row, "Flikr30kID": "555.jpg"})
    refused("visual_entailment", data, f"{file}, line 3: no feature '555' in ")
    file = tiny_memes / MEMES / "annotations/train.jsonl"
    edit(file, 1, lambda row: {**row, "img": "img/99999.png"})
    refused("hateful_memes", tiny_memes, f"{file}, line 1: no feature '99999' in ")


def test_a_feature_by_the_number_in_its_name(check, tmp_path):
    """As the readers find it: COCO_val_000101 is the feature 101."""
    rows = [{"Flikr30kID": "x_000101.jpg", "sentence2": "a", "gold_label": "neutral"}]
    check("visual_entailment", small_sets.entailment(tmp_path, rows=rows))


def test_a_missing_store_of_features(refused, tmp_path):
    data = small_sets.movies(tmp_path)
    block = "    use_features: true\n    use_images: false\n    features:\n      train: [no.lmdb]\n"
    line = f"dataset_config.mmimdb.features.train: no such file or folder: {data}/no.lmdb"
    refused("mmimdb", data, line, block=block)
    (tmp_path / "no.lmdb").write_text("nothing")
    refused("mmimdb", data, f"{data}/no.lmdb: is no lmdb that can be read", block=block)


class _Program:
    """What a pickle of it would do when it is read as pickle reads it."""

    def __reduce__(self):
        return print, ("run",)


def test_a_store_of_features_is_read_without_running_what_is_in_it(refused, tmp_path, capsys):
    data = small_sets.movies(tmp_path)
    features = data / MOVIES / "features/features.lmdb"
    with lmdb.open(str(features)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"keys", pickle.dumps(_Program()))
    line = f"{features}: the record 'keys' is damaged: it asks for builtins.print"
    refused("mmimdb", data, line)
    assert "run" not in capsys.readouterr().out.split()


def test_a_truncated_store_of_features(refused, tmp_path):
    data = small_sets.movies(tmp_path)
    file = data / MOVIES / "features/features.lmdb/data.mdb"
    file.write_bytes(file.read_bytes()[:8192])
    refused("mmimdb", data, f"{file.parent}: is truncated: 8,192 bytes, where ")


def test_a_missing_picture(refused, tmp_path, tiny_memes):
    data = small_sets.movies(tmp_path)
    (data / MOVIES / "images/mmimdb/dataset/0000003.jpeg").unlink()
    line = f"{data / MOVIES / 'annotations/dev.jsonl'}, line 1: no such picture: {data / MOVIES}"
    assert "0000003" in refused("mmimdb", data, line, block=IMAGES)
    data = small_sets.entailment(tmp_path)
    (data / "datasets/flickr30k/defaults/images/flickr30k_images/101.jpg").unlink()
    line = f"{data / SENTENCES / 'snli_ve_train.jsonl'}, line 2: no such picture: "
    assert refused("visual_entailment", data, line, block=IMAGES).endswith("101.jpg")
    file = tiny_memes / MEMES / "annotations/train.jsonl"
    edit(file, 4, lambda row: {**row, "img": "img/99999.png"})
    line = refused("hateful_memes", tiny_memes, f"{file}, line 4: no such picture: ", block=IMAGES)
    assert line.endswith("img/99999.png")


def test_a_picture_that_is_none(refused, tmp_path):
    data = small_sets.movies(tmp_path)
    (data / MOVIES / "images/mmimdb/dataset/0000003.jpeg").write_text("a text")
    file = data / MOVIES / "annotations/dev.jsonl"
    line = refused("mmimdb", data, f"{file}, line 1: {data / MOVIES}", block=IMAGES)
    assert line.endswith("0000003.jpeg: is no picture that can be read")


def test_a_split_without_rows(refused, tiny_memes):
    file = tiny_memes / MEMES / "annotations/train.jsonl"
    file.write_text("")
    refused("hateful_memes", tiny_memes, f"{file}: has no rows, and the train split needs some")


def test_a_missing_folder_of_pictures(refused, tmp_path):
    block = f"{IMAGES}    images:\n      train: [nowhere]\n"
    line = "dataset_config.visual_entailment.images.train: no such file or folder: "
    refused("visual_entailment", small_sets.entailment(tmp_path), line, block=block)


def test_a_lower_case_boolean_of_the_command_line(tmp_path):
    from refnet_mmf.plugin.data_check import check_data

    data = small_sets.entailment(tmp_path)
    option = "dataset_config.visual_entailment.use_features=false"
    with pytest.raises(RefnetError, match="expected a boolean, got 'false'.*write True or False"):
        check_data(small_sets.configuration("visual_entailment", data, option))


def test_refnet_run_covers_it(tiny_memes, tmp_path):
    from refnet_mmf.plugin.command_check import check_command
    from tests.plugin.conftest import PROJECT

    options = [f"config={PROJECT / 'refnet_mini.yaml'}", "model=refnet_mmbt"]
    options += ["dataset=hateful_memes", f"env.data_dir={tiny_memes}", f"env.save_dir={tmp_path}"]
    (tiny_memes / "encoders").symlink_to(tiny_memes)
    assert check_command(options)
    edit(tiny_memes / MEMES / "annotations/train.jsonl", 2, lambda row: {**row, "label": "0"})
    with pytest.raises(RefnetError, match="line 2: label: expected 0 or 1, got '0'"):
        check_command(options)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{v_feature_size: 8, visual_embedding_dim: 2048}", None),
        ("{v_feature_size: 2048}", "v_feature_size: is 2048, the features of "),
        ("{visual_embedding_dim: 7}", "visual_embedding_dim: is 7, the features of "),
        ("{visual_embedding_dim: 7, text_only: true}", None),
        ("{modal_encoder: {type: identity}, modal_hidden_size: 9}", "modal_hidden_size: is 9"),
        ("{modal_encoder: {type: resnet152}, modal_hidden_size: 9}", None),
        (
            "{modal_encoder: {type: finetune_faster_rcnn_fpn_fc7, params: {in_dim: 9}}}",
            "modal_encoder.params.in_dim: is 9",
        ),
        ("{modal_encoder: {type: finetune_faster_rcnn_fpn_fc7}}", None),
    ],
)
def test_the_width_of_the_features_is_the_models(tmp_path, section, message):
    from refnet_mmf.plugin.feature_width import check_feature_width

    path = small_sets.movies(tmp_path) / MOVIES / "features/features.lmdb"
    config = OmegaConf.create(f"{{model: some, model_config: {{some: {section}}}}}")
    if message is None:
        check_feature_width(config, str(path))
        return
    with pytest.raises(RefnetError, match=f"^model_config.some.{message}") as error:
        check_feature_width(config, str(path))
    assert str(error.value).endswith(f"{path} are {small_sets.WIDTH} wide")
