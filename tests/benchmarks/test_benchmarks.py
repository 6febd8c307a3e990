"""What is raced computes the same, and the race gives the table of the documentation."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.__main__ import PARTS, main, split_at
from benchmarks.interleaved import ratio
from benchmarks.losses import LOSSES, MMF_MAIN, OURS, random_batch
from benchmarks.memory import peak_mebibytes

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch", [8, 40])
def test_all_contenders_compute_the_same(loss, batch):
    first, second = random_batch(loss, batch, 32, torch.float32, "cpu")
    contenders = LOSSES[loss]()
    expected = contenders[OURS](first, second)
    (gradient,) = torch.autograd.grad(expected, first)
    for name, function in contenders.items():
        if (loss, name) == ("refiner-contrastive", MMF_MAIN):
            continue
        value = function(first, second)
        torch.testing.assert_close(value.squeeze(), expected)
        if value.requires_grad:
            torch.testing.assert_close(torch.autograd.grad(value, first)[0], gradient)


def test_a_ratio_is_the_median_of_the_rounds_with_its_interval():
    reference = [1.0, 2.0, 1.0, 4.0, 1.0]
    same = ratio([3 * value for value in reference], reference)
    assert (same.median, same.low, same.high) == (3, 3, 3)
    mixed = ratio([2.0, 2.0, 3.0, 4.0, 9.0], reference)
    assert mixed.median == 2 and mixed.low == 1 and mixed.high == 9


def test_the_command_prints_the_table_and_puts_it_into_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- begin losses cpu -->\nold\n<!-- end losses cpu -->\nbelow\n")
    command = [sys.executable, "-m", "benchmarks", "losses", "--size", "quick", "--page", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    text = page.read_text()
    assert text.startswith("above\n") and text.endswith("below\n") and "old" not in text
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 8 and all(row in text for row in rows)


def test_a_page_without_the_marks_is_named_before_anything_is_measured(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(SystemExit, match="page.md: has no place for 'losses cpu'"):
        main(["losses", "--page", str(page)])
    assert capsys.readouterr().out == ""


def test_the_memory_of_a_function_is_what_it_allocates():
    def allocate():
        first = torch.ones(2**20)  # 4 MiB
        del first
        second, third = torch.ones(2**20), torch.ones(2**19)
        return second, third

    assert peak_mebibytes(allocate) == pytest.approx(6, abs=0.1)


@pytest.mark.slow
def test_growth_is_measured_on_several_ranks():
    command = [sys.executable, "-m", "benchmarks", "growth", "--size", "quick"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 6 + 4 + 5 + 3


@pytest.mark.mmf
@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "rows"), [(["steps", "imports"], 1 + 1 + 1 + 2), (["full-steps"], 1 + 1)]
)
def test_steps_and_imports_are_measured(parts, rows):
    pytest.importorskip("mmf")
    command = [sys.executable, "-m", "benchmarks", *parts, "--size", "quick"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert len([line for line in done.stdout.splitlines() if line.startswith("| ")]) == rows


def test_every_part_has_its_place_on_the_page_of_benchmarks():
    for part in PARTS:
        split_at(REPOSITORY / "docs/benchmarks.md", f"{part} cpu")
    for part in ("losses", "steps", "full-steps"):
        split_at(REPOSITORY / "docs/benchmarks.md", f"{part} cuda")
