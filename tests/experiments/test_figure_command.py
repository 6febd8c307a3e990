"""``refnet figure``: files beside one another, the same bytes again, errors in one line."""

import csv
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from refnet_mmf.cli import main
from refnet_mmf.experiments import (
    figure_files,
    graph_recovery,
    graph_recovery_eigenvectors,
    graph_recovery_error,
)
from refnet_mmf.experiments.figure_command import command, parse_options
from refnet_mmf.experiments.figure_registry import FIGURES
from refnet_mmf.experiments.line_figure import draw_lines

SMALL = {"8": ["--modalities", "16", "--seeds", "3"], "9": ["--seeds", "2"]}


def figure(*words: str) -> int:
    try:
        return main(["figure", *words])
    except SystemExit as end:
        return int(end.code)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def numbers(path):
    with path.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@pytest.mark.parametrize("name", SMALL)
def test_a_figure_is_three_files_and_the_same_bytes_again(name, tmp_path, capsys):
    assert figure(name, "--out", str(tmp_path / "a/b"), *SMALL[name]) == 0
    said = capsys.readouterr().out
    first = files(tmp_path / "a/b")
    assert list(first) == [f"figure_{name}{suffix}" for suffix in (".csv", ".png", ".svg")]
    assert all(str(tmp_path / "a/b" / file) in said for file in first)
    assert "Generated matrices" in said
    assert figure(name, "--out", str(tmp_path / "again"), *SMALL[name]) == 0
    assert files(tmp_path / "again") == first
    assert figure(name, "--out", str(tmp_path / "other"), *SMALL[name][:-1], "4") == 0
    assert files(tmp_path / "other")[f"figure_{name}.csv"] != first[f"figure_{name}.csv"]


@pytest.mark.parametrize("name", SMALL)
def test_each_file_says_what_made_it(name, tmp_path):
    assert figure(name, "--out", str(tmp_path), *SMALL[name]) == 0
    command = f"refnet figure {name} --modalities"
    comments = [
        line
        for line in (tmp_path / f"figure_{name}.csv").read_text().splitlines()
        if line.startswith("# ")
    ]
    svg = (tmp_path / f"figure_{name}.svg").read_text()
    png = Image.open(tmp_path / f"figure_{name}.png")
    for text in ("\n".join(comments), svg, png.text["Description"]):
        assert "Generated matrices, no data set" in text
        assert command in text and f"--seeds {SMALL[name][-1]}" in text
        assert "refnet_mmf" in text and "numpy" in text
    assert FIGURES[name].title in svg and FIGURES[name].title in png.text["Title"]
    assert str(tmp_path) not in svg + "".join(comments)
    ElementTree.fromstring(svg)


def test_the_numbers_of_figure_8_are_mean_and_spread_of_the_recoveries(tmp_path):
    assert figure("8", "--out", str(tmp_path), "--seeds", "3", "--modalities", "16", "8") == 0
    rows = numbers(tmp_path / "figure_8.csv")
    assert len(rows) == 8 * (8 + 16)  # two weights, four features, every k of m = 8 and of m = 16
    found = [f for seed in range(3) for f in graph_recovery.recoveries(16, seed)]
    for weights, features, d, k in [
        ("Gaussian", "d = 4 m", 64, 7),
        ("leading", "whitened, any d", None, 1),
    ]:
        errors = [
            f.error for f in found if (f.weights, f.features_dim, f.fused_rank) == (weights, d, k)
        ]
        (row,) = [
            row
            for row in rows
            if (row["m"], row["weights"], row["features"], row["k"])
            == ("16", weights, features, str(k))
        ]
        assert float(row["relative_error_mean"]) == pytest.approx(np.mean(errors), rel=1e-5)
        assert float(row["relative_error_std"]) == pytest.approx(np.std(errors, ddof=1), rel=1e-4)
        assert row["draws"] == "3"


def test_the_eigenvectors_of_figure_9_are_those_of_the_graph_and_equal_at_full_rank(tmp_path):
    assert figure("9", "--out", str(tmp_path), "--seeds", "1", "--modalities", "20") == 0
    rows = numbers(tmp_path / "figure_9.csv")
    assert len(rows) == 2 * 3 * 20
    hidden = graph_recovery.leading_eigenvectors(graph_recovery.draw(20, 40, 0).adjacency, 3)
    for number in (1, 2, 3):
        entries = [
            float(row["A"])
            for row in rows
            if (row["weights"], row["eigenvector"]) == ("leading", str(number))
        ]
        np.testing.assert_allclose(entries, np.sort(hidden[number - 1]), rtol=1e-5)
    for row in rows:
        assert float(row["A_hat_16_16"]) == pytest.approx(float(row["A"]), abs=1e-5)
    assert any(abs(float(row["A_hat_8_16"]) - float(row["A"])) > 0.05 for row in rows)


def test_recovered_eigenvectors_have_the_sign_that_fits():
    turned = 0
    for seed in range(4):
        hidden, found = graph_recovery_eigenvectors.compare(16, seed)
        for vectors in found.values():
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
            assert ((vectors * hidden).sum(1) >= 0).all()
            largest = vectors[range(3), np.abs(vectors).argmax(1)]
            turned += int((largest < 0).sum())
    assert turned > 0


def test_one_draw_has_no_spread(tmp_path):
    assert figure("8", "--out", str(tmp_path), "--modalities", "8", "--seeds", "1") == 0
    rows = numbers(tmp_path / "figure_8.csv")
    assert all(math.isnan(float(row["relative_error_std"])) for row in rows)


def test_without_a_name_the_figures_are_listed(capsys):
    assert figure() == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == list(FIGURES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["88"], "FIGURE: unknown figure '88'; did you mean '8'? (valid: 4, 5, 7, 8, 9, 10)"),
        (["eight"], "FIGURE: unknown figure 'eight' (valid: 4, 5, 7, 8, 9, 10)"),
        (["8", "--seeds", "many"], "--seeds: expected a whole number from 1, got 'many'"),
        (["8", "--seeds", "0"], "--seeds: expected a whole number from 1, got '0'"),
        (["8", "--seeds", "-3"], "--seeds: expected"),
        (["8", "--seeds", "2.5"], "--seeds: expected a whole number from 1, got '2.5'"),
        (["8", "--modalities", "8", "x"], "--modalities: expected a whole number from 1, got 'x'"),
        (["8", "--sees", "3"], "unknown option '--sees'; did you mean --seeds? (valid: --mod"),
        (["8", "more"], "unknown word 'more'"),
        (["9", "--modalities", "4"], "--modalities: expected at least 16, got 4"),
    ],
)
def test_bad_words_end_in_one_line(words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert figure(*words) != 0
    heard = capsys.readouterr()
    assert said in heard.err and heard.out == ""
    assert heard.err.count("\n") == 1 and heard.err.startswith("refnet figure")
    assert not list(tmp_path.iterdir())


def test_too_large_a_graph_ends_in_one_line(tmp_path, capsys):
    assert figure("8", "--out", str(tmp_path), "--modalities", "100000000") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("refnet figure 8: Unable to allocate")


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(graph_recovery_error, "make", lambda args: pytest.fail("computed"))
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full/figure_8.png").mkdir(parents=True)
    for out, said in [
        ("file", "file is a file, not a folder"),
        ("file/below/it", "file is a file, not a folder"),
        ("full", "figure_8.png is a folder, in the way of the file"),
    ]:
        assert figure("8", "--out", str(tmp_path / out)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("refnet figure 8: --out: ") and line.endswith(said)
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["figure_8.png"]


def test_the_command_in_the_files_has_what_the_numbers_depend_on_and_no_more():
    words = [
        "--seeds",
        "2",
        "--only",
        "gmu",
        "--only",
        "mmbt",
        "--submit",
        "slurm",
        "--workers",
        "3",
    ]
    words += ["--slurm-partition", "gpu", "training.max_updates=4"]
    made = command("4", parse_options("4", words))
    assert made.endswith(" training.max_updates=4") and " --only gmu --only mmbt " in made
    assert not any(word in made for word in ("submit", "slurm", "workers", "--out"))
    assert command("4", parse_options("4", made.split()[3:])) == made
    assert "--modalities 8 16" in command("8", parse_options("8", ["--modalities", "8", "16"]))


def test_a_full_disk_leaves_the_files_that_were_there(tmp_path, capsys, monkeypatch):
    assert figure("8", "--out", str(tmp_path), *SMALL["8"]) == 0
    before = files(tmp_path)
    capsys.readouterr()
    written = []

    def fsync(number):
        written.append(number)
        if len(written) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure_files.os, "fsync", fsync)
    assert figure("8", "--out", str(tmp_path), "--modalities", "8", "--seeds", "2") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("figure_8.csv: No space left on device")
    assert files(tmp_path) == before


def test_panels_stand_in_columns_with_shaded_spread_and_one_vertical_axis():
    line, wide = ([1, 2, 3], [0.1, 0.2, 0.3]), ([1, 2], [5.0, 6.0], [0.5, 1.0])
    panels = {"one": {"a": line}, "two": {"a": line}, "three": {"b": wide}}
    picture = draw_lines(panels, "x", ["a", "b"], y_label="y", columns=2, share_y=True)
    one, two, three = picture.axes
    assert one.get_ylim() == two.get_ylim() == three.get_ylim()
    assert one.get_position().y0 == two.get_position().y0 > three.get_position().y0
    assert [axis.get_ylabel() for axis in picture.axes] == ["y", "", "y"]
    assert not one.collections
    (band,) = three.collections
    corners = band.get_paths()[0].vertices
    assert {(1.0, 4.5), (1.0, 5.5), (2.0, 5.0), (2.0, 7.0)} <= set(map(tuple, corners))
