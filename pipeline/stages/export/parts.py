"""What is exported: modules of flat tensors in and out, with their dynamic sizes by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange

if TYPE_CHECKING:
    from torch import Tensor, nn

Axes = dict[str, dict[int, str]]


@dataclass(frozen=True)
class ExportPart:
    """One module to export.

    Attributes:
        name: `model`, `encoder` or `decoder`: the file's name.
        module: Takes the example inputs positionally and returns a tuple of tensors.
        inputs: Name -> example, in the order of the module's arguments.
        axes: Input name -> axis -> size name; "past + seq" is the sum of two sizes.
        dims: Size name -> its range.
        outputs: Names of the returned tensors.
        prefix: Path of the user's model inside `module`, cut from names and module paths.
        capacity: Positions of a static cache, 0 where there is none.
        fixed: Arguments that are no tensors, and so part of the graph: name -> value as text.
    """

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    axes: Axes
    dims: dict[str, SizeRange]
    outputs: tuple[str, ...]
    prefix: str = "model"
    capacity: int = 0
    fixed: dict[str, str] = field(default_factory=dict)


def evaluate(expression: str, sizes: Mapping[str, int]) -> int:
    """Return the value of a size name, or of a sum such as "past + seq".

    Raises:
        KeyError: A name that has no size.
    """
    return sum(sizes[term.strip()] for term in expression.split("+"))


def resized(part: ExportPart, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Return the example inputs repeated or cut along each dynamic axis to these sizes.

    Repeating keeps every value legal: ids stay inside their tables and masks stay masks.
    """
    return {
        name: _fit(tensor, {a: evaluate(e, sizes) for a, e in part.axes.get(name, {}).items()})
        for name, tensor in part.inputs.items()
    }


def _fit(tensor: Tensor, wanted: Mapping[int, int]) -> Tensor:
    for axis, size in wanted.items():
        have = tensor.shape[axis]
        if have == 0 and size > 0:
            shape = list(tensor.shape)
            shape[axis] = 1
            tensor, have = tensor.new_zeros(shape), 1
        repeats = [1] * tensor.dim()
        repeats[axis] = -(-size // have) if have else 1
        tensor = tensor.repeat(repeats).narrow(axis, 0, size)
    return tensor.contiguous()


def example_sizes(part: ExportPart) -> dict[str, int]:
    """Return sizes to trace with: all different, none 0 or 1, inside their ranges.

    Exporters merge sizes that happen to be equal and take 0 and 1 for constants.
    """
    sizes: dict[str, int] = {}
    for name, limits in part.dims.items():
        size = max(2, limits.min)
        while size in sizes.values() or size in _sums(part, sizes, name, size):
            size += 1
        if size > limits.max:
            raise UsageError(
                f"size {name!r} may only be {limits.min} to {limits.max}",
                where=f"part {part.name}",
                fix="widen its range, or leave it out of the dynamic axes",
            )
        sizes[name] = size
    return sizes


def _sums(part: ExportPart, sizes: Mapping[str, int], name: str, size: int) -> set[int]:
    """Return what sums of sizes come to so far, so that no size equals one of them."""
    known = {**sizes, name: size}
    expressions = {e for axes in part.axes.values() for e in axes.values() if "+" in e}
    return {
        evaluate(e, known) for e in expressions if all(t.strip() in known for t in e.split("+"))
    }


def name_outputs(value: object, prefix: str = "") -> list[tuple[str, Tensor]]:
    """Return the tensors of a module's result by name: fields, keys, or positions.

    A nested result joins names by a dot; None is skipped.

    Raises:
        UsageError: Something that is no tensor and holds none.
    """
    import torch

    from pipeline.stages.export.structure import items_of

    if isinstance(value, torch.Tensor):
        return [(prefix or "output", value)]
    if value is None:
        return []
    held = items_of(value)
    if held is None:
        raise UsageError(
            f"the model returns a {type(value).__name__}",
            where=f"output {prefix or '(top level)'}",
            fix="return tensors, or tuples, lists, dicts or dataclasses of tensors",
        )
    if not prefix and isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        held = [(f"output_{key}", item) for key, item in held]
    return [found for key, item in held for found in name_outputs(item, _join(prefix, key))]


def free_names(outputs: Sequence[str], inputs: Iterable[str]) -> tuple[str, ...]:
    """Return the output names, those that an input or an earlier output has ending in _out."""
    taken, names = set(inputs), []
    for name in outputs:
        while name in taken:
            name += "_out"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _join(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key
