"""Taps: read a tensor inside any network while it trains, without changing the network.

A `Tap` names a module by its path and says what to read of it: its output, a positional
input or a keyword. `Taps` puts hooks on the modules named, and keeps what passes by during
one forward call. In eval mode the hooks are gone: the network is the untouched one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from refnet_mmf.core.messages import check_name, did_you_mean, nearest

READS = ("output", "input", "kwargs")


@dataclass(frozen=True)
class Tap:
    """Where a tensor is to be found.

    Attributes:
        module: path of a module below the root: attribute names, positions in a list (negative
            ones count from its end) and keys, joined by dots, e.g. ``bert.encoder.layer.-1``.
        read: ``output``, ``input`` (the positional arguments) or ``kwargs`` of that module's call.
        path: where in that value the tensor is: positions and keys, in order.
        name: what messages call it beside that, e.g. the key that it was read from.
    """

    module: str
    read: str = "output"
    path: tuple[int | str, ...] = ()
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check_name(f"tap on {self.module!r}: read", "read", self.read, READS)

    def __str__(self) -> str:
        where = "".join(f"[{part!r}]" for part in self.path)
        at = f"{self.module or 'the model'} ({self.read}{where})"
        return f"{self.name}, {at}" if self.name else at


def find_module(root: nn.Module, path: str) -> nn.Module:
    """Return the module at ``path`` below ``root``.

    Raises:
        ValueError: there is none; the message names the nearest path and what stands at the last
            part that exists.
    """
    module = root
    for depth, part in enumerate(path.split(".") if path else []):
        children = dict(module.named_children())
        name = part
        if (
            part.startswith("-")
            and part[1:].isdigit()
            and isinstance(module, (nn.ModuleList, nn.Sequential))
        ):
            name = str(len(children) + int(part))
        if name not in children:
            parent = ".".join(path.split(".")[:depth])
            guess = nearest(path, (name for name, _ in root.named_modules()))
            hint = did_you_mean(guess)
            raise ValueError(
                f"no module {path!r}: {parent or 'the model'!s} has no {part!r}{hint} "
                f"({parent or 'the model'!s} has: {', '.join(children) or 'no modules'})"
            )
        module = children[name]
    return module


@dataclass
class Call:
    """What one call of a module took and gave."""

    input: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any


class Taps:
    """Hooks on the modules that a set of taps names.

    A network that holds its taps can be deep-copied, pickled and saved as before.

    Args:
        root: the network that the taps' paths start from.
        taps: what will be read.

    Raises:
        ValueError: a path leads to no module.
    """

    def __init__(self, root: nn.Module, taps: Iterable[Tap]) -> None:
        self.modules = {tap.module: find_module(root, tap.module) for tap in taps}
        self.calls: dict[str, Call] = {}
        self.recording = False
        self.handles: list[RemovableHandle] = []

    def attach(self) -> None:
        """Put the hooks on; does nothing where they are on."""
        if not self.handles:
            self.handles = [
                module.register_forward_hook(_Recorder(self, path), with_kwargs=True)
                for path, module in self.modules.items()
            ]

    def detach(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()
        self.handles = []

    @contextmanager
    def record(self) -> Iterator[None]:
        """Keep what passes by within this context, and forget it at the end.

        Outside it a hook that fires (gradient checkpointing calls a module again in the backward
        pass) keeps nothing.
        """
        self.recording = True
        try:
            yield
        finally:
            self.recording = False
            self.calls.clear()

    def read(self, tap: Tap) -> Any:
        """Return what ``tap`` points at in the call that was recorded last.

        Raises:
            ValueError: the module was not called, or its value has no such part.
        """
        if tap.module not in self.calls:
            raise ValueError(f"tap {tap}: the module was not called in this forward pass")
        value: Any = getattr(self.calls[tap.module], tap.read)
        for part in tap.path:
            try:
                if isinstance(value, Tensor):  # a position in it would be a sample of the batch
                    raise TypeError
                value = value[part]
            except (LookupError, TypeError, AttributeError):
                near = nearest(str(part), map(str, value)) if isinstance(value, Mapping) else None
                hint = did_you_mean(near)
                said = f"nothing at {part!r} in {_describe(value)}{hint}"
                raise ValueError(f"tap {tap}: {said}") from None
        return value

    def read_tensor(self, tap: Tap) -> Tensor:
        """Return the tensor that ``tap`` points at.

        Raises:
            ValueError: there is none, or it is not a tensor.
        """
        value = self.read(tap)
        if not isinstance(value, Tensor):
            raise ValueError(f"tap {tap}: expected a tensor, found {_describe(value)}")
        return value


@dataclass(frozen=True)
class _Recorder:
    """The hook of one module."""

    taps: Taps
    path: str

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        if self.taps.recording:
            self.taps.calls[self.path] = Call(args, kwargs, output)


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a mapping with the keys {', '.join(map(str, value))}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"a {type(value).__name__} of length {len(value)}"
    return f"a {type(value).__name__}"
