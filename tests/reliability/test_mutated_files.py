"""A file that is not what it was is read as it is, or refused in one line that names it."""

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mmf
pytest.importorskip("mmf")

from refnet_mmf.experiments.embedding_file import (  # noqa: E402
    EmbeddingError,
    read_embeddings,
    write_embeddings,
)
from refnet_mmf.experiments.grid.run_folder import RunFolderError, read_json  # noqa: E402
from refnet_mmf.experiments.mmf_log import read_progress  # noqa: E402
from refnet_mmf.experiments.real_data.description import DataError  # noqa: E402
from refnet_mmf.experiments.real_data.json_rows import read_object, read_rows  # noqa: E402
from refnet_mmf.plugin.checkpoint_file import read_checkpoint  # noqa: E402
from refnet_mmf.plugin.class_files import ClassFile  # noqa: E402
from refnet_mmf.plugin.errors import RefnetError  # noqa: E402
from refnet_mmf.plugin.labelled_samples import read_ids  # noqa: E402
from tests.experiments.test_embedding_file import ABOUT, embeddings  # noqa: E402

MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def mutations(draw, content):
    """Bytes with some changed, a part cut out, or something put in."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "end"]))
        if kind == "change" and content:
            content[where] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[where : where + draw(st.integers(1, 200))]
        elif kind == "insert":
            content[where:where] = draw(st.binary(min_size=1, max_size=8))
        else:
            del content[where:]
    return bytes(content)


def write_mutated(data, whole, file):
    file.write_bytes(data.draw(mutations(whole)))
    return file


def refused_in_one_line(read, file, error_kinds):
    try:
        read()
    except error_kinds as error:
        assert "\n" not in str(error)
        assert str(file) in str(error), error


@pytest.fixture
def whole_embeddings(tmp_path):
    write_embeddings(tmp_path / "whole.npz", embeddings(count=6), ABOUT)
    return (tmp_path / "whole.npz").read_bytes()


@MANY
@given(data=st.data())
def test_embeddings(data, whole_embeddings, tmp_path):
    file = write_mutated(data, whole_embeddings, tmp_path / "mutated.npz")
    refused_in_one_line(lambda: read_embeddings(file), file, EmbeddingError)


@pytest.fixture
def whole_checkpoint(tmp_path):
    config = {"model_config": {"refnet_mmbt": {}}, "training": {"seed": 1}}
    weights = {"layer.weight": torch.ones(3, 3), "layer.bias": torch.zeros(3)}
    torch.save({"model": weights, "config": config, "num_updates": 3}, tmp_path / "whole.ckpt")
    return (tmp_path / "whole.ckpt").read_bytes()


@MANY
@given(data=st.data())
def test_a_checkpoint(data, whole_checkpoint, tmp_path):
    file = write_mutated(data, whole_checkpoint, tmp_path / "mutated.ckpt")
    refused_in_one_line(lambda: read_checkpoint(file), file, RefnetError)


RESULT = json.dumps({"seconds": 3.0, "values": {"test": {"test/mmimdb/refnet_micro_f1": 0.5}}})
ROWS = "".join(json.dumps({"id": k, "text": f"text {k}", "label": k % 2}) + "\n" for k in range(4))


@MANY
@given(data=st.data())
def test_a_result_of_a_run(data, tmp_path):
    file = write_mutated(data, RESULT.encode(), tmp_path / "result.json")
    refused_in_one_line(lambda: read_json(file), file, RunFolderError)


@MANY
@given(data=st.data())
def test_rows_of_a_raw_data_set(data, tmp_path):
    file = write_mutated(data, ROWS.encode(), tmp_path / "rows.jsonl")
    refused_in_one_line(lambda: list(read_rows(file, str(file))), file, DataError)
    refused_in_one_line(lambda: read_object(file, str(file)), file, DataError)


@MANY
@given(data=st.data())
def test_rows_of_mmf(data, tmp_path):
    from omegaconf import OmegaConf

    from refnet_mmf.plugin.data_check import check_annotations

    section = OmegaConf.create({"use_images": False, "use_features": False, "data_dir": "."})
    rows = "".join(
        json.dumps({**row, "img": "a.png"}) + "\n" for row in map(json.loads, ROWS.split("\n")[:-1])
    )
    file = write_mutated(data, rows.encode(), tmp_path / "train.jsonl")
    refused_in_one_line(
        lambda: check_annotations(file, "hateful_memes", section, "train"), file, RefnetError
    )


@MANY
@given(data=st.data())
def test_classes(data, tmp_path):
    file = write_mutated(data, b"comedy\ndrama\nsci-fi\n", tmp_path / "classes.txt")
    refused_in_one_line(ClassFile(file, str.lower).read, file, RefnetError)


@MANY
@given(data=st.data())
def test_ids(data, tmp_path):
    file = write_mutated(data, b"1\n2\n3\n", tmp_path / "ids.txt")
    refused_in_one_line(lambda: read_ids(file), file, RefnetError)


LOG = (
    "2026-01-01T10:00:00 | mmf.trainers.callbacks.logistics: progress: 10/100, "
    "train/total_loss: 0.69, train/total_loss/avg: 0.7, max mem: 0.0, "
    "experiment: run, epoch: 1, num_updates: 10\n"
)


@MANY
@given(data=st.data())
def test_a_log_is_read_as_far_as_it_can_be(data, tmp_path):
    text = data.draw(mutations(LOG.encode())).decode("utf-8", errors="replace")
    for progress in read_progress(text.splitlines()):
        assert all(isinstance(value, float) for value in progress.values.values())
        assert progress.update >= 0
