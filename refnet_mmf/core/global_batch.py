"""The batch of all ranks: what a loss that compares samples with one another must see.

Under data-parallel training each rank of the default process group holds a share of the batch. With
the functions here a loss is computed on the whole of it: its value is the same on every rank, and
that of one process with the global batch, and so are its gradients under DDP, which averages them
over the ranks. Without a process group, or with one rank, they change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.nn.functional import pad

_DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)
_MOST_DIMENSIONS = 3


def world_size() -> int:
    """Return the number of ranks of the default process group; 1 where there is none."""
    if not dist.is_available() or not dist.is_initialized():
        return 1
    return dist.get_world_size()


def rank() -> int:
    """Return the rank of this process in the default process group; 0 where there is none."""
    return dist.get_rank() if world_size() > 1 else 0


def gather_rows(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Concatenate the rows of all ranks, in the order of the ranks.

    All ranks must call it together, each with tensors of its own number of rows. That may be 0: the
    other dimensions and the type of a tensor are then those of the ranks that have rows.

    The gradient of a rank's own rows is multiplied by the number of ranks, by which DDP divides it
    again: each rank computes the loss of the global batch, and DDP takes the mean of the ranks.

    Args:
        tensors: each [B, ...] with at most two further dimensions, all with the same B.

    Returns:
        Each [sum of B over the ranks, ...].

    Raises:
        ValueError: the tensors of a rank differ in their number of rows, or those of two ranks in
            shape or type; the latter on every rank.
    """
    if world_size() == 1:
        return tensors
    for tensor in tensors:
        if tensor.dim() == 0 or tensor.dim() > _MOST_DIMENSIONS or len(tensor) != len(tensors[0]):
            raise ValueError(
                f"gather_rows: expected tensors [B, ...] of the same number of rows, "
                f"got {[tuple(t.shape) for t in tensors]}"
            )
    rows, layouts = _layouts(tensors)
    return tuple(
        _gather(tensor, rows, _common_layout(index, rows, layouts))
        for index, tensor in enumerate(tensors)
    )


def global_mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of ``values`` [B] over the samples of all ranks where ``mask`` [B] is true; 0 for none.

    All ranks must call it together. The gradient is multiplied as in `gather_rows`.
    """
    if mask is None:
        mask = torch.ones_like(values, dtype=torch.bool)
    own_sum = torch.where(mask, values, 0).sum()
    sums = torch.stack([own_sum.detach(), mask.sum().to(values.dtype)])
    if world_size() > 1:
        dist.all_reduce(sums, group=_group_for(sums))
    total, count = sums[0], sums[1].clamp(min=1)
    share = own_sum * (world_size() / count)
    return total / count + (share - share.detach())


def _layouts(tensors: Sequence[Tensor]) -> tuple[list[int], list[list[list[int]]]]:
    """Tell each rank's number of rows, and each of its tensors' type and further dimensions.

    This goes from host to host: on a GPU nothing waits for it, and nothing is copied from there.
    """
    own = [len(tensors[0])]
    for tensor in tensors:
        further = list(tensor.shape[1:])
        own += [_DTYPES.index(tensor.dtype), len(further), *further]
        own += [0] * (_MOST_DIMENSIONS - 1 - len(further))
    message = torch.tensor(own, dtype=torch.int64)
    messages = [torch.empty_like(message) for _ in range(world_size())]
    dist.all_gather(messages, message, group=_host_group())
    rows = [int(m[0]) for m in messages]
    per_tensor = _MOST_DIMENSIONS + 1
    layouts = [
        [part.tolist() for part in m[1:].reshape(len(tensors), per_tensor)] for m in messages
    ]
    return rows, layouts


def _common_layout(
    index: int, rows: Sequence[int], layouts: Sequence[Sequence[Sequence[int]]]
) -> tuple[torch.dtype, list[int]]:
    """Return type and further dimensions that the ranks with rows agree on.

    Raises:
        ValueError: they do not agree.
    """
    known = [(rank, layouts[rank][index]) for rank, count in enumerate(rows) if count > 0]
    first = known[0][1] if known else layouts[0][index]
    for rank, layout in known:
        if layout != first:
            raise ValueError(
                f"gather_rows: rank {known[0][0]} has {_spell(first)}, "
                f"rank {rank} has {_spell(layout)}"
            )
    return _DTYPES[first[0]], list(first[2 : 2 + first[1]])


def _spell(layout: Sequence[int]) -> str:
    sizes = ", ".join(["B", *map(str, layout[2 : 2 + layout[1]])])
    return f"{str(_DTYPES[layout[0]]).removeprefix('torch.')} [{sizes}]"


def _gather(tensor: Tensor, rows: Sequence[int], layout: tuple[torch.dtype, list[int]]) -> Tensor:
    dtype, further = layout
    if len(tensor) == 0:
        # Still part of the graph of what it was, so that no parameter is left without a gradient.
        nothing = tensor.flatten()[:0].sum()
        tensor = tensor.new_zeros((0, *further), dtype=dtype)
        tensor = tensor + nothing.to(dtype) if nothing.requires_grad else tensor
    gathered: Tensor = _GatherRows.apply(tensor, tuple(rows))  # type: ignore[no-untyped-call]
    return gathered


class _GatherRows(torch.autograd.Function):
    """Concatenate the rows of all ranks; hand the gradient of its own rows back to each."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rows: tuple[int, ...]) -> Tensor:
        before = sum(rows[: rank()])
        ctx.own_rows = slice(before, before + len(own))
        if max(rows) == 0:
            return own.clone()
        missing = max(rows) - len(own)
        padded = pad(own.contiguous(), (0, 0) * (own.dim() - 1) + (0, missing))
        parts = [torch.empty_like(padded) for _ in rows]
        dist.all_gather(parts, padded, group=_group_for(padded))
        return torch.cat([part[:count] for part, count in zip(parts, rows, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.own_rows] * dist.get_world_size(), None


def _group_for(tensor: Tensor) -> dist.ProcessGroup | None:
    """Return the group that moves ``tensor``: one on the host needs a host's."""
    return _host_group() if tensor.device.type == "cpu" else None


def _host_group() -> dist.ProcessGroup:
    """Return a group of all ranks whose messages go from host to host."""
    default = dist.group.WORLD
    assert default is not None
    return _host_group_beside(default)


@cache
def _host_group_beside(default: dist.ProcessGroup) -> dist.ProcessGroup:
    if "gloo" in str(dist.get_backend(default)):
        return default
    group = dist.new_group(backend="gloo")
    assert isinstance(group, dist.ProcessGroup)
    return group


def gather_objects(own: Any) -> list[Any]:
    """Return the objects of all ranks, in the order of the ranks; all must call it together."""
    if world_size() == 1:
        return [own]
    objects: list[Any] = [None] * world_size()
    dist.all_gather_object(objects, own, group=_host_group())
    return objects
