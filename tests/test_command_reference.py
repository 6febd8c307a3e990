"""The page of commands is that of today's parsers."""

from pathlib import Path

import pytest

pytest.importorskip("submitit", reason="the commands need the experiments' packages")
PAGE = Path(__file__).parents[1] / "docs/commands.md"


def test_the_documentation_holds_the_commands_of_today():
    from refnet_mmf.command_reference import as_markdown

    assert PAGE.read_text("utf-8") == as_markdown()


def test_every_argument_has_a_meaning():
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    for row in rows:
        assert all(cell.strip() for cell in row.replace("\\|", "").split("|")[1:-1]), row
