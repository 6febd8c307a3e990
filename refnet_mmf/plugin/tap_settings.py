"""The ``taps:`` block: where REFINER finds, in any model, what it reads, by module path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field
from torch import nn

from refnet_mmf.core.modality_tokens import Keep, ModalityTokens
from refnet_mmf.core.refiner import check_modality_name
from refnet_mmf.core.taps import Tap, find_module
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.fusion_taps import FusionTaps
from refnet_mmf.plugin.settings import Block, read_block

SAMPLE = "sample."


class TapBlock(Block):
    """One place in the model."""

    module: str = Field(
        description="path of a module: attributes, positions in a list (negative ones count from "
        "its end) and keys, e.g. model.bert.encoder.layer.-1; empty: the model itself"
    )
    read: Literal["output", "input", "kwargs"] = Field(
        "output", description="the module's output, its positional arguments or its keywords"
    )
    path: int | str | None = Field(
        None,
        description="where in that value: positions and keys, joined by dots, e.g. 0 or '3.1' (in "
        "quotes, lest YAML takes it for a number)",
    )

    def tap(self, place: str) -> Tap:
        """Return the tap that this block, which stands at ``place``, describes."""
        return Tap(self.module, self.read, _path(self.path), _short(place))


class FusedBlock(TapBlock):
    """``taps.fused``, or one of a list of them, which are concatenated."""

    dim: int | None = Field(
        None, ge=1, description="width; null: that of the last layer in the module"
    )
    token: int = Field(0, description="position that is meant where token states are found")


class KeepBlock(Block):
    """``taps.targets.<modality>.keep``: the modality's own part of a joint sequence.

    Lengths are those of fields of the batch, in their second dimension.
    """

    first: str | None = Field(None, description="as many positions, from the start, as this field")
    after_first: str | None = Field(None, description="all but the first, as many as this field")
    last: str | None = Field(None, description="as many positions, up to the end, as this field")
    before_last: str | None = Field(None, description="all but the last, as many as this field")
    length: str | None = Field(None, description="as many positions as this field, behind `after`")
    after: list[str] = Field(default_factory=list, description="fields of the parts before it")
    skip_first: int | bool = Field(0, ge=0, description="positions to leave out at its start")
    skip_last: int | bool = Field(0, ge=0, description="positions to leave out at its end")


class TargetBlock(TapBlock):
    """``taps.targets.<modality>``: token states [B, T, D], or one vector a sample [B, D]."""

    dim: int | None = Field(
        None, ge=1, description="width; null: that of the last layer in the module"
    )
    second_to_last: dict[str, Any] | None = Field(
        None, description="a tap on the layer before, for poolers of two layers"
    )
    keep: dict[str, Any] | None = Field(None, description="the part of a joint sequence; null: all")
    mask: dict[str, Any] | str | None = Field(
        None,
        description="a tap on what is not 0 where a token counts, or on the number of tokens of "
        "each sample; or sample.<field>; null: all count",
    )


class TapsBlock(Block):
    """``model_config.refnet.taps``."""

    fused: dict[str, Any] | list[dict[str, Any]] = Field(description="the fused embedding")
    targets: dict[str, dict[str, Any]] = Field(
        min_length=1, description="the features upstream of it, by modality"
    )


@dataclass(frozen=True)
class TapSettings:
    """A ``taps:`` block, checked.

    Attributes:
        place: where it stands.
        fused: the parts of the fused embedding, by place.
        targets: the targets, by modality.
        tokens: their token states, masks and parts, by modality.
    """

    place: str
    fused: Mapping[str, FusedBlock]
    targets: Mapping[str, TargetBlock]
    tokens: Mapping[str, ModalityTokens]

    def resolve(self, model: nn.Module) -> FusionTaps:
        """Find everything in ``model``.

        Raises:
            RefnetError: a path leads to no module, or a width can't be told.
        """
        for place, tap in self._places():
            try:
                find_module(model, tap.module)
            except ValueError as error:
                raise RefnetError(f"{place}.module: {error}") from None
        fused_dims = [_width(model, block, place) for place, block in self.fused.items()]
        return FusionTaps(
            fused=tuple(block.tap(place) for place, block in self.fused.items()),
            fused_dim=sum(fused_dims),
            fused_tokens=tuple(block.token for block in self.fused.values()),
            modalities=self.tokens,
            token_dims={
                name: _width(model, block, f"{self.place}.targets.{name}")
                for name, block in self.targets.items()
            },
        )

    def _places(self) -> Iterator[tuple[str, Tap]]:
        for place, block in self.fused.items():
            yield place, block.tap(place)
        for name, tokens in self.tokens.items():
            place = f"{self.place}.targets.{name}"
            yield place, tokens.states[-1]
            if len(tokens.states) > 1:
                yield f"{place}.second_to_last", tokens.states[0]
            if tokens.mask is not None:
                yield f"{place}.mask", tokens.mask


def read_tap_settings(values: Any, place: str) -> TapSettings:
    """Check a ``taps:`` block.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    block = read_block(TapsBlock, values, place)
    if isinstance(block.fused, list):
        parts = {f"{place}.fused[{i}]": part for i, part in enumerate(block.fused)}
    else:
        parts = {f"{place}.fused": block.fused}
    if not parts:
        raise RefnetError(f"{place}.fused: expected a tap, or a list of at least one, got []")
    fused = {where: read_block(FusedBlock, part, where) for where, part in parts.items()}
    targets: dict[str, TargetBlock] = {}
    tokens: dict[str, ModalityTokens] = {}
    for name, target in block.targets.items():
        where = f"{place}.targets.{name}"
        try:
            check_modality_name(f"{place}.targets", name)
        except ValueError as error:
            raise RefnetError(str(error)) from None
        targets[name] = read_block(TargetBlock, target, where)
        tokens[name] = _modality_tokens(targets[name], where)
    return TapSettings(place, fused, targets, tokens)


def _modality_tokens(target: TargetBlock, place: str) -> ModalityTokens:
    states = [target.tap(place)]
    if target.second_to_last is not None:
        where = f"{place}.second_to_last"
        states.insert(0, read_block(TapBlock, target.second_to_last, where).tap(where))
    keep = None if target.keep is None else _keep(target.keep, f"{place}.keep")
    return ModalityTokens(tuple(states), _mask(target.mask, f"{place}.mask"), keep)


def _mask(value: dict[str, Any] | str | None, place: str) -> Tap | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return read_block(TapBlock, value, place).tap(place)
    if not value.startswith(SAMPLE):
        raise RefnetError(f"{place}: expected a tap or {SAMPLE}<field>, got {value!r}")
    return _sample_field(value, place)


def _keep(value: dict[str, Any], place: str) -> Keep:
    block = read_block(KeepBlock, value, place)
    sides = {
        "first": block.first,
        "after_first": block.after_first,
        "last": block.last,
        "before_last": block.before_last,
        "after": block.length,
    }
    said = {side: field for side, field in sides.items() if field is not None}
    if len(said) != 1 or ("after" not in said and block.after):
        raise RefnetError(
            f"{place}: expected one of first, after_first, last, before_last or length (with "
            f"after), got {value!r}"
        )
    ((side, field),) = said.items()
    return Keep(
        side,
        _sample_field(field, place),
        behind=tuple(_sample_field(part, f"{place}.after") for part in block.after),
        skip_first=int(block.skip_first),
        skip_last=int(block.skip_last),
    )


def _sample_field(field: str, place: str) -> Tap:
    """Tap on a field of the batch, as the model's forward has left it."""
    return Tap("", "input", (0, *_path(field.removeprefix(SAMPLE))), _short(place))


def _short(place: str) -> str:
    """Return a place within the ``taps:`` block: what stands before it, messages say already."""
    return place[place.find("taps.") :]


def _path(path: int | str | None) -> tuple[int | str, ...]:
    if path is None or path == "":
        return ()
    parts = str(path).split(".")
    return tuple(int(part) if part.lstrip("-").isdigit() else part for part in parts)


def _width(model: nn.Module, block: FusedBlock | TargetBlock, place: str) -> int:
    """Width of what a tap reads: as stated, or that of the last layer in the module.

    Raises:
        RefnetError: it is not stated, and can't be told.
    """
    if block.dim is not None:
        return block.dim
    module = find_module(model, block.module)
    if block.read == "output":
        for layer in reversed(list(module.modules())):
            if isinstance(layer, nn.Linear):
                return layer.out_features
            if isinstance(layer, nn.LayerNorm):
                return int(layer.normalized_shape[-1])
            if isinstance(layer, nn.Embedding):
                return layer.embedding_dim
    raise RefnetError(
        f"{place}.dim: is missing, and {block.module or 'the model'} ({block.read}) does not tell "
        "it: state the width of what is read"
    )
