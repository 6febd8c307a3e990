"""Tables 1 and 7: from finished runs' best checkpoints to top-k, measured once."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from refnet_mmf.cli import main
from refnet_mmf.experiments.grid.cell import Cell, jobs_of
from refnet_mmf.experiments.report.collect import Place
from refnet_mmf.experiments.retrieval import KS, queries_of, retrieve
from refnet_mmf.experiments.tables.retrieval_tables import TITLES, retrieval_tables
from refnet_mmf.plugin.embedding_set import EmbeddingSet

pytest.importorskip("mmf", reason="MMF is not installed: refnet install-mmf")

from refnet_mmf.experiments.grid.runner import finished, run_all
from refnet_mmf.experiments.probes import READ, feature_probe
from refnet_mmf.experiments.tables.embedding_measures import known, measured, stored_scores
from refnet_mmf.experiments.tables.probe_scores import PROBES, probe_scores
from refnet_mmf.experiments.tables.retrieval_scores import (
    RETRIEVAL,
    chance_name,
    retrieval_scores,
    score_name,
)
from refnet_mmf.experiments.tables.score_table import Row, ScoreTable, comparison_rows, score_rows

SHORT = (
    *("training.max_updates=2", "training.batch_size=8", "training.evaluation_interval=2"),
    *("training.checkpoint_interval=2", "scheduler.params.num_warmup_steps=1"),
)


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("match", ["exact", "any"])
def test_each_form_of_the_query_is_a_part_and_every_cell_has_its_yaml(name, match):
    parts = retrieval_tables(name, match)
    assert [part.part for part in parts] == ["query fused", "query padded"]
    for part in parts:
        for column, k in zip(part.columns, KS, strict=True):
            modality = {"1": "image", "7": "text"}[name]
            form = part.part.removeprefix("query ")
            assert column.metric == score_name(modality, form, match, k)
            assert column.chance == chance_name(match, k)
            assert column.split == "test"
        assert len({row.title for row in part.rows}) == len(part.rows)
        for row in part.rows:
            assert not row.baseline or row.baseline == part.row(row.baseline).title
        for cell in part.cells:
            assert cell.config("mini").is_file() and cell.config("paper").is_file()
    assert parts[0].cells == parts[1].cells == retrieval_tables("1")[0].cells


def test_the_papers_numbers_stand_beside_ours():
    image, text = (retrieval_tables(name)[1] for name in ("1", "7"))
    assert image.row("GMU").paper["top-1"] == (27.44, None)
    assert image.row("ReFNet-MMBT").paper["top-10"] == (70.05, None)
    assert text.row("ReFNet-GMU").paper["top-5"] == (53.05, None)


def test_scores_are_those_of_refnet_retrieve():
    random = np.random.default_rng(0)
    modalities = ("text", "image")
    embeddings = EmbeddingSet(
        ids=np.arange(40),
        fused=random.normal(size=(40, 6)),
        features={name: random.normal(size=(40, 9)) for name in modalities},
        queries={name: random.normal(size=(40, 6)) for name in modalities},
        labels=random.integers(0, 2, (40, 3)),
    )
    scores = retrieval_scores({"test": embeddings})
    assert len(scores) == (2 * 2 * 2 + 2) * len(KS)
    for modality in modalities:
        for form in ("fused", "padded"):
            for match in ("exact", "any"):
                queries = queries_of(embeddings, modality, form)
                found = retrieve(queries, embeddings.fused, embeddings.labels, match=match)
                for k in KS:
                    assert scores[score_name(modality, form, match, k)] == found.hits[k]
                    assert scores[chance_name(match, k)] == found.chance[k]
    with pytest.raises(ValueError, match="no labels"):
        retrieval_scores({"test": EmbeddingSet(embeddings.ids, embeddings.fused, {}, {})})


@pytest.fixture(scope="module")
def trained(movies, tmp_path_factory):
    """Two finished runs of GMU on the tiny movies, and their outcome."""
    cells = [Cell("mmimdb", "gmu", variant, SHORT) for variant in ("baseline", "refnet")]
    out = tmp_path_factory.mktemp("retrieval")
    outcome = run_all(jobs_of(cells, "mini", {("mmimdb", 0): movies}, (0,), out), workers=1)
    assert not outcome.failures
    return outcome


@pytest.mark.mmf
@pytest.mark.slow
class TestFinishedRuns:
    """What is made of real runs."""

    def test_the_best_checkpoint_is_measured_once_on_the_test_split(self, trained, tmp_path):
        from refnet_mmf.experiments.embedding_file import read_embeddings

        assert not known(trained, RETRIEVAL).results
        scored = measured(trained, RETRIEVAL, 2)
        assert not scored.failures
        assert known(trained, RETRIEVAL) == scored
        for job, result in scored.results.items():
            out = tmp_path / f"{job.cell.name}.npz"
            assert main(["embed", str(job.run.folder), "--split", "test", "--out", str(out)]) == 0
            for name, score in retrieval_scores({"test": read_embeddings(out).embeddings}).items():
                assert result.value("test", "mmimdb", name) == pytest.approx(score, abs=1e-9)
            assert result.value("test", "mmimdb", "refnet_micro_f1") == trained.results[job].value(
                "test", "mmimdb", "refnet_micro_f1"
            )
        written = {
            job: (job.run.folder / RETRIEVAL.file_name).stat().st_mtime_ns for job in scored.results
        }
        assert measured(trained, RETRIEVAL, 2).results == scored.results
        assert written == {
            job: (job.run.folder / RETRIEVAL.file_name).stat().st_mtime_ns for job in scored.results
        }

    def test_runs_that_were_moved_are_measured_on_the_data_that_was_moved_with_them(
        self, trained, movies, tmp_path
    ):
        here = tmp_path / "here"
        shutil.copytree(movies, here / "data" / "mmimdb-0")
        jobs = Place(here, "mini", None).jobs([Cell("mmimdb", "gmu", "baseline", SHORT)], [(0, 0)])
        assert not run_all(jobs, workers=1).failures
        there = shutil.move(here, tmp_path / "there")
        moved = Place(there, "mini", None).jobs([jobs[0].cell], [(0, 0)])
        scored = measured(finished(moved), RETRIEVAL, 1)
        assert not scored.failures and list(scored.results) == moved
        for checkpoint in moved[0].run.folder.rglob("*.ckpt"):
            checkpoint.unlink()
        assert measured(finished(moved), RETRIEVAL, 1) == scored
        (reason,) = measured(finished(moved), PROBES, 1).failures.values()
        assert "the run is finished, and its checkpoints are gone; remove the folder" in reason

    def test_probes_are_fitted_on_the_training_split_and_judged_on_the_test_split(
        self, trained, tmp_path
    ):
        from refnet_mmf.experiments.embedding_file import read_embeddings

        scored = measured(trained, PROBES, 2)
        assert not scored.failures
        for job, result in scored.results.items():
            sets = {}
            for split in ("train", "test"):
                out = tmp_path / f"{job.cell.name}-{split}.npz"
                words = ["embed", str(job.run.folder), "--split", split, "--out", str(out)]
                assert main(words) == 0
                sets[split] = read_embeddings(out).embeddings
            expected = probe_scores(sets)
            names = {f"probe_{m}_{of}_r2" for m in ("text", "image") for of in READ}
            assert set(expected) == {*names, "probe_labels"}
            for name, score in expected.items():
                assert result.value("test", "mmimdb", name) == pytest.approx(score, abs=1e-6)
            for of in READ:
                pairs = ((each.fused, getattr(each, of)["text"]) for each in sets.values())
                assert expected[f"probe_text_{of}_r2"] == pytest.approx(feature_probe(*pairs)[0])

    def test_a_table_is_made_of_them(self, trained):
        part = retrieval_tables("1")[0]
        scored = measured(trained, RETRIEVAL, 2)
        baseline, refnet = trained.results
        rows = [
            Row("GMU", {"mmimdb": baseline.cell}, "", part.row("GMU").paper),
            Row("ReFNet-GMU", {"mmimdb": refnet.cell}, "GMU", part.row("ReFNet-GMU").paper),
        ]
        table = ScoreTable("1", part.title, part.columns, rows, part=part.part)
        shown = score_rows(table, scored.results)
        assert shown.caption.startswith("Table 1 (query fused). retrieval on MM-IMDB by the image")
        scores = [
            100 * scored.results[job].value("test", "mmimdb", "image_fused_exact_top1")
            for job in (baseline, refnet)
        ]
        *methods, by_chance, runs = shown.rows
        assert by_chance[0] == "by chance" and 0 < float(by_chance[1]) < 100
        assert [row[1] for row in methods] == [f"{score:.2f}" for score in scores]
        assert [row[2] for row in methods] == ["27.44", "42.67"]
        assert runs[:2] == ["runs", "1"]
        compared = comparison_rows(table, scored.results)
        assert compared.rows[0][3] == f"{scores[1] - scores[0]:+.2f}"
        assert compared.rows[0][-1] == "+15.23"

    def test_what_is_cut_off_is_never_read_and_another_checkpoint_is_measured_anew(
        self, trained, tmp_path
    ):
        job, _ = measured(trained, RETRIEVAL, 2).results
        folder = tmp_path / "copy"
        shutil.copytree(job.run.folder, folder)
        assert stored_scores(folder, RETRIEVAL)
        whole = (folder / RETRIEVAL.file_name).read_text()
        with (folder / "best.ckpt").open("ab") as file:
            file.write(b"0")
        assert stored_scores(folder, RETRIEVAL) is None
        (folder / "best.ckpt").unlink()
        assert stored_scores(folder, RETRIEVAL)
        assert stored_scores(folder, replace(RETRIEVAL, revision=RETRIEVAL.revision + 1)) is None
        for content in (whole[:60], '{"scores": {}}'):
            (folder / RETRIEVAL.file_name).write_text(content)
            with pytest.raises(ValueError, match=RETRIEVAL.file_name):
                stored_scores(folder, RETRIEVAL)

    def test_a_run_without_a_checkpoint_is_a_failure_and_the_rest_goes_on(self, trained, tmp_path):
        from dataclasses import replace

        from refnet_mmf.experiments.grid.runner import Outcome

        first, second = trained.results
        lost = replace(first, run=replace(first.run, folder=tmp_path))
        outcome = Outcome({lost: trained.results[first], second: trained.results[second]})
        scored = measured(outcome, RETRIEVAL, 1)
        assert list(scored.results) == [second]
        assert scored.failures[lost].startswith("retrieval: ")
        assert "\n" not in scored.failures[lost]
        assert not (tmp_path / RETRIEVAL.file_name).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1", "--match", "some"], "--match: unknown rule 'some' (valid: any, exact)"),
        (["2", "--match", "any"], "--match: only tables 1 and 7 have a rule of matching, not 2"),
        (["7", "--only", "vilbert"], "--only: unknown part of a cell's name 'vilbert'"),
    ],
)
def test_what_is_wrong_ends_in_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", *words]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
