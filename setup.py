"""Package definition: core needs torch alone, extras bring MMF's needs and the experiments'."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = (HERE / "refnet_mmf" / "version.txt").read_text().strip()

# What a ported MMF imports, on both of its lines. MMF itself cannot be listed: no package
# index holds a build of it that pip installs on a current Python ("refnet install-mmf" does).
MMF = [
    "torch>=2.5",
    "torchvision",
    "torchaudio",
    "transformers>=4.40,<4.50",
    "omegaconf>=2.3,<2.4",
    "lmdb>=1.4,<2",
    "pytorch-lightning>=1.9,<2",
    "torchmetrics>=0.11,<0.12",
    "editdistance",
    "ftfy",
    "GitPython",
    "iopath",
    "nltk",
    "numpy",
    "packaging",
    "pandas",
    "pillow",
    "psutil",
    "pydantic>=2.5",
    "pytorch-metric-learning>=2",
    "requests",
    "scikit-learn",
    "sentencepiece",
    "setuptools<81",
    "tensorboard",
    "termcolor",
    "tqdm",
]
EXPERIMENTS = [
    "jinja2",
    "matplotlib",
    "numpy",
    "optuna>=4.5,<6",
    "packaging",
    "pillow",
    "scikit-learn",
    "scipy",
    "submitit>=1.5,<2",
    "tabulate",
    "threadpoolctl",
    "tqdm",
]
TEST = [
    "hypothesis",
    "pytest",
    "pytest-cov",
    "pytest-timeout",
    "pytest-xdist",
    "pytorch-metric-learning>=2",
]
DOCS = [
    "ipykernel",
    "jupytext",
    "mkdocs-material",
    "mkdocstrings[python]",
    "nbconvert",
]
MUTATION = ["mutmut>=3.8,<4"]
LINT = ["mypy", "ruff", "types-PyYAML", "types-tabulate", "types-tqdm"]

setup(
    name="refnet_mmf",
    version=VERSION,
    description="Multimodal models that keep their modalities: REFINER networks as a plugin of MMF",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["refnet_mmf", "refnet_mmf.*"]),
    # configs/ and projects/ stand at the top level of the checkout; links inside the package
    # carry them into the wheel.
    package_data={
        "refnet_mmf": [
            "version.txt",
            "py.typed",
            "constraints.txt",
            "configs/**/*",
            "projects/**/*",
        ],
        "refnet_mmf.experiments": ["templates/*"],
    },
    install_requires=["torch>=2.1"],
    extras_require={
        "mmf": MMF,
        "experiments": EXPERIMENTS,
        "test": TEST,
        "lint": LINT,
        "docs": DOCS,
        "mutation": MUTATION,
        "all": MMF + EXPERIMENTS + TEST + LINT,
    },
    entry_points={"console_scripts": ["refnet=refnet_mmf.cli:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
