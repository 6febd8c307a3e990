"""Checks the class file that a multi-label data set's processor looks labels up in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmf.datasets.processors.processors import Processor
from omegaconf import DictConfig

from refnet_mmf.core.messages import near_file
from refnet_mmf.plugin import mmf_lines
from refnet_mmf.plugin.annotation_fields import FIELDS
from refnet_mmf.plugin.class_lines import UNKNOWN_CLASS, class_lines, problem_of_classes
from refnet_mmf.plugin.errors import RefnetError


@dataclass(frozen=True)
class ClassFile:
    """A class file and what becomes of a label before MMF looks it up there.

    Attributes:
        path: ``vocab_file`` of the data set's answer processor, which need not exist.
        process: what MMF does with a label: lower case, no commas.
    """

    path: Path
    process: Callable[[str], str]

    def read(self) -> list[str]:
        """Read and check the classes, without ``<unk>``.

        Raises:
            RefnetError: no such file; or file, line and what to write there: a class that no
                label can match, one that is there twice, an empty line, which would be a class.
        """
        if not self.path.is_file():
            raise RefnetError(
                "answer_processor.params.vocab_file: no such file: "
                f"{self.path}{near_file(self.path)}"
            )
        try:
            text = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise RefnetError(f"{self.path}: not UTF-8 text: {error}") from None
        names = class_lines(text)
        problem = problem_of_classes(names, self.process)
        if problem:
            raise RefnetError(f"{self.path}, {problem}")
        return [name for name in names if name != UNKNOWN_CLASS]


def class_file(section: DictConfig | None) -> ClassFile | None:
    """Return the class file that a block of ``dataset_config`` names; None if it has none."""
    processors = (section or {}).get("processors", None) or {}
    answers: Any = processors.get("answer_processor", None) or {}
    if section is None or answers.get("type", None) != "multi_hot_answer_from_vocab":
        return None
    path = mmf_lines.vocabulary_path(answers.params.vocab_file, str(section.data_dir))
    processor = Processor(answers.params.preprocessor)
    return ClassFile(Path(path), lambda label: str(processor({"text": label})["text"]))


def check_class_files(config: DictConfig) -> None:
    """Check the class files of a run's data sets; fast, for a model to call when it is built.

    A file that is not there is left to its data set: a model without data needs none.

    Args:
        config: MMF's configuration.

    Raises:
        RefnetError: see `ClassFile.read`.
    """
    for name in dataset_names(config):
        if name in FIELDS and FIELDS[name].label_sets:
            file = class_file(config.get("dataset_config", {}).get(name))
            if file is not None and file.path.exists():
                file.read()


def dataset_names(config: DictConfig) -> list[str]:
    """Return the names of a run's data sets."""
    return [name.strip() for name in str(config.get("datasets", None) or "").split(",")]
