"""The tables of rules, against themselves and against the real sources."""

import ast
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from refnet_mmf.porting import rules_main, rules_pypi
from refnet_mmf.porting.lines import Ported, port_checkout, port_wheel, read_checkout
from refnet_mmf.porting.rule import Rule, apply_rules
from tests.porting.samples import sources

TABLES = pytest.mark.parametrize(
    "rules", [rules_pypi.RULES, rules_main.RULES], ids=["pypi", "main"]
)


@TABLES
def test_every_rule_says_why_and_changes_something(rules: Sequence[Rule]) -> None:
    for rule in rules:
        assert rule.files
        assert rule.old != rule.new
        assert rule.count > 0
        assert len(rule.why) > 10
        assert "\n" not in rule.why
        assert rule.kind in ("port", "mend")


@TABLES
def test_no_rule_stands_in_the_way_of_another(rules: Sequence[Rule]) -> None:
    apply_rules(rules, sources(rules))


def check(ported: Ported) -> None:
    """Whether all modules are of the syntax of this Python, and no old name is left."""
    for path, content in ported.files.items():
        if path.endswith(".py"):
            ast.parse(content, path)
    text = b"".join(v for k, v in ported.files.items() if k.endswith(".py"))
    for name in (b"import demjson", b"\nfrom torchtext", b"BertLayerNorm", b"register_resolver("):
        assert name not in text


def test_all_rules_fit_the_official_wheel(official_wheel: Path) -> None:
    ported = port_wheel(official_wheel)
    check(ported)
    assert sum(path.endswith(".yaml") for path in ported.files) == 209
    assert not [path for path in ported.files if path.endswith(".so")]
    entry_points = ported.files[f"mmf-{ported.version}.dist-info/entry_points.txt"].decode()
    assert all(name in entry_points for name in ("mmf_run", "mmf_predict", "mmf_convert_hm"))


def test_all_rules_fit_a_checkout_of_main() -> None:
    folder = os.environ.get("MMF_CHECKOUT")
    if not folder:
        pytest.skip("MMF_CHECKOUT names no checkout of MMF's main branch")
    check(port_checkout(read_checkout(Path(folder))))
