"""What importing the package needs, gives and costs."""

import inspect
import subprocess
import sys

import pytest

import refnet_mmf
from refnet_mmf.cli import COMMANDS


def python(code, *flags):
    return subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_public_names():
    names = {
        *("Refiner", "pool_tokens", "MultiSimilarityLoss", "multi_similarity_loss"),
        *("RefinerContrastiveLoss", "refiner_contrastive_loss", "GatedMultimodalUnit"),
        *("LinearSum", "ConcatFusion", "register", "__version__"),
    }
    assert names <= set(refnet_mmf.__all__) and all(hasattr(refnet_mmf, name) for name in names)
    assert refnet_mmf.__version__.count(".") == 2


@pytest.mark.parametrize(
    ("function", "keywords"),
    [
        (
            refnet_mmf.multi_similarity_loss,
            {"alpha": 2.0, "beta": 50.0, "base": 0.5, "epsilon": 0.1, "match": "intersect"},
        ),
        (refnet_mmf.refiner_contrastive_loss, {"margin": 0.1, "form": "row"}),
        (
            refnet_mmf.Refiner,
            {"loss": "cosine", "weights": None, "hidden_dims": None, "stop_gradient": True},
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_keywords_and_their_defaults(function, keywords):
    parameters = inspect.signature(function).parameters
    assert {name: parameters[name].default for name in keywords} == keywords
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in keywords)


@pytest.mark.mmf
def test_names_in_mmf_s_registry():
    pytest.importorskip("mmf")
    refnet_mmf.register()
    from mmf.common.registry import registry

    twins = [f"refnet_{name}" for name in ("mmbt", "vilbert", "concat", "linear_sum", "gmu")]
    for name in (*twins, "refnet", "concat", "linear_sum", "gmu"):
        assert registry.get_model_class(name) is not None, name
    for name in ("multi_similarity", "refiner"):
        assert registry.get_loss_class(name) is not None, name


def test_commands():
    assert set(COMMANDS) >= {
        *("install-mmf", "run", "data", "table", "figure", "embed", "retrieve", "tune"),
        *("report", "export", "doctor"),
    }


def test_importing_needs_torch_alone():
    loaded = python("import refnet_mmf, sys; print(*sys.modules)").split()
    for package in ("mmf", "pytorch_metric_learning", "transformers", "omegaconf", "pydantic"):
        assert package not in loaded


@pytest.mark.parametrize(
    ("after", "seconds"), [("torch", 0.2), pytest.param("mmf", 0.5, marks=pytest.mark.mmf)]
)
def test_importing_is_quick_beside(after, seconds):
    """After MMF the import registers the plugin; docs/benchmarks.md has what it takes."""
    pytest.importorskip(after)
    code = (
        f"import {after}, time; start = time.process_time(); import refnet_mmf; "
        "print(time.process_time() - start)"
    )
    assert min(float(python(code).splitlines()[-1]) for _ in range(3)) < seconds


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
