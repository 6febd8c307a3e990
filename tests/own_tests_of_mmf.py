"""Runs MMF main's own tests without the plugin and with it, and compares their outcomes.

``python -m tests.own_tests_of_mmf CHECKOUT``, with a ported MMF of that checkout on the path. Many
of them need the network; what counts is that the plugin changes none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

FOLDERS = ("models", "modules", "configs")
PLUGIN = "refnet_mmf.plugin.registered"


def outcomes(checkout: Path, *options: str) -> dict[str, str]:
    """Run the tests; return what became of each."""
    with tempfile.TemporaryDirectory() as folder:
        # Apart from the checkout, whose mmf is not ported and would be imported.
        tests, report = Path(folder, "tests"), Path(folder, "report.xml")
        shutil.copytree(checkout / "tests", tests)
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", "-n", "2"]
        command += ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", folder]
        command += [f"--junitxml={report}", *options, *(str(tests / name) for name in FOLDERS)]
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        subprocess.run(command, env={**os.environ, **offline}, cwd=folder)
        if not report.is_file():
            sys.exit(f"{checkout}/tests: could not be run")
        cases = ElementTree.parse(report).iter("testcase")
        return {f"{case.get('classname')}.{case.get('name')}": outcome(case) for case in cases}


def outcome(case: ElementTree.Element) -> str:
    """Return passed, skipped, failure or error."""
    return next((child.tag for child in case if child.tag != "system-out"), "passed")


def main(arguments: list[str]) -> int:
    """Compare; return 0 if the plugin changes no outcome."""
    checkout = Path(arguments[0]).resolve()
    without, with_plugin = outcomes(checkout), outcomes(checkout, "-p", PLUGIN)
    for name, found in (("without the plugin", without), ("with it", with_plugin)):
        print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in Counter(found.values()).items()))
    changed = [t for t in without | with_plugin if without.get(t) != with_plugin.get(t)]
    for test in changed:
        print(f"{test}: {without.get(test)} without the plugin, {with_plugin.get(test)} with it")
    print("The plugin changes " + (f"{len(changed)} outcomes" if changed else "no outcome"))
    return 1 if changed or not without else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
