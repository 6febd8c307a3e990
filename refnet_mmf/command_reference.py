"""The page of all commands, made from the parsers that read them.

``python -m refnet_mmf.command_reference > docs/commands.md``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from refnet_mmf.cli import COMMANDS, build_parser
from refnet_mmf.experiments.figure_command import options_parser
from refnet_mmf.experiments.figure_registry import FIGURES

HEAD = """# Commands

Every command, from the parsers that read it. A wrong word ends a command in one line, with exit
code 2 where it is no word of the command's, and 1 where what it names is wrong. An interrupted one
ends with 130.
"""


def as_markdown() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_commands()])


def _commands() -> Iterator[str]:
    for name in COMMANDS:
        parser = _subparsers(build_parser(name))[name]
        actions = _subparsers(parser)
        for title, shown in {f"{name} {k}": v for k, v in actions.items()}.items() or [
            (name, parser)
        ]:
            yield _section(f"refnet {title}", shown)
        if name == "figure":
            for figure in FIGURES:
                yield _section(f"refnet figure {figure}", options_parser(figure))


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the sub-commands of a parser by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _section(title: str, parser: argparse.ArgumentParser) -> str:
    text = (parser.description or "").strip()
    text = f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
    rows = [_row(action) for action in parser._actions if action.dest != "help"]
    lines = [f"## {title}", "", _cell(text), ""]
    return "\n".join([*lines, "| argument | meaning |", "|---|---|", *rows, ""])


def _row(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    words = [f"{option} {value}".strip() for option in action.option_strings] or [value]
    required = " (required)" if action.option_strings and action.required else ""
    return f"| {_code(', '.join(words))}{required} | {_cell(action.help or '')} |"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _cell(text: str) -> str:
    for sign in "<>|*_":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.replace("%%", "%").split())


if __name__ == "__main__":
    print(as_markdown(), end="")
