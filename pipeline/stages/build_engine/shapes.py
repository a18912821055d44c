"""Input shapes as people write them, and the ranges of one optimization profile."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.errors import UsageError

Shape: TypeAlias = tuple[int, ...]


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


@dataclass(frozen=True)
class DimRange:
    """The smallest, the favoured and the largest value of one named dim."""

    min: int
    opt: int
    max: int


@dataclass(frozen=True)
class ShapeRange:
    """The smallest, the favoured and the largest shape of one input."""

    min: Shape
    opt: Shape
    max: Shape


Profile: TypeAlias = dict[str, ShapeRange]


def parse_shapes(text: str) -> dict[str, Shape]:
    """Return shapes by input from trtexec's spelling `ids:1x8,mask:1x8`.

    Raises:
        UsageError: A part is not `NAME:DxDx...`, or an input is named twice.
    """
    shapes: dict[str, Shape] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, colon, dims = part.rpartition(":")
        name = name.strip("'\"")
        try:
            shape = tuple(int(d) for d in dims.lower().split("x")) if dims else ()
        except ValueError:
            shape, colon = (), ""
        if not colon or not name or any(d < 0 for d in shape):
            raise UsageError(f"{part!r} is no input shape", fix="write NAME:1x128,OTHER:1x128")
        if name in shapes:
            raise UsageError(f"input {name!r} occurs twice in {text!r}")
        shapes[name] = shape
    return shapes


def parse_dim_range(text: str) -> tuple[str, DimRange]:
    """Return a named dim and its range from `batch=1:8:16`, `batch=1:16` or `batch=4`.

    Raises:
        UsageError: The text is malformed or the numbers do not ascend.
    """
    name, equals, numbers = text.partition("=")
    try:
        values = [int(n) for n in numbers.split(":")]
    except ValueError:
        values = []
    if not equals or not name or not 1 <= len(values) <= 3:
        raise UsageError(
            f"{text!r} is no dim range", fix="write NAME=MIN:OPT:MAX, e.g. batch=1:8:16"
        )
    low, high = values[0], values[-1]
    middle = values[1] if len(values) == 3 else high
    if not 0 <= low <= middle <= high:
        raise UsageError(f"{text!r} does not ascend", fix="0 <= MIN <= OPT <= MAX")
    return name.strip(), DimRange(low, middle, high)


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
