"""What importing the package needs, gives and costs."""

import subprocess
import sys

import refnet_mmf


def python(code, *flags):
    return subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_public_names():
    for name in refnet_mmf.__all__:
        assert hasattr(refnet_mmf, name)
    assert refnet_mmf.__version__.count(".") == 2


def test_importing_needs_torch_alone():
    loaded = python("import refnet_mmf, sys; print(*sys.modules)").split()
    for package in ("mmf", "pytorch_metric_learning", "transformers", "omegaconf", "pydantic"):
        assert package not in loaded


def test_importing_is_quick_beside_torch():
    code = (
        "import torch, time; start = time.perf_counter(); import refnet_mmf; "
        "print(time.perf_counter() - start)"
    )
    assert min(float(python(code)) for _ in range(3)) < 0.2


def test_register_without_mmf_says_what_to_do():
    code = """
import sys
sys.modules["mmf"] = None
import refnet_mmf
try:
    refnet_mmf.register()
except ModuleNotFoundError as error:
    print(error)
"""
    assert "refnet install-mmf" in python(code)


def test_a_command_whose_reader_has_gone_ends_without_a_word():
    command = f"{sys.executable} -m refnet_mmf.cli install-mmf --list"
    script = f"{command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.returncode == 141 and not done.stderr
