"""The report: claims, tables and figures of what is finished, on one page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from zlib import crc32

import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments.experiment_names import METRICS
from refnet_mmf.experiments.grid import run_folder
from refnet_mmf.experiments.grid.cell import jobs_of
from refnet_mmf.experiments.grid.options import data_folder
from refnet_mmf.experiments.grid.statistics import compare
from refnet_mmf.experiments.page import Page, Section, render_page
from refnet_mmf.experiments.page_markdown import write_markdown
from refnet_mmf.experiments.plain_table import Table, as_text
from refnet_mmf.experiments.report.claim_verdicts import Tested, comparisons_of, evidence, verdict
from refnet_mmf.experiments.report.claims import CLAIMS
from refnet_mmf.experiments.report.collect import Place, finished_runs, measured_rounds
from refnet_mmf.experiments.report.other_claims import _judge_ratios, graph_claim, time_claims
from refnet_mmf.experiments.report.report_command import from_here, seeds_of
from refnet_mmf.experiments.tables import training_time
from refnet_mmf.experiments.tables.embedding_measures import known
from refnet_mmf.experiments.tables.known_tables import SCORE_TABLES, measures_of, parts_of
from refnet_mmf.experiments.tables.paper_tables import TABLES
from refnet_mmf.experiments.tables.probe_scores import PROBES
from refnet_mmf.experiments.tables.retrieval_scores import RETRIEVAL
from refnet_mmf.experiments.tables.training_time import Ratio, rounds_of, timed_cells
from tests.experiments.finished_runs import write_finished, write_measure

GAIN = {"baseline": 0.0, "refnet": 0.02, "refnetms": 0.03}


@pytest.fixture
def results(tmp_path):
    """Finished runs of Table 2, as the runner leaves them: three seeds, two sets, one missing."""
    out = tmp_path / "results"
    table = TABLES["2"]()
    for data_seed in (0, 4):
        data = {("mmimdb", data_seed): data_folder(out, "mmimdb", data_seed)}
        for job in jobs_of(table.cells, "mini", data, (0, 1, 7), out / "runs"):
            if (job.cell.model, data_seed, job.seed) == ("gmu", 4, 7):
                continue
            value = 0.5 + GAIN[job.cell.variant] + 0.001 * job.seed * (1 + data_seed)
            value += 0.0001 * hash_of(job.run.folder)
            write_finished(job, {"test": {c.metric: value for c in table.columns}}, 3600.0)
    return out


def hash_of(folder: Path) -> int:
    """A number from 0 to 9 that differs between runs and is the same tomorrow."""
    return crc32(folder.as_posix().partition("results")[2].encode()) % 10


def test_the_claims_name_rows_and_columns_that_there_are():
    for claim in CLAIMS:
        table = next(part for part in parts_of(claim.table) if part.part == claim.part)
        columns = {column.title: column for column in table.columns}
        for titles in claim.pairs:
            for row in map(table.row, titles):
                for title in claim.columns:
                    for one in (title,) if isinstance(title, str) else title:
                        assert columns[one].key in row.cells, (claim.text, one)


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ([(1, 1.1, 1.2)], "seen here"),
        ([(1, 1.1, 1.2), (1, -1, 0.1)], "seen here in part"),
        ([(1, -1, 0.1)], "not seen here"),
        ([(1, 1.1, 1.2), (-1, -1.1, -1.2)], "mixed here"),
        ([(-1, -1.1, -1.2)], "the opposite seen here"),
        ([(-1, -1.1, -1.2), (1, -1, 0.1)], "the opposite seen here in part"),
        ([(1,)], "too few pairs"),
        ([(1, 1)], "too few pairs"),
        ([], "not run"),
        ([(1, 1.1, 1.2), ()], "in part run"),
    ],
)
def test_a_claim_is_judged_by_the_sides_of_its_intervals(own, seen):
    assert verdict([judged(values) for values in own]) == seen


def judged(differences, floor=None):
    compared = compare(differences, [0.0] * len(differences))
    return Tested("ReFNet-GMU", "GMU", "micro F1 test", compared, True, floor)


def test_where_nothing_was_learnt_nothing_is_judged():
    at_chance = [judged((1, 1.1, 1.2), 51.5), judged((1, -1, 0.1), 50.5)]
    assert verdict(at_chance) == "not testable here"
    assert evidence(at_chance).endswith("3 pairs; near chance, down to 50.5")
    assert verdict([at_chance[0], judged((1, 1.1, 1.2))]) == "seen here"


def test_the_evidence_counts_every_comparison_of_the_claim():
    known, few = judged((1, 1.1, 1.2, 1.1)), judged((-1, -1.1, -1.2))
    assert evidence([known, few, judged(())]).startswith(
        "1 of 3 above 0, 1 below; difference -1.10"
    )
    assert evidence([known, few]).endswith("points; 3 to 4 pairs")
    assert evidence([judged((1,))]).startswith("1 pair of runs, too few")


@pytest.mark.parametrize(("auroc", "floor"), [((0.51, 0.525), 51), ((0.51, 0.56), None)])
def test_an_auroc_near_chance_is_no_ground_for_a_claim(tmp_path, auroc, floor):
    (claim,) = [
        c for c in CLAIMS if c.text.startswith("With 5 % of the labels ReFNet improves the")
    ]
    table = TABLES["4"]()
    cells = [c for c in table.cells if c.label == "labels05" and c.model == "mmbt"]
    place = Place(tmp_path, "mini", None)
    for job in place.jobs(cells, [(0, 0), (0, 1), (0, 2)]):
        value = auroc[job.cell.variant == "refnet"] + 0.001 * job.seed**2 * len(job.cell.variant)
        values = {"refnet_roc_auc": value - 0.0075, "refnet_accuracy": 0.6}
        write_finished(job, {"test": values, "val": values})
    *_, of_mmbt = comparisons_of(claim, table, finished_runs(cells, place).results)
    assert of_mmbt.compared.count == 3 and of_mmbt.in_table
    assert of_mmbt.floor == (None if floor is None else pytest.approx(floor, abs=1))


@pytest.mark.parametrize(("found", "floor"), [(0.10, 10), (0.16, None)])
def test_retrieval_no_better_than_a_random_order_is_no_ground_for_a_claim(tmp_path, found, floor):
    claim = next(c for c in CLAIMS if c.text.endswith("by the image alone, query: padded"))
    table = next(part for part in parts_of("1") if part.part == claim.part)
    place = Place(tmp_path, "mini", None)
    for job in place.jobs(table.cells, [(0, 0), (0, 1), (0, 2)]):
        write_finished(job, {"test": {"refnet_micro_f1": 0.5}})
        scores = {c.chance: 0.114 for c in table.columns}
        spread = 0.001 * job.seed**2 * len(job.cell.variant)
        write_measure(job, RETRIEVAL, {c.metric: found + spread for c in table.columns} | scores)
    outcome = known(finished_runs(table.cells, place), RETRIEVAL)
    tests = comparisons_of(claim, table, outcome.results)
    assert [t.floor for t in tests] == [floor if floor is None else pytest.approx(floor, abs=2)] * 8
    assert (verdict(tests) == "not testable here") == (floor is not None)


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([(0, 0)], "data seed 0, seed 0"),
        ([(0, 5), (0, 0)], "data seed 0, seeds 0, 5"),
        ([(d, s) for d in (0, 1, 2) for s in range(8)], "data seeds 0 to 2, seeds 0 to 7"),
        ([(0, 0), (0, 1), (0, 2), (4, 7)], "data seed 0, seeds 0 to 2; data seed 4, seed 7"),
        ([], ""),
    ],
)
def test_seeds_are_named_in_short(seeds, words):
    place = Place(Path("results"), "mini", None)
    assert seeds_of(place.jobs([TABLES["2"]().cells[0]], seeds)) == words


def test_commands_are_as_typed_where_the_report_is_made(results, monkeypatch):
    monkeypatch.chdir(results.parent)
    assert main(["report", "--out", "results", "--markdown", "page.md"]) == 0
    for page in ("page.md", "results/report_mini.html"):
        text = Path(page).read_text()
        assert "env.data_dir=results/data/mmimdb-4 " in text
        assert "env.save_dir=results/runs/mini/mmimdb-gmu-baseline/data-4/seed-1" in text
        assert str(results) not in text


def test_commands_of_runs_of_another_place_are_named_from_there():
    run = "env.save_dir=/far/results/runs/mini/mmimdb-gmu-baseline/data-0/seed-1"
    command = f"mmf_run config=/far/clone/a.yaml env.data_dir=/far/results/data/mmimdb-0 {run}"
    assert from_here(command) == (
        "mmf_run config=clone/a.yaml env.data_dir=results/data/mmimdb-0 "
        "env.save_dir=results/runs/mini/mmimdb-gmu-baseline/data-0/seed-1"
    )


def test_words_stand_left_numbers_right_and_none_is_broken():
    rows = [["a", "12.00 ± 0.10", "-1.00 to +2.00", "top-5 of three"], ["b", "-", "-", "-"]]
    table = Table("caption", ["", "score", "interval", "metric"], rows)
    assert table.of_words == [True, False, False, True]
    shown = as_text(table).splitlines()
    assert shown[5] == "b             -               -  -"
    page = render_page(Page("title", "notice", [Section("s", tables=[table])]))
    assert "<td>12.00\xa0±\xa00.10</td><td>-1.00\xa0to\xa0+2.00</td>" in page
    assert '<td class="words">top-5 of three</td>' in page


def test_what_is_finished_is_found_with_whatever_seeds(results):
    found = finished_runs(TABLES["2"]().cells, Place(results, "mini", None))
    assert not found.failures
    seeds = {(job.data_seed, job.seed) for job in found.results}
    assert seeds == {(data, seed) for data in (0, 4) for seed in (0, 1, 7)}
    assert len(found.results) == 6 * 6 - 2  # GMU's two cells lack one seed
    assert not finished_runs(TABLES["3"]().cells, Place(results, "mini", None)).results


def test_the_page_holds_claims_tables_figures_and_commands(results, capsys):
    assert main(["figure", "9", "--out", str(results / "figures"), "--modalities", "16"]) == 0
    assert main(["report", "--out", str(results)]) == 0
    said = capsys.readouterr().out
    line = next(li for li in said.splitlines() if "GMU, LinearSum and Concat" in li)
    assert "  seen here  " in line and "6 of 6 above 0, 0 below" in line and "5 to 6 pairs" in line
    assert "not run" in next(li for li in said.splitlines() if "SNLI-VE" in li)
    page = (results / "report_mini.html").read_text()
    assert "MINIATURE" in page and "34, 34.0 hours together" in page
    assert "Table 2: REFINER on fusion modules" in page and "Table 3:" not in page
    assert page.count("mmf_run env.user_dir=refnet_mmf") == 6
    assert page.count("data:image/svg+xml") == 1
    assert not re.search(r"<script|(src|href)=.https?:", page)


def test_the_page_is_written_as_markdown_too(results, tmp_path, capsys):
    assert main(["figure", "9", "--out", str(results / "figures"), "--modalities", "16"]) == 0
    page = tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    assert main(["report", "--out", str(results), "--markdown", str(page)]) == 0
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    assert "MINIATURE" in text and "## Table 2: REFINER on fusion modules, MM-IMDB" in text
    row = next(li for li in text.splitlines() if "GMU, LinearSum and Concat" in li)
    assert [cell.strip() for cell in row.split("|")][3] == "seen here"
    assert text.count("mmf_run env.user_dir=refnet_mmf") == 6
    drawn = re.findall(r"!\[[^]]*\]\(([^)]*)\)", text)
    assert drawn == ["results/picture_1.svg"]
    picture = (page.parent / drawn[0]).read_bytes()
    assert picture == next((results / "figures").glob("*.svg")).read_bytes()


def test_a_report_does_not_find_its_own_pictures(results, monkeypatch):
    monkeypatch.chdir(results.parent)
    assert main(["figure", "9", "--out", "results/figures", "--modalities", "16"]) == 0
    for _ in range(2):
        assert main(["report", "--markdown", "results.md"]) == 0
        assert len(re.findall(r"!\[", Path("results.md").read_text())) == 1


def test_markdown_shows_signs_as_they_are(tmp_path):
    table = Table("a *caption*", ["a|b"], [["refnet_mmbt <script>"]])
    page = Page("title_of [it]", "notice", [Section("s", ["x < 1"], [table])], {"a_b": "c|d"})
    (path,) = write_markdown(page, tmp_path / "page.md")
    lines = [" ".join(line.split()) for line in path.read_text().splitlines() if line]
    assert lines[:5] == [
        "# title\\_of \\[it]",
        "**notice**",
        "## s",
        "x \\< 1",
        "*a \\*caption\\**",
    ]
    assert lines[5] == "| a\\|b |" and lines[7] == "| refnet\\_mmbt \\<script> |"
    assert lines[8:] == ["## How this was made", "* a\\_b: c\\|d"]


def test_what_was_measured_of_runs_is_shown_and_runs_without_are_left_out(results, capsys):
    for name in ("7", "probes"):
        (part, *_), (measure,) = parts_of(name), measures_of(name)
        found = finished_runs(part.cells, Place(results, "mini", None)).results
        assert found
        for job in found:
            if job.seed < 7:
                scores = {
                    metric: 0.1 * job.seed
                    for other in SCORE_TABLES
                    if measures_of(other) == (measure,)
                    for one in parts_of(other)
                    for column in one.columns
                    for metric in column.metrics
                }
                write_measure(job, measure, scores)
    assert main(["report", "--out", str(results)]) == 0
    page = (results / "report_mini.html").read_text()
    assert f"Table 7: {SCORE_TABLES['7']}" in page and "Table 1 (query padded)." in page
    assert f"Table probes: {SCORE_TABLES['probes']}" in page
    kept = next(li for li in capsys.readouterr().out.splitlines() if "keeps more of each" in li)
    assert "in part run" in kept and "0 of 10 above 0, 0 below" in kept and "4 pairs" in kept


def test_training_times_are_judged_by_the_papers_range(results, capsys):
    place = Place(results, "mini", None)
    jobs = place.jobs(timed_cells(), [(0, 0), (0, 1), (0, 2)])
    for one in rounds_of(jobs):
        seed = next(iter(one.jobs.values())).seed
        for job in one.jobs.values():
            job.run.folder.mkdir(parents=True)
            run_folder.start(job.run)
        if seed == 2:
            continue
        of_refnet = 1.04 + 0.002 * seed if one.model == "mmbt" else 1.08 + 0.002 * seed
        seconds = {"baseline": 0.1, "refnet": 0.1 * of_refnet, "refnetms": 0.106 + 0.001 * seed}
        content = {
            **training_time.identity(one),
            **{"machine": "a machine", "load": 0.5},
            "seconds": {variant: [value] * 3 for variant, value in seconds.items()},
        }
        run_folder.write_json(content, one.path)
    assert main(["report", "--out", str(results)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for method in ("ReFNet takes 3 to 5 % more", "ReFNetMS takes 30 to 35 %"):
        assert "not testable here" in next(li for li in lines if li.startswith(method))
    assert "MMBT 1.041 (1.0" in next(li for li in lines if li.startswith("ReFNet takes"))
    judged = [row[2] for row in time_claims(*measured_rounds(place), "paper")]
    assert judged == ["seen here in part", "less here"]
    page = (results / "report_mini.html").read_text()
    assert "Table a7: training time" in page and "Measured on a machine" in page


@pytest.mark.parametrize(
    ("ratios", "word"),
    [
        ([(1.035, 1.045), (1.04, 1.06)], "seen here"),
        ([(1.035, 1.045), (1.06, 1.07)], "seen here in part"),
        ([(0.99, 1.01), (1.19, 1.21)], "mixed here"),
        ([(1.06, 1.07), (1.19, 1.21)], "more here"),
        ([(0.5, 2.5), (0.9, 1.1)], "not sure here"),
    ],
)
def test_a_time_is_judged_by_where_its_interval_lies(ratios, word):
    assert (
        _judge_ratios([Ratio((low + high) / 2, low, high) for low, high in ratios], 1.03, 1.05)
        == word
    )


def test_comparisons_that_no_table_shows_are_on_the_page(place, capsys):
    cells = [c for c in TABLES["6"]().cells if c.model == "mmbt" and c.variant != "refnetms"]
    for job in place.jobs(cells, [(0, seed) for seed in range(4)]):
        gain = {"labels05": 0.05, "labels10": 0.02, "labels20": 0.01}[job.cell.label]
        value = 0.4 + gain * (job.cell.variant == "refnet") * (1 + 0.1 * job.seed)
        write_finished(job, {"test": dict.fromkeys(METRICS["mmimdb"].values(), value)})
    assert main(["report", "--out", str(place.out), "--data-dir", str(place.data_dir)]) == 0
    page = (place.out / "report_mini.html").read_text()
    assert "5 % macro F1 test, less that in 20 % macro F1 test" in page
    assert "and which no table shows" in page
    assert "These are 4 comparisons together." in page


def test_the_graph_is_judged_by_the_numbers_of_figure_8(results, capsys):
    figures = str(results / "figures")
    assert main(["figure", "8", "--out", figures, "--modalities", "8", "--seeds", "2"]) == 0
    assert main(["report", "--out", str(results)]) == 0
    line = next(li for li in capsys.readouterr().out.splitlines() if "exactly at k = m" in li)
    assert "  seen here  " in line and "largest relative error" in line
    numbers = results / "figures" / "figure_8.csv"
    spoilt = re.sub(r"^(8,Gaussian,d = 2 m,8,)[^,]*", r"\g<1>0.25", numbers.read_text(), flags=re.M)
    numbers.write_text(spoilt)
    assert main(["report", "--out", str(results)]) == 0
    line = next(li for li in capsys.readouterr().out.splitlines() if "exactly at k = m" in li)
    assert "not seen here" in line and "0.2" in line
    numbers.write_text(re.sub("0.25", "nan", spoilt, count=1))
    assert "not seen here" in graph_claim(results / "figures")


def test_a_run_of_another_version_is_left_out_and_named(results, capsys):
    broken = next(results.glob("runs/mini/mmimdb-gmu-refnet/data-0/seed-0/run.json"))
    broken.write_text(broken.read_text().replace('"torch": "', '"torch": "0.'))
    assert main(["report", "--out", str(results)]) == 0
    page = (results / "report_mini.html").read_text()
    assert "Left out: " in page and "holds a run with another version" in page


def test_scores_that_other_versions_have_made_are_left_out_and_named(results):
    parts = parts_of("probes")
    scores = {column.metric: 0.5 for part in parts for column in part.columns}
    first, *others = finished_runs(parts[0].cells, Place(results, "mini", None)).results
    for job in (first, *others):
        write_measure(job, PROBES, scores)
    file = first.run.folder / PROBES.file_name
    file.write_text(file.read_text().replace('"torch": "', '"torch": "0.'))
    assert main(["report", "--out", str(results)]) == 0
    page = (results / "report_mini.html").read_text()
    assert "holds scores of other versions; remove it, and they are made again" in page
    assert f"{len(others)} finished runs" in page


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_score_that_is_no_number_is_left_out_and_named(results, value, capsys):
    broken = next(results.glob("runs/mini/mmimdb-gmu-refnet/data-0/seed-0/result.json"))
    content = json.loads(broken.read_text())
    content["values"]["test"]["test/mmimdb/refnet_micro_f1"] = value
    broken.write_text(json.dumps(content))
    assert main(["report", "--out", str(results)]) == 0
    page = (results / "report_mini.html").read_text()
    assert f"test/mmimdb/refnet_micro_f1 is {value}" in page


def test_a_run_that_lacks_a_score_is_left_out_and_named(results, capsys):
    broken = next(results.glob("runs/mini/mmimdb-gmu-refnet/data-0/seed-0/result.json"))
    broken.write_text(broken.read_text().replace("refnet_micro_f1", "f1"))
    assert main(["report", "--out", str(results)]) == 0
    line = next(li for li in capsys.readouterr().out.splitlines() if "GMU, LinearSum" in li)
    assert "4 to 6 pairs" in line
    page = (results / "report_mini.html").read_text()
    assert f"{broken.parent}: no value test/mmimdb/refnet_micro_f1" in page
    assert main(["table", "2", "--out", str(results), "--seeds", "2"]) == 1
    assert "1 of 12 runs failed" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["k,m\n8,8\n", "k,m,relative_error_mean\n8,8,x\n", b"\xff\xfe"])
def test_damaged_numbers_of_a_figure_are_named_in_the_line_of_their_claim(results, damage, capsys):
    file = results / "figures" / "figure_8.csv"
    file.parent.mkdir()
    file.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    assert main(["report", "--out", str(results)]) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if "graph, exactly" in row]
    assert "not run" in line
    assert line.endswith(f"{file}: damaged; 'refnet figure 8' writes it anew")


def test_runs_on_miniature_data_that_was_named_are_reported_with_it(place, capsys):
    cell = TABLES["2"]().cells[0]
    for job in place.jobs([cell], [(0, 0), (0, 1)]):
        write_finished(job, {"test": {c.metric: 0.5 for c in TABLES["2"]().columns}})
    words = ["report", "--out", str(place.out), "--data-dir", str(place.data_dir)]
    assert main(words) == 0
    page = (place.out / "report_mini.html").read_text()
    assert "2 finished runs; data seed 0, seeds 0, 1" in page and "another command" not in page
    capsys.readouterr()
    assert main([*words, "--scale", "paper"]) == 1
    assert "holds MINIATURE data (miniature.json)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scale", "huge"], "--scale: unknown scale 'huge'"),
        (["--scale", "paper"], "--data-dir: is missing"),
        ([], "--out: no results in "),
        (["--markdown", "results.html"], "--markdown: expected a name that ends in .md"),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path, capsys, words, message):
    assert main(["report", "--out", str(tmp_path), *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"refnet report: {message}") and error.count("\n") == 1


def test_every_figure_of_the_scale_is_on_the_page(results):
    figures = results / "figures"
    figures.mkdir()
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><dc:title>Figure 4: gamma</dc:title></svg>'
    for name in ("figure_4_mini", "figure_4_gmu_mini", "figure_4_paper", "figure_9"):
        (figures / f"{name}.svg").write_text(svg)
    assert main(["report", "--out", str(results)]) == 0
    page = (results / "report_mini.html").read_text()
    for name in ("figure_4_mini", "figure_4_gmu_mini", "figure_9"):
        assert f"Figure 4: gamma ({name})" in page
    assert "figure_4_paper" not in page


def test_a_figure_of_another_version_is_left_out_and_named(results):
    assert main(["figure", "9", "--out", str(results / "figures"), "--modalities", "16"]) == 0
    (old,) = (results / "figures").glob("*.svg")
    text = old.read_text()
    made_by = re.search(r"Made by refnet_mmf ([\d.]+)", text)
    new = old.with_name("figure_9_new.svg")
    new.write_text(text)
    old.write_text(text.replace(made_by[0], "Made by refnet_mmf 0.0.1"))
    assert main(["report", "--out", str(results)]) == 0
    page = (results / "report_mini.html").read_text()
    assert f"Left out: {old.stem}: made by refnet_mmf 0.0.1, Python " in page
    assert f"({new.stem})" in page and f"({old.stem})" not in page


def test_where_every_run_is_of_another_version_the_page_says_so(results):
    for file in results.glob("runs/mini/*/*/*/run.json"):
        file.write_text(file.read_text().replace('"torch": "', '"torch": "0.'))
    assert main(["report", "--out", str(results)]) == 0
    page = (results / "report_mini.html").read_text()
    assert page.count("Left out: ") >= 34 and "holds a run with another version" in page
    assert "0 finished runs" in page


def test_a_report_writes_nothing_into_the_runs(results):
    before = {file: file.stat().st_mtime_ns for file in results.rglob("*.json")}
    assert main(["report", "--out", str(results)]) == 0
    assert before == {file: file.stat().st_mtime_ns for file in results.rglob("*.json")}
