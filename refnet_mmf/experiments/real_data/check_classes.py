"""Checks the labels that were read against the classes, and the file that lists the classes.

A label that is no class is dropped by MMF without a word.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from refnet_mmf.core.messages import did_you_mean, nearest
from refnet_mmf.experiments.real_data.description import DataSet
from refnet_mmf.experiments.real_data.findings import ANNOTATIONS, MISSING, OK, WRONG, Finding
from refnet_mmf.experiments.real_data.origin import Origin
from refnet_mmf.plugin.class_lines import UNKNOWN_CLASS, class_lines, problem_of_classes, processed


def check_classes(
    data_set: DataSet, datasets: Path, origin: Origin, labels: Counter[str]
) -> list[Finding]:
    """Check the class file, if the data set has one, and the labels.

    Args:
        data_set: what should be there.
        datasets: ``<env.data_dir>/datasets``.
        origin: where the files come from; some have classes of their own.
        labels: those that were read, and how often.
    """
    if data_set.class_file is None:
        return [_check_labels(labels, data_set.classes, data_set)]
    file = datasets / data_set.class_file
    own = not origin.published
    expected = "lower case" if own else f"{len(data_set.classes)}, lower case"
    if not file.is_file():
        return [Finding(ANNOTATIONS, file.name, "-", expected, MISSING)]
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = class_lines(text)
    classes = tuple(line for line in lines if line != UNKNOWN_CLASS)
    problem = problem_of_classes(lines, processed)
    if problem:
        problem = f"{file}, {problem}"
    elif not own and set(classes) != set(data_set.classes):
        strange = sorted(set(classes) ^ set(data_set.classes))
        problem = f"{file}: these are missing, or no genres: {', '.join(strange)}"
    verdict = WRONG if problem else OK
    found = Finding(ANNOTATIONS, file.name, f"{len(classes)} classes", expected, verdict, problem)
    return [found, _check_labels(labels, classes, data_set)]


def _check_labels(labels: Counter[str], classes: tuple[str, ...], data_set: DataSet) -> Finding:
    seen = f"{len(set(labels) & set(classes))} of {len(classes)} seen"
    dropped = sum(labels[label] for label in data_set.left_out - set(classes))
    if dropped:
        seen += f", {dropped:,} labels not learnt"
    strange = sorted(set(labels) - set(classes) - data_set.left_out)
    if not strange:
        return Finding(ANNOTATIONS, "labels", seen, "classes alone")
    guess = nearest(strange[0], classes)
    hint = did_you_mean(guess)
    named = ", ".join(map(repr, strange[:5]))
    return Finding(
        ANNOTATIONS, "labels", seen, "classes alone", WRONG, f"no classes: {named}{hint}"
    )
