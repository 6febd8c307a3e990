"""Where the package's own files are, and the names of files that one part writes for another."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CONFIGS = PACKAGE / "configs"
PROJECTS = PACKAGE / "projects"
CONSTRAINTS = PACKAGE / "constraints.txt"

EVALUATIONS = "evaluations.json"
"""What the last evaluation of each split has come to, in a run's folder, with all digits."""
MANIFEST = "miniature.json"
"""What a miniature data set is and was made with, in its folder."""
