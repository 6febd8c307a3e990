"""One substitution: exact, counted, and named when it fails."""

import pytest

from refnet_mmf.porting.rule import PortingError, Rule, apply_rule, apply_rules, fingerprint

RULE = Rule(("a.py", "b.py"), "old\n", "new\n", 2, "because")


def test_replaces_each_place_and_nothing_else() -> None:
    assert apply_rule(RULE, "a.py", "old\n_old\nolder\n") == "new\n_new\nolder\n"


@pytest.mark.parametrize("text", ["", "old\n", "old\nold\nold\n"])
def test_another_number_of_places_is_an_error(text: str) -> None:
    message = rf"^a.py: expected 2 x 'old', found {text.count('old')}: [^\n]+$"
    with pytest.raises(PortingError, match=message):
        apply_rule(RULE, "a.py", text)


def test_only_the_first_line_of_a_long_text_is_shown() -> None:
    with pytest.raises(PortingError, match=r"1 x 'def f\(\): \.\.\.', found 0"):
        apply_rule(Rule(("a.py",), "def f():\n    pass\n", "", 1, "because"), "a.py", "")


def test_rules_apply_in_order_to_all_their_files() -> None:
    files = {"a.py": b"old\nold\n", "b.py": b"old\nold\n", "c.bin": b"old\n\xff"}
    later = Rule(("a.py",), "new", "newer", 2, "because")
    ported = apply_rules([RULE, later], files)
    assert ported == {"a.py": b"newer\nnewer\n", "b.py": b"new\nnew\n", "c.bin": b"old\n\xff"}
    assert files["a.py"] == b"old\nold\n"


def test_an_absent_file_is_an_error() -> None:
    with pytest.raises(PortingError, match=r"^b.py: expected 2 x 'old', but there is no such file"):
        apply_rules([RULE], {"a.py": b"old\nold\n"})


def test_the_fingerprint_changes_with_the_rules() -> None:
    other = Rule(RULE.files, RULE.old, RULE.new, RULE.count, "another reason")
    names = {fingerprint(rules) for rules in ([], [RULE], [other], [RULE, other], [other, RULE])}
    assert len(names) == 5
    assert fingerprint([RULE]) == fingerprint([RULE])
    assert all(len(name) == 9 and name.isalnum() for name in names)
