"""Tables of scores from results that are given, and the command that makes them."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from refnet_mmf.cli import main
from refnet_mmf.experiments.csv_text import csv_text
from refnet_mmf.experiments.experiment_names import NAMES
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.grid.run_folder import Result
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.run_figures import gamma_sweep
from refnet_mmf.experiments.run_figures.choices import DATA_SETS
from refnet_mmf.experiments.table_files import as_csv, as_latex, as_markdown, write_tables
from refnet_mmf.experiments.tables.known_tables import SCORE_TABLES, parts_of
from refnet_mmf.experiments.tables.paper_tables import REFINER_OF_THE_FILES, TABLES, gamma_cell
from refnet_mmf.experiments.tables.score_table import (
    compare_gains,
    comparison_rows,
    score_rows,
    tables_of,
)
from refnet_mmf.paths import CONFIGS, PROJECTS

SEEDS = (0, 1, 2)
PARTS = [part for name in SCORE_TABLES for part in parts_of(name)]
every_part = pytest.mark.parametrize("table", PARTS, ids=[part.heading for part in PARTS])


@every_part
def test_every_cell_has_its_yaml_at_both_scales(table):
    assert table.name in SCORE_TABLES
    for cell in table.cells:
        for scale in ("mini", "paper"):
            assert cell.config(scale).is_file(), cell.config(scale)
    titles = [row.title for row in table.rows]
    assert len(set(titles)) == len(titles)
    for row in table.rows:
        assert row.baseline in (*titles, "")
        assert set(row.paper) <= {column.title for column in table.columns}
        assert {column.key for column in table.columns} >= set(row.cells)
        assert not row.baseline or set(row.cells) == set(table.row(row.baseline).cells)
    keys = {column.key for column in table.columns}
    assert keys == {key for row in table.rows for key in row.cells}


def test_a_folder_is_that_of_one_experiment_whatever_asks_for_it():
    cells = {cell for part in PARTS for cell in part.cells}
    sweep = [float(gamma) for gamma in gamma_sweep.GAMMAS.split(",")]
    cells |= {gamma_cell(data, model, g) for data in DATA_SETS for model in NAMES for g in sweep}
    assert len({cell.name for cell in cells}) == len(cells)


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("data_set", DATA_SETS)
def test_what_the_files_set_of_the_refiner_is_not_an_experiment_of_its_own(data_set, model):
    """ReFNet with gamma 0.1 or the cosine loss, in a sweep or a table of losses, is Table 3's."""
    defaults = yaml.safe_load((CONFIGS / f"models/refnet_{model}.yaml").read_text())
    own = yaml.safe_load(Cell(data_set, model, "refnet").config("paper").read_text())
    blocks = [content["model_config"][f"refnet_{model}"]["refiner"] for content in (defaults, own)]
    refiner = {**blocks[0], **blocks[1]}
    said = {**refiner, **{f"weights.{key}": g for key, g in refiner["weights"].items()}}
    assert {key: str(said[key]) for key in REFINER_OF_THE_FILES} == REFINER_OF_THE_FILES


def _results(table):
    """Give each job of a table random values."""
    random = np.random.default_rng(0)
    data = {(cell.data_set, d): Path("data") for cell in table.cells for d in (0, 1)}
    results = {}
    for job in jobs_of(table.cells, "mini", data, SEEDS, Path("out")):
        values = {
            split: {
                f"{split}/{c.data_set}/{metric}": float(random.random())
                for c in table.columns
                for metric in c.metrics
            }
            for split in ("val", "test")
        }
        results[job] = Result(1.0, values)
    return results


def _values(results, cell, column):
    key = f"{column.split}/{column.data_set}/{column.metric}"
    chosen = {
        (job.data_seed, job.seed): 100 * result.values[column.split][key]
        for job, result in results.items()
        if job.cell == cell
    }
    return np.array([chosen[place] for place in sorted(chosen)])


@every_part
def test_a_table_holds_mean_std_and_paired_test_of_its_runs(table):
    results = _results(table)
    shown = score_rows(table, results)
    in_paper = {title for row in table.rows for title in row.paper}
    header, places = ["model"], {}
    for column in table.columns:
        places[column.title] = len(header)
        header += [column.title, "paper"] if column.title in in_paper else [column.title]
    assert shown.header == header
    *methods, runs = shown.rows
    assert runs == ["runs", *("" if title == "paper" else "6" for title in header[1:])]
    if any(column.chance is not None for column in table.columns):
        by_chance = methods.pop()
        assert by_chance[0] == "by chance"
        for column in table.columns:
            cell = by_chance[places[column.title]]
            assert cell == {None: "-", 50.0: "50.00"}.get(column.chance, cell)
    for row, cells in zip(table.rows, methods, strict=True):
        assert cells[0] == row.title and len(cells) == len(header)
        for column in table.columns:
            place = places[column.title]
            if column.title in in_paper:
                paper = row.paper.get(column.title)
                assert cells[place + 1].startswith("-" if paper is None else f"{paper[0]:.2f}")
            if column.key not in row.cells:
                assert cells[place] == "-"
                continue
            values = _values(results, row.cells[column.key], column)
            assert len(values) == 6
            assert cells[place] == f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"
    compared = comparison_rows(table, results)
    assert f"{len(compared.rows)} comparisons" in compared.caption
    assert ("paper's difference" in compared.header) == bool(in_paper)
    for cells in compared.rows:
        shown = dict(zip(compared.header, cells, strict=True))
        column = next(column for column in table.columns if column.title == shown["metric"])
        own, theirs = (
            _values(results, table.row(shown[title]).cells[column.key], column)
            for title in ("model", "against")
        )
        gains = own - theirs
        assert shown["difference"] == f"{gains.mean():+.2f}"
        assert shown["d"] == f"{gains.mean() / gains.std(ddof=1):+.2f}"
        assert shown["p"] in (f"{stats.ttest_rel(own, theirs).pvalue:.3f}", "< 0.001")
        assert shown["pairs"] == "6"
        of_sets = f"0: {gains[:3].mean():+.2f}, 1: {gains[3:].mean():+.2f}"
        assert shown["by data seed"] == of_sets


def test_the_difference_of_two_gains_is_paired_over_seeds():
    table = TABLES["6"]()
    results = _results(table)
    few, many = (c for c in table.columns if c.title in ("5 % macro F1 test", "20 % macro F1 test"))
    own, baseline = table.row("ReFNet-MMBT"), table.row("MMBT")
    compared = compare_gains(table, own, baseline, (few, many), results)
    of_few, of_many = (
        _values(results, own.cells[c.key], c) - _values(results, baseline.cells[c.key], c)
        for c in (few, many)
    )
    assert compared.difference == pytest.approx((of_few - of_many).mean())
    assert compared.p == pytest.approx(stats.ttest_rel(of_few, of_many).pvalue)
    assert compared.count == 6
    last = list(results)[-1]
    without = {
        job: result
        for job, result in results.items()
        if (job.cell, job.seed) != (baseline.cells["5 %"], last.seed)
    }
    assert compare_gains(table, own, baseline, (few, many), without).count == 4


def test_runs_that_are_missing_are_dashes():
    table = TABLES["2"]()
    results = _results(table)
    first = next(iter(results))
    shown = score_rows(table, {first: results[first]})
    assert "±" not in shown.rows[0][1]
    assert shown.rows[1][1] == "-"
    assert shown.rows[-1] == ["runs", "1", "", "1", ""]
    compared = comparison_rows(table, {first: results[first]})
    assert compared.rows[0][3:8] == ["-", "-", "-", "-", "0"]
    assert not any(math.isnan(float(cell)) for cell in [shown.rows[0][1]])


@pytest.mark.parametrize(
    ("name", "data_set", "metrics"),
    [
        ("2", "mmimdb", ("macro F1 test", "micro F1 test")),
        ("3", "mmimdb", ("macro F1 test", "micro F1 test")),
        ("3", "hateful_memes", ("AUROC test", "accuracy test")),
    ],
)
def test_the_paper_s_numbers_are_the_same_in_the_tables_and_in_projects(name, data_set, metrics):
    page = (PROJECTS / "README.md").read_text()
    lines = page.split(f"### `{data_set}`")[1].split("###")[0].splitlines()
    for row in TABLES[name]().rows:
        cell = row.cells[data_set]
        (line,) = [li for li in lines if li.startswith(f"| {cell.model} | {cell.variant} ")]
        for metric, shown in zip(metrics, line.split(" | ")[2:4], strict=True):
            mean, std = row.paper[metric]
            assert list(map(float, shown.split(" ± "))) == [mean, *([] if std is None else [std])]


def test_a_baseline_and_all_that_is_compared_with_it_are_of_the_same_runs():
    """Else a baseline of other seeds, or data sets, would stand beside a method."""
    table = TABLES["2"]()
    results = _results(table)
    gmu, refnet = table.row("GMU").cells["mmimdb"], table.row("ReFNet-GMU").cells["mmimdb"]
    fewer = {j: r for j, r in results.items() if j.cell != refnet or (j.data_seed, j.seed) > (0, 1)}
    shown = score_rows(table, fewer)
    pairs = sorted((j.data_seed, j.seed) for j in fewer if j.cell == refnet)
    assert len(pairs) == 4 and shown.rows[-1][1] == "4 to 6"
    for row, cells in list(zip(table.rows, shown.rows, strict=False))[:2]:
        own = [
            100 * r.value("test", "mmimdb", "refnet_macro_f1")
            for j, r in results.items()
            if j.cell == row.cells["mmimdb"] and (j.data_seed, j.seed) in pairs
        ]
        assert cells[1] == f"{np.mean(own):.2f} ± {np.std(own, ddof=1):.2f}"
    every = _values(results, table.row("Concat").cells["mmimdb"], table.columns[0])
    concat = next(cells for cells in shown.rows if cells[0] == "Concat")
    assert concat[1] == f"{every.mean():.2f} ± {every.std(ddof=1):.2f}"
    caption = comparison_rows(table, {j: r for j, r in results.items() if j.cell in (gmu, refnet)})
    assert "2 of 6 comparisons" in caption.caption
    apart = {j: r for j, r in results.items() if (j.cell == gmu) == (j.seed == 0)}
    assert score_rows(table, apart).rows[-1][1] == "2 to 4"


def test_methods_that_share_a_baseline_are_compared_over_the_same_runs():
    """Else one gamma's difference would be of other data sets than another's."""
    table = parts_of("gamma")[0]
    results = _results(table)
    baseline, usual, strong, *_ = table.rows
    only = {
        job: result
        for job, result in results.items()
        if job.cell not in strong.cells.values() or job.data_seed == 0
    }
    compared = comparison_rows(table, only)
    assert {cells[compared.header.index("pairs")] for cells in compared.rows} == {"3"}
    assert "by data seed" not in compared.header
    column = table.columns[0]
    own, theirs = (_values(only, row.cells[column.key], column)[:3] for row in (usual, baseline))
    assert compared.rows[0][3] == f"{(own - theirs).mean():+.2f}"


def test_the_table_of_gamma_shows_what_validation_would_choose_beside_what_the_test_split_says():
    table = parts_of("gamma")[0]
    chosen, tested = (
        {column.key: column for column in table.columns if column.split == split}
        for split in ("val", "test")
    )
    assert chosen.keys() == tested.keys() == {"100", "5"}
    shown = score_rows(table, _results(table))
    column = chosen["5"]
    values = _values(_results(table), table.rows[1].cells["5"], column)
    spelt = shown.rows[1][shown.header.index(column.title)]
    assert spelt == f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


def test_a_part_of_which_no_run_is_finished_is_not_shown():
    parts = parts_of("gamma")
    results = _results(parts[0])
    shown = tables_of(parts, results)
    assert shown == [score_rows(parts[0], results), comparison_rows(parts[0], results)]


def test_what_a_random_order_finds_stands_below_what_is_found():
    table = parts_of("1")[0]
    results = _results(table)
    shown = score_rows(table, results)
    column = replace(table.columns[0], metric="chance_exact_top1")
    values = [v for cell in table.cells for v in _values(results, cell, column)]
    assert shown.rows[-2][:2] == ["by chance", f"{np.mean(values):.2f}"]


def test_poolers_whose_targets_are_alike_up_to_a_factor_share_their_runs():
    """Under the cosine loss they would be the same bit for bit: no comparison tells them apart."""
    table = TABLES["5"]()
    for twin, of in (("sum last layer", "last layer"), ("sum last two layers", "last two layers")):
        row = table.row(f"average {twin}")
        assert row.cells == table.row(f"average {of}").cells and not row.baseline
    assert len(table.cells) == 4


def test_the_files_hold_the_same_cells(tmp_path):
    table = Table("Scores, 50 % & more", ["model", "a_b"], [["x", "1.00 ± 0.10"], ["y", "-"]])
    markdown = as_markdown([table], ["a note"])
    assert "**Scores, 50 % & more**" in markdown
    assert "| x       | 1.00 ± 0.10 |" in markdown
    assert markdown.endswith("* a note\n")
    latex = as_latex([table], ["a note"])
    assert "\\caption{Scores, 50 \\% \\& more.}" in latex
    assert "\\toprule" in latex
    assert list(csv.reader(io.StringIO(as_csv(table)))) == [table.header, *table.rows]
    paths = write_tables([table, table], [], tmp_path, "t")
    assert sorted(path.name for path in paths) == ["t.csv", "t.md", "t.tex", "t_2.csv"]


def test_without_a_name_the_tables_are_listed(capsys):
    assert main(["table"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert " ".join(names) == "1 2 3 4 5 6 7 a2 a5 a7 gamma probes snli-ve"


def test_an_unknown_table_ends_in_one_line(capsys):
    assert main(["table", "33"]) == 2
    said = "refnet table: TABLE: unknown table '33'; did you mean '3'? (valid: 1, 2, 3, 4, 5, 6, 7,"
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["2", "--seeds", "many"], "--seeds: expected a number, or several as in 0,1,5, got 'man"),
        (["2", "--seeds", "0"], "--seeds: expected at least one, got '0'"),
        (["2", "--scale", "big"], "--scale: unknown scale 'big'"),
        (["2", "--scale", "paper"], "--data-dir: is missing"),
        (["2", "--data-dir", "nowhere"], "--data-dir: no such folder: nowhere"),
        (["2", "--only", "bert", "--dry-run"], "--only: unknown part of a cell's name 'bert'"),
        (["2", "--only", ""], "--only: expected a part of a cell's name, got ''"),
        (["2", "--data-seeds", ""], "--data-seeds: expected a number, or several as in 0,1,5"),
        (["2", "--out", "/dev/null/x"], "--out: /dev/null is a file, not a folder"),
        (["2", "--workers", "-1"], "--workers: expected a number above 0, got -1"),
    ],
)
def test_what_is_wrong_ends_in_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", *words]) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_dry_run_prints_the_commands_and_makes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "2", "--dry-run", "--seeds", "0,4", "--only", "gmu-refnet"]) == 0
    data, *lines = capsys.readouterr().out.splitlines()
    made = tmp_path / "results/data/mmimdb-0"
    assert data == f"refnet data make mmimdb --size mini --seed 0 --out {made}"
    assert len(lines) == 2
    assert all(
        line.startswith("OMP_NUM_THREADS=1 mmf_run env.user_dir=refnet_mmf config=")
        for line in lines
    )
    assert [line.split("training.seed=")[1].split()[0] for line in lines] == ["0", "4"]
    assert not list(tmp_path.iterdir())


def test_notes_of_several_lines_stay_notes(tmp_path):
    table = Table("R^2 of 50 % & more", ["model"], [["GMU"]])
    write_tables([table], ["one", "Failed: run:\n  last line\n  the error"], tmp_path, "t")
    tex = (tmp_path / "t.tex").read_text()
    assert tex.endswith("% one\n\n% Failed: run:\n%   last line\n%   the error\n")
    assert r"\caption{R\^{}2 of 50 \% \& more.}" in tex
    assert "* Failed: run:\n    last line\n" in (tmp_path / "t.md").read_text()
    text = csv_text(["a"], [[1]], ["one", "two\nthree"])
    assert text == "# one\n# two\n# three\na\n1\n"


@pytest.mark.parametrize(("given", "seeds"), [("2", {0, 1}), ("4,", {4}), ("4,0,4", {0, 4})])
def test_seeds_are_a_number_of_them_or_these(given, seeds, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "2", "--dry-run", "--only", "gmu-refnet", "--seeds", given]) == 0
    found = re.findall(r"training.seed=(\d+)", capsys.readouterr().out)
    assert sorted(map(int, found)) == sorted(seeds)
