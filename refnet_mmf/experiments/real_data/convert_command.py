"""``refnet data convert``: a data set as it is published, into the files that MMF reads."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from refnet_mmf.core.messages import unknown
from refnet_mmf.experiments.real_data.convert import OPENERS, Report, Request, convert
from refnet_mmf.experiments.real_data.description import DataError, DataSet, part_of
from refnet_mmf.experiments.real_data.known import DATA_SETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``refnet data convert``."""
    parser.add_argument("name", metavar="NAME", help=f"as in MMF: {' or '.join(OPENERS)}")
    parser.add_argument("raw", metavar="RAW", type=Path, help="a folder, or a .tar.gz")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="env.data_dir")
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument(
        "--pictures",
        type=Path,
        metavar="PATH",
        help="visual_entailment: the folder or .tar.gz of Flickr30k, if it is not in RAW",
    )
    pictures.add_argument("--no-pictures", action="store_true", help="leave the pictures out")
    parser.add_argument(
        "--features", type=Path, metavar="PATH", help="an lmdb of region features, or its .tar.gz"
    )


def run(args: argparse.Namespace) -> int:
    """Convert the data set; return the exit code."""
    request = _request(args)
    report = convert(request)
    print("\n".join(_lines(request, report)))
    return 0


def _request(args: argparse.Namespace) -> Request:
    if args.name not in DATA_SETS:
        raise DataError(unknown("NAME", "data set", args.name, OPENERS))
    if args.name not in OPENERS:
        raise DataError(
            f"{args.name} is converted by MMF's own mmf_convert_hm; "
            f"'refnet data check {args.name} DIR' says what goes where"
        )
    if args.pictures is not None and args.name == "mmimdb":
        raise DataError("--pictures: mmimdb's pictures are in RAW; leave it out")
    return Request(
        data_set=DATA_SETS[args.name],
        raw=args.raw,
        data_dir=args.out,
        pictures=args.pictures,
        with_pictures=not args.no_pictures,
        features=args.features,
    )


def _lines(request: Request, report: Report) -> list[str]:
    data_set, data_dir = request.data_set, request.data_dir.resolve()
    lines = [f"{data_set.name} in {data_dir}"]
    for file in data_set.files.values():
        if file.split in report.rows:
            lines.append(f"  {_counted(file.split, data_set, file.rows[0], report)}")
    lines += [f"  {note}" for note in report.notes]
    lines += [f"  {folder}: {done}" for folder, done in report.parts.items()]
    if not _features_there(data_set, data_dir):
        where = data_set.sources["features"].format(
            datasets=data_dir / "datasets", data_dir=data_dir
        )
        lines.append(f"  region features are missing: {where}")
    place = shlex.quote(str(data_dir))
    lines.append(f"Check it: refnet data check {data_set.name} {place}")
    lines.append(f"Use it: mmf_run dataset={data_set.name} env.data_dir={place} ...")
    return lines


def _counted(split: str, data_set: DataSet, published: int, report: Report) -> str:
    rows, left_out = report.rows[split], report.left_out[split]
    said = f"{split}: {rows:,} rows; {left_out:,} left out: {data_set.why_left_out}"
    expected = published - data_set.published_with_left_out * left_out
    if rows != expected:
        said += f"; NOT the {expected:,} rows of the published set"
    return said


def _features_there(data_set: DataSet, data_dir: Path) -> bool:
    folder = data_dir / "datasets" / part_of(data_set.features).folder
    return folder.is_dir() and any(folder.iterdir())
