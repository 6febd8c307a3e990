"""Errors are one line that names the place, the value and what would be valid."""

import re

import pytest

from refnet_mmf.core.messages import check_name, check_number, first_line, nearest, unknown


@pytest.mark.parametrize(
    ("value", "valid", "found"),
    [
        ("cosin", ["mse", "cosine", "contrastive"], "cosine"),
        ("weigths", ["margin", "weights", "width"], "weights"),
        ("abxyzw", ["abcdef"], None),  # a third of the letters is no resemblance
        ("abcxyz", ["abcdef"], "abcdef"),  # half of them is
        ("average_last_two_layers_of_all", ["sum", "last"], "last"),  # a part of what was typed
        ("b", ["gamma", "learning_rate_of_b"], "learning_rate_of_b"),  # what was typed is a part
        ("b", ["first_of_the_b", "second_of_the_b"], "first_of_the_b"),
        ("b", ["xxxxxx"], None),
        ("", ["abc"], None),
        ("abc", [], None),
    ],
)
def test_the_nearest_looks_like_it_or_holds_it(value, valid, found):
    assert nearest(value, valid) == found


@pytest.mark.parametrize(
    ("value", "valid", "message"),
    [
        (
            "cosin",
            ["mse", "cosine"],
            "refiner.loss: unknown loss 'cosin'; did you mean 'cosine'? (valid: cosine, mse)",
        ),
        (7, ["mse", "cosine"], "refiner.loss: unknown loss 7 (valid: cosine, mse)"),
        ("x", [], "refiner.loss: unknown loss 'x' (valid: none)"),
        (
            "x",
            ["10", "b", "9", "a2", "a10"],
            "refiner.loss: unknown loss 'x' (valid: 9, 10, a2, a10, b)",
        ),
        ("x", ["two\n  words"], "refiner.loss: unknown loss 'x' (valid: two words)"),
    ],
)
def test_what_is_unknown_is_named_with_what_is_valid(value, valid, message):
    assert unknown("refiner.loss", "loss", value, valid) == message
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_name("refiner.loss", "loss", value, iter(valid))


def test_a_name_that_is_known_passes():
    check_name("refiner.loss", "loss", "mse", iter(["cosine", "mse"]))


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (-0.5, {"minimum": 0}, "x: expected at least 0, got -0.5"),
        (0, {"above": 0}, "x: expected more than 0, got 0"),
        (1, {"below": 1}, "x: expected less than 1, got 1"),
        (float("nan"), {}, "x: expected a finite number, got nan"),
        (float("-inf"), {}, "x: expected a finite number, got -inf"),
    ],
)
def test_a_number_out_of_range_is_named(value, limits, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_number("x", value, **limits)


@pytest.mark.parametrize(
    ("value", "kind"), [("1e-5", "str"), (True, "bool"), (None, "NoneType"), ([1], "list")]
)
def test_what_is_no_number_is_named(value, kind):
    message = f"x: expected a number, got {value!r} of type {kind}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        check_number("x", value)


@pytest.mark.parametrize(
    ("value", "limits"),
    [(0, {"minimum": 0}), (0.001, {"above": 0}), (0.999, {"below": 1}), (-1e30, {}), (3, {})],
)
def test_a_number_within_its_limits_passes(value, limits):
    check_number("x", value, **limits)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one\ntwo"), "one"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ValueError("  "), "ValueError"),
    ],
)
def test_the_first_line_of_an_error_is_its_message_or_its_type(error, line):
    assert first_line(error) == line
