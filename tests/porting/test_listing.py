"""The list of rules that the user reads."""

from pathlib import Path

import pytest

from refnet_mmf.cli import main
from refnet_mmf.porting import listing, rules_main, rules_pypi


def run(*arguments: str) -> int:
    return main(["install-mmf", *arguments])


def test_the_list_holds_every_reason_and_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    words = " ".join(capsys.readouterr().out.split())
    for rule in (*rules_pypi.RULES, *rules_main.RULES):
        assert " ".join(rule.why.split()) in words
        assert all(file in words for file in rule.files)


def test_the_list_fits_a_narrow_terminal() -> None:
    assert max(map(len, listing.as_text(72).splitlines())) <= 72


def test_the_tables_of_the_documentation_count_every_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--list", "--markdown") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith(" |")]
    places = sum(int(row.split("|")[3]) for row in rows if row.split("|")[3].strip().isdigit())
    rules = (*rules_pypi.RULES, *rules_main.RULES)
    assert places == sum(rule.count * len(rule.files) for rule in rules)


def test_the_documentation_holds_the_tables_of_today() -> None:
    page = Path(__file__).parents[2] / "docs/porting-rules.md"
    assert page.read_text("utf-8").endswith(listing.as_markdown() + "\n")
