"""Nested arguments as people write them: taken apart into named tensors, and put together again.

    {"batch": {"x": X, "mask": M}, "scale": 2.0}   <->   batch.x, batch.mask; scale stays 2.0

Mappings, lists, tuples, named tuples and dataclasses hold other values; names join by a dot, as
those of nested outputs do. Whatever holds no tensor is a fixed value: torch.export, too, takes
numbers for part of the program.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

FIXED = (bool, int, float, complex, str, bytes, type(None))


def items_of(value: Any) -> list[tuple[str, Any]] | None:
    """Return what a container holds by key, field or position; None for anything else."""
    if isinstance(value, Mapping):
        return [(str(key), held) for key, held in value.items()]
    if hasattr(value, "_fields"):
        return [(str(name), getattr(value, name)) for name in value._fields]
    if isinstance(value, (list, tuple)):
        return [(str(index), held) for index, held in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [(name, getattr(value, name)) for name in names]
    return None


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of everything that holds nothing else, in a fixed order."""
    held = items_of(value)
    if held is None or isinstance(value, Tensor):
        yield name, value
        return
    for key, inner in held:
        yield from leaves(inner, f"{name}.{key}" if name else key)


def rebuilt(value: Any, tensors: Iterator[Tensor]) -> Any:
    """Return the value with each of its tensors replaced by the next of `tensors`.

    Containers are new ones of their own kind; those without a tensor are handed on as they are.
    """
    if isinstance(value, Tensor):
        return next(tensors)
    held = items_of(value)
    if held is None or not any(isinstance(leaf, Tensor) for _, leaf in leaves(value)):
        return value
    made = [rebuilt(inner, tensors) for _, inner in held]
    if isinstance(value, Mapping):
        return _mapping(value, made)
    if hasattr(value, "_fields"):
        return type(value)(*made)
    if isinstance(value, (list, tuple)):
        return type(value)(made)
    other = copy.copy(value)
    for (name, _), inner in zip(held, made, strict=True):
        object.__setattr__(other, name, inner)  # a frozen one refuses its own
    return other


def _mapping(value: Mapping[Any, Any], made: list[Any]) -> Any:
    pairs = dict(zip(value, made, strict=True))
    if not hasattr(value, "__setitem__"):
        return pairs
    other: Any = copy.copy(value)  # keeps the kind, which a forward may read by attribute
    for key, inner in pairs.items():
        other[key] = inner
    return other
