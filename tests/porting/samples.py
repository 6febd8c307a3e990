"""Sources made by hand from the rules themselves, and the command in another environment."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import refnet_mmf
from refnet_mmf.porting.rule import Rule

# What ``refnet install-mmf`` does, without what else the package imports (PyTorch): the porter
# needs the standard library alone.
_COMMAND = """\
import argparse, sys, types
package = types.ModuleType("refnet_mmf")
package.__path__ = [sys.argv[1]]
sys.modules["refnet_mmf"] = package
from refnet_mmf.porting import rules_main, rules_pypi
if sys.argv[2] == "fewer rules":
    rules_main.RULES, rules_pypi.RULES = rules_main.RULES[:-1], rules_pypi.RULES[:-1]
from refnet_mmf.porting import install
parser = argparse.ArgumentParser()
install.add_arguments(parser)
try:
    sys.exit(install.run(parser.parse_args(sys.argv[3:])))
except (ValueError, OSError) as error:
    sys.exit(f"refnet install-mmf: {error}")
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def sources(rules: Iterable[Rule]) -> dict[str, bytes]:
    """Files that hold what the rules look for, as often as they say, and nothing else."""
    texts: dict[str, str] = {}
    for rule in rules:
        for path in rule.files:
            texts[path] = texts.get(path, "") + rule.old * rule.count
    return {path: text.encode() for path, text in texts.items()}


def state(root: Path) -> str:
    """A hash of all that a folder holds: names, kinds, times, contents."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        digest.update(f"{path} {status.st_mode} {status.st_mtime_ns}".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def command_of(python: Path) -> Run:
    """The command as the Python of some environment runs it."""

    def run(*arguments: object, rules: str = "all rules") -> subprocess.CompletedProcess[str]:
        package = Path(refnet_mmf.__file__).parent
        words = (python, "-c", _COMMAND, package, rules, *arguments)
        return subprocess.run([str(word) for word in words], capture_output=True, text=True)

    return run


def mmf_run(python: Path) -> str:
    """What the console script of the MMF in an environment prints."""
    words = (python, "-I", python.parent / "mmf_run")
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def site_packages(python: Path) -> Path:
    """Where an environment keeps its packages."""
    return next((python.parents[1] / "lib").glob("python*")) / "site-packages"
