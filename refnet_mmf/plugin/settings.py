"""Settings of the plugin's YAML blocks: the schema, which is also their documentation.

Each field's description says what it does; its type, range and default stand beside it. An
unknown key, a value of the wrong type or out of range ends in one line that names the place, the
value and the nearest valid ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from refnet_mmf.core.messages import unknown
from refnet_mmf.core.refiner import DEFAULT_WEIGHT
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.setting_words import schema_at, words_for

PoolerName = Literal[
    "average_last",
    "average_last_two",
    "average_sum_last",
    "average_sum_last_two",
    "average_concat",
    "average_second_to_last",
]


class Block(BaseModel):
    """A block of settings: an unknown key is an error, and so is a string for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class RefinerSettings(Block):
    """``model_config.<model>.refiner``: the decoders and their loss; ``null`` is the baseline."""

    loss: Literal["cosine", "mse", "contrastive"] = Field(
        "cosine", description="L of Eq. 3; contrastive is Eq. 4"
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description=f"gamma_i of Algorithm 1 by modality, {DEFAULT_WEIGHT} each; 0: no decoder",
    )
    pooler: PoolerName = Field("average_last", description="H_i of Eq. 3: the targets of Table 5")
    hidden_dims: list[Annotated[int, Field(ge=1)]] | None = Field(
        None,
        min_length=1,
        description="widths of the decoders' hidden layers; null: one, as wide as the input",
    )
    projection_dim: int | None = Field(
        None,
        ge=1,
        description="width of a linear map of the fused embedding, for all decoders; null: none",
    )
    activation: Literal["gelu", "relu", "silu", "tanh"] = Field(
        "gelu", description="of the decoders, after each hidden layer"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="of the decoders")
    stop_gradient: bool = Field(
        True, description="keep the loss from pulling the targets together (not in the paper)"
    )
    margin: float = Field(
        0.1, ge=0, description="of the contrastive loss (the paper names one, without a value)"
    )
    form: Literal["row", "column"] = Field(
        "row", description="of the contrastive loss; column is Eq. 4 as printed"
    )
    gather_distributed: bool = Field(
        True, description="on several ranks, the loss of the global batch; false: of each share"
    )


class MultiSimilaritySettings(Block):
    """``model_config.<model>.metric_loss``: the metric loss of ReFNetMS; ``null``: none."""

    type: Literal["multi_similarity"] = Field(
        "multi_similarity", description="or the name of a loss of pytorch-metric-learning"
    )
    weight: float = Field(0.1, ge=0, description="zeta of Algorithm 1")
    alpha: float = Field(2.0, gt=0, description="Eq. 5: sharpness for positives")
    beta: float = Field(50.0, gt=0, description="Eq. 5: sharpness for negatives")
    base: float = Field(0.5, description="Eq. 5: lambda, the similarity between near and far")
    epsilon: float | None = Field(
        0.1, ge=0, description="margin of the mining of Wang et al. (2019); null: no mining"
    )
    match: Literal["intersect", "exact"] = Field(
        "intersect", description="label sets that make a positive pair"
    )
    similarity: Literal["cosine", "dot"] = Field(
        "cosine", description="Eq. 5: S; dot is the paper's dot product"
    )
    gather_distributed: bool = Field(
        True, description="on several ranks, the loss of the global batch; false: of each share"
    )


class LibraryLossSettings(Block):
    """``model_config.<model>.metric_loss`` with a loss of pytorch-metric-learning as its type."""

    type: str = Field(description="the name of a loss of pytorch-metric-learning")
    weight: float = Field(0.1, ge=0, description="zeta of Algorithm 1")
    gather_distributed: bool = Field(
        True, description="on several ranks, the loss of the global batch; false: of each share"
    )
    params: dict[str, Any] = Field(default_factory=dict, description="keywords of that loss")


MetricLossSettings = MultiSimilaritySettings | LibraryLossSettings
BlockT = TypeVar("BlockT", bound=Block)


def read_block(block: type[BlockT], values: Any, place: str) -> BlockT:
    """Check ``values`` against the schema ``block``.

    Args:
        block: the schema.
        values: what stands in the YAML, as plain Python values.
        place: where it stands, e.g. ``model_config.refnet_mmbt.refiner``.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    if not isinstance(values, Mapping):
        raise RefnetError(
            f"{place}: expected a block of settings or null, got {values!r} "
            f"(keys: {', '.join(block.model_fields)})"
        )
    for key in values:
        if key not in block.model_fields:
            raise RefnetError(unknown(place, "key", key, block.model_fields))
    try:
        return block.model_validate(dict(values))
    except ValidationError as errors:
        first = errors.errors()[0]
        line = _one_line(block, place, values, first["loc"], first["type"])
        raise RefnetError(line) from None


def read_metric_loss(values: Any, place: str) -> MetricLossSettings:
    """Check a ``metric_loss:`` block; its ``type`` decides which keys it may have.

    Raises:
        RefnetError: one line for the first thing that is wrong.
    """
    kind = values.get("type", "multi_similarity") if isinstance(values, Mapping) else None
    if kind is None or kind == "multi_similarity":
        return read_block(MultiSimilaritySettings, values, place)
    losses = _library_losses()
    if not isinstance(kind, str) or kind not in losses:
        known = ["multi_similarity", *losses]
        raise RefnetError(unknown(f"{place}.type", "metric loss", kind, known))
    keywords = _keywords(losses[kind])
    own = [name for name in LibraryLossSettings.model_fields if name != "params"]
    params = {key: value for key, value in values.items() if key not in own}
    for key in params:
        if key not in keywords:
            raise RefnetError(unknown(place, "key", key, [*own, *keywords]))
    rest = {key: value for key, value in values.items() if key not in params}
    return read_block(LibraryLossSettings, {**rest, "params": params}, place)


def _library_losses() -> dict[str, type]:
    """Return the losses of pytorch-metric-learning by name; none where it is not installed."""
    try:
        from pytorch_metric_learning import losses
    except ImportError:
        return {}
    return {
        name: item
        for name, item in vars(losses).items()
        if inspect.isclass(item)
        and issubclass(item, losses.BaseMetricLossFunction)
        and item is not losses.BaseMetricLossFunction
    }


def _keywords(loss: type) -> list[str]:
    """Return the keywords that a class of pytorch-metric-learning and its bases take."""
    constructors = [
        vars(base)["__init__"]
        for base in inspect.getmro(loss)
        if "__init__" in vars(base) and base.__module__.startswith("pytorch_metric_learning")
    ]
    parameters = [p for init in constructors for p in inspect.signature(init).parameters.values()]
    named = [p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return list(dict.fromkeys(name for name in named if name != "self"))


def _one_line(
    block: type[Block], place: str, values: Any, where: Sequence[int | str], kind: str
) -> str:
    """Word one of pydantic's errors: place, value, what is valid.

    Args:
        block: the schema.
        place: where the block stands.
        values: the block.
        where: pydantic's place of the error in it: keys and positions, and names of types.
        kind: pydantic's name of the error.
    """
    key = str(where[0])
    field: FieldInfo = block.model_fields[key]
    full_place, path, value = f"{place}.{key}", list[int | str](), values.get(key)
    if kind == "missing":
        return f"{full_place}: is missing ({field.description})"
    if kind == "literal_error":
        return unknown(full_place, key, value, get_args(field.annotation))
    for part in where[1:]:
        if isinstance(value, Mapping) and part in value:
            if not isinstance(part, str):
                return f"{full_place}: expected names, got the key {part!r}"
            full_place += f".{part}"
        elif isinstance(value, list) and isinstance(part, int):
            full_place += f"[{part}]"
        else:
            continue  # pydantic's name of one of the types that it has tried
        path.append(part)
        value = value[part]
    schema = block.model_json_schema()["properties"][key]
    line = f"{full_place}: expected {words_for(schema_at(schema, path))}, got {value!r}"
    if isinstance(value, str):
        line += hint_for_string(value)
    return line


def hint_for_string(value: str) -> str:
    """Tell the user of a quoted number or a lower-case boolean how MMF's command line wants it."""
    if value.lower() in ("true", "false"):
        return (
            f" (a string: on the command line write {value.capitalize()}, in YAML {value.lower()})"
        )
    if value.lower() in ("null", "none"):
        return " (a string: on the command line write None, in YAML null)"
    try:
        float(value)
    except ValueError:
        return ""
    return f" (a string: write {value} without quotes, and with a point before any exponent)"
