"""Input shapes as people write them, and the ranges of one optimization profile."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.errors import UsageError
from pipeline.records.engine import Shape, ShapeRange
from pipeline.records.tensors import SizeRange


@dataclass(frozen=True)
class InputSpec:
    """One graph input: a name, an ONNX dtype name and its dims (numbers or symbols)."""

    name: str
    dtype: str
    dims: tuple[int | str, ...]

    @property
    def dynamic(self) -> bool:
        """Whether any dim depends on the run."""
        return any(isinstance(d, str) for d in self.dims)


Profile: TypeAlias = dict[str, ShapeRange]


def check_shape(name: str, shape: Shape) -> None:
    """Raise UsageError if a shape has a size below 0."""
    if any(size < 0 for size in shape):
        raise UsageError(f"input {name!r} cannot have the shape {'x'.join(map(str, shape))}")


def dim_range(name: str, values: int | Sequence[int]) -> SizeRange:
    """Return the range of a named dim from its value, from two ends, or from all three numbers.

    Raises:
        UsageError: The numbers do not ascend from 0 or above.
    """
    numbers = (values,) if isinstance(values, int) else tuple(values)
    low, high = numbers[0], numbers[-1]
    middle = numbers[1] if len(numbers) == 3 else high
    if not 0 <= low <= middle <= high:
        told = ":".join(str(number) for number in numbers)
        raise UsageError(
            f"the range {told} of {name} does not ascend", fix="0 <= MIN <= OPT <= MAX"
        )
    return SizeRange(low, middle, high)


def evaluate(dim: int | str, sizes: Mapping[str, int]) -> int | None:
    """Return a dim's value where its names are known; `past + seq` is computed, else None."""
    if isinstance(dim, int):
        return dim
    if dim in sizes:
        return sizes[dim]
    try:
        return _compute(ast.parse(dim, mode="eval").body, sizes)
    except (SyntaxError, KeyError, ZeroDivisionError):
        return None


def _compute(node: ast.expr, sizes: Mapping[str, int]) -> int:
    """Return the value of sums, differences, products and quotients; KeyError for the rest."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        return sizes[node.id]
    if isinstance(node, ast.BinOp):
        left, right = _compute(node.left, sizes), _compute(node.right, sizes)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div | ast.FloorDiv):
            return left // right
    raise KeyError(ast.dump(node))


def names_in(dim: int | str) -> frozenset[str]:
    """Return the named sizes a dim is made of; a symbol that is no expression names itself."""
    if isinstance(dim, int):
        return frozenset()
    try:
        tree = ast.parse(dim, mode="eval").body
    except SyntaxError:
        return frozenset({dim})
    names = frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name))
    return names if isinstance(tree, ast.BinOp) else frozenset({dim})
