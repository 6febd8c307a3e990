"""REFINER alone, on frozen features: what gamma does where nothing but a fusion module is trained.

    python docs/results/frozen_features.py results/data/mmimdb-0 results/data/mmimdb-1

Miniature movies with 5 % of the labels, in plain PyTorch: no MMF, no fine-tuning, and the binary
cross-entropy is a mean, so that gamma weighs what it says. A GMU or a concatenation fuses what the
data's pretrained encoders give of plot and poster. Each update takes labelled samples, and others
for the refiner alone. Runs that are in the file of finished ones are not made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import product, starmap
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from refnet_mmf import ConcatFusion, GatedMultimodalUnit, Refiner
from refnet_mmf.core.classification_metrics import macro_f1, micro_f1
from refnet_mmf.experiments.csv_text import csv_text
from refnet_mmf.experiments.grid.statistics import compare, summarize
from refnet_mmf.experiments.plain_table import Table
from refnet_mmf.experiments.probes import feature_probe
from refnet_mmf.experiments.table_files import say_written, show_tables, write_tables
from refnet_mmf.experiments.tables.score_table import COMPARISON, count_of, spell, spell_comparison
from refnet_mmf.plugin.atomic_file import write_atomically
from refnet_mmf.plugin.feature_lmdb import open_features

FUSIONS = {"GMU": GatedMultimodalUnit, "Concat": ConcatFusion}
GAMMAS = (0.0, 0.01, 0.1, 0.3, 1.0, 3.0)
LABELLED_PART = 0.05
FUSED_DIM, DECODER_DIM = 48, 96
UPDATES, EVALUATION_INTERVAL = 700, 50
LABELLED, UNLABELLED = 32, 64
LEARNING_RATE = 3e-3
MEASURES = {
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "text": "text R^2",
    "image": "image R^2",
}
NOTES = (
    "MINIATURE data: generated plots and posters, not MM-IMDB.",
    f"{LABELLED_PART:.0%} of the labels, another part for each seed; {UPDATES} updates of "
    f"{LABELLED} labelled and {UNLABELLED} unlabelled samples, AdamW, learning rate "
    f"{LEARNING_RATE:g}; the checkpoint of the best micro F1 on the validation split.",
    "gamma is that of each modality, beside the mean of the binary cross-entropy. MMF's logit_bce "
    "is multiplied by the number of classes, 13 here: gamma 0.1 beside it is nearly 0.01 here.",
    "R^2: what a linear probe reads of a modality's features from the fused embedding, test split.",
)


class Split(NamedTuple):
    """A split: features [N, D] by modality, and label sets [N, C]."""

    features: dict[str, Tensor]
    labels: Tensor


@dataclass(frozen=True)
class Run:
    """What is trained: the data by its folder's name, the fusion, gamma (0: no refiner), the seed."""

    data: str
    fusion: str
    gamma: float
    seed: int


@dataclass(frozen=True)
class Scores:
    """Of the test split, in per cent: F1, and R^2 of the probes by modality."""

    micro_f1: float
    macro_f1: float
    text: float
    image: float


def read_split(folder: Path, split: str) -> Split:
    """Read a split's label sets, and what the pretrained encoders give: means of words, regions."""
    movies = folder / "datasets" / "mmimdb" / "defaults"
    rows = [json.loads(line) for line in (movies / f"annotations/{split}.jsonl").open()]
    genres = (movies / "extras/classes_mm_imdb.txt").read_text().split()
    labels = torch.tensor([[float(genre in row["genres"]) for genre in genres] for row in rows])
    with open_features(movies / "features/features.lmdb") as posters:
        records = [posters.record(row["image_id"].encode()).features for row in rows]
    image = torch.stack([torch.from_numpy(record).mean(dim=0) for record in records])
    plots = [" ".join(row["plot"]) for row in rows]
    return Split({"text": means_of_words(plots, folder / "encoders/bert"), "image": image}, labels)


def means_of_words(texts: list[str], bert: Path) -> Tensor:
    """Return the mean of each text's hidden states, [N, D]."""
    tokenizer, encoder = AutoTokenizer.from_pretrained(bert), AutoModel.from_pretrained(bert)
    means = []
    for start in range(0, len(texts), 256):
        words = tokenizer(
            texts[start : start + 256],
            padding=True,
            truncation=True,
            max_length=encoder.config.max_position_embeddings,
            return_tensors="pt",
        )
        with torch.inference_mode():
            hidden = encoder.eval()(**words).last_hidden_state
        there = words["attention_mask"].unsqueeze(-1)
        means.append((hidden * there).sum(dim=1) / there.sum(dim=1))
    return torch.cat(means).clone()


@lru_cache(maxsize=1)
def read_data(folder: str) -> dict[str, Split]:
    """Read all splits, once in each process."""
    return {split: read_split(Path(folder), split) for split in ("train", "dev", "test")}


class Network(nn.Module):
    """Fuse features, classify the fused embedding."""

    def __init__(self, fusion: str, widths: Mapping[str, int], classes: int) -> None:
        super().__init__()
        self.fusion = FUSIONS[fusion](widths, fused_dim=FUSED_DIM)
        self.classifier = nn.Linear(FUSED_DIM, classes)

    def forward(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits [B, C] and the fused embedding [B, F]."""
        fused = self.fusion(features)
        return self.classifier(fused), fused


def train(run: Run, folder: str, updates: int = UPDATES) -> Scores:
    """Train one network; those with the same seed begin alike and see the same samples."""
    torch.set_num_threads(1)
    splits = read_data(folder)
    features, labels = splits["train"]
    widths = {name: each.shape[1] for name, each in features.items()}
    torch.manual_seed(run.seed)
    network = Network(run.fusion, widths, labels.shape[1])
    refiner = Refiner(
        FUSED_DIM, widths, weights=dict.fromkeys(widths, run.gamma), hidden_dims=[DECODER_DIM]
    )
    optimizer = torch.optim.AdamW([*network.parameters(), *refiner.parameters()], lr=LEARNING_RATE)
    best, kept = -1.0, network.state_dict()
    for update, batch in enumerate(batches(len(labels), updates, run.seed), start=1):
        inputs = {name: each[batch] for name, each in features.items()}
        logits, fused = network(inputs)
        loss = F.binary_cross_entropy_with_logits(logits[:LABELLED], labels[batch[:LABELLED]])
        loss = loss + refiner(fused, inputs).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if update % EVALUATION_INTERVAL == 0 or update == updates:
            score = float(micro_f1(apply(network, splits["dev"])[0], splits["dev"].labels))
            if score > best:
                best = score
                kept = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return judge(network, splits)


def batches(samples: int, updates: int, seed: int) -> Iterator[Tensor]:
    """Draw each update's samples: first those with labels, then others."""
    drawn = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(samples, generator=drawn)
    count = max(1, round(LABELLED_PART * samples))
    labelled, others = shuffled[:count], shuffled[count:]
    for _ in range(updates):
        yield torch.cat(
            [
                part[torch.randint(len(part), (size,), generator=drawn)]
                for part, size in ((labelled, LABELLED), (others, UNLABELLED))
            ]
        )


def apply(network: Network, split: Split) -> tuple[Tensor, Tensor]:
    """Return a split's logits and fused embeddings."""
    with torch.no_grad():
        logits, fused = network.eval()(split.features)
    network.train()
    return logits, fused


def judge(network: Network, splits: Mapping[str, Split]) -> Scores:
    """Score a network on the test split; the probes are fitted on the training split."""
    logits, fused = apply(network, splits["test"])
    _, seen = apply(network, splits["train"])
    kept = {
        name: feature_probe(
            (seen.numpy(), splits["train"].features[name].numpy()),
            (fused.numpy(), splits["test"].features[name].numpy()),
        )[0]
        for name in splits["test"].features
    }
    labels = splits["test"].labels
    return Scores(
        *(
            100 * float(value)
            for value in (
                *(micro_f1(logits, labels), macro_f1(logits, labels)),
                *(kept["text"], kept["image"]),
            )
        )
    )


def tables(done: Mapping[Run, Scores]) -> Iterable[Table]:
    """Return means of each gamma, and its differences to no refiner, paired over data and seeds."""
    means, differences, made = [], [], []
    for fusion, gamma in product(FUSIONS, GAMMAS):
        own = {
            (run.data, run.seed): scores
            for run, scores in done.items()
            if (run.fusion, run.gamma) == (fusion, gamma)
        }
        title = f"{fusion}, gamma {gamma:g}" if gamma else fusion
        summaries = [summarize([getattr(one, name) for one in own.values()]) for name in MEASURES]
        means.append([title, *map(spell, summaries), str(len(own))])
        baseline = {pair: done.get(Run(pair[0], fusion, 0.0, pair[1])) for pair in own}
        both = [pair for pair in own if baseline[pair] is not None]
        for name, measure in MEASURES.items() if gamma else ():
            compared = compare(
                *([getattr(scores[pair], name) for pair in both] for scores in (own, baseline))
            )
            made.append(compared)
            differences.append([title, measure, *spell_comparison(compared)])
    return (
        Table(
            "Frozen features, MINIATURE movies, per cent: mean ± standard deviation over seeds and "
            "data seeds",
            ["model", *MEASURES.values(), "runs"],
            means,
        ),
        Table(
            "Frozen features, MINIATURE movies, differences to no refiner in points, paired over "
            f"seeds: {count_of(made)} comparisons, p of each by itself",
            ["model", "metric", *COMPARISON],
            differences,
        ),
    )


def read_finished(path: Path) -> dict[Run, Scores]:
    """Read finished runs; none, where there is no file."""
    if not path.exists():
        return {}
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {
        Run(row["data"], row["fusion"], float(row["gamma"]), int(row["seed"])): Scores(
            *(float(row[field.name]) for field in fields(Scores))
        )
        for row in rows
    }


def write_finished(done: Mapping[Run, Scores], path: Path) -> None:
    """Write finished runs, in order."""
    columns = [field.name for kind in (Run, Scores) for field in fields(kind)]
    rows = [
        [*asdict(run).values(), *asdict(scores).values()]
        for run, scores in sorted(done.items(), key=lambda item: tuple(asdict(item[0]).values()))
    ]
    write_atomically(csv_text(columns, rows), path)


def main() -> None:
    """Train what is not finished, write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path, help="a folder of miniature movies")
    parser.add_argument("--seeds", type=int, default=8, help="how many on each, from 0")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_suffix(""),
        help="the tables are OUT.md, OUT.tex, OUT.csv, the single runs OUT_runs.csv",
    )
    args = parser.parse_args()
    folders = {folder.name: str(folder.resolve()) for folder in args.data}
    finished = args.out.with_name(f"{args.out.name}_runs.csv")
    done = read_finished(finished)
    wanted = starmap(Run, product(folders, FUSIONS, GAMMAS, range(args.seeds)))
    lacking = [run for run in wanted if run not in done]
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        jobs = {pool.submit(train, run, folders[run.data]): run for run in lacking}
        for job in tqdm(as_completed(jobs), total=len(jobs), unit="run"):
            done[jobs[job]] = job.result()
            write_finished(done, finished)
    shown = list(tables(done))
    show_tables(shown, NOTES)
    say_written([finished, *write_tables(shown, NOTES, args.out.parent, args.out.name)])


if __name__ == "__main__":
    main()
