"""Sizes and values that try to break a rewrite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

import numpy as np
import onnx_ir as ir

from pipeline.graph.rewriting.regions import Region
from pipeline.graph.sizes.dims import Dim
from pipeline.operators import GATHERS, MASK_INPUT
from pipeline.stages.optimize.proof_caches import room_in_cache

PATTERNS = ((2, 5, 3, 7, 4, 6), (3, 1, 4, 2, 5, 8), (1, 1, 1, 1, 1, 1), (4, 8, 12, 16, 8, 4),
            (2, 2, 2, 2, 2, 2), (8, 16, 32, 16, 8, 32), (2, 96, 64, 80, 48, 32),
            (3, 400, 560, 480, 640, 320))  # fmt: skip
ENOUGH = 4
MAX_ELEMENTS = 1 << 21


def assignments(
    region: Region, zero: frozenset[str], runs: Callable[[dict[str, int]], bool]
) -> Iterator[dict[str, int]]:
    """Yield sizes for the region's named dimensions: distinct, with ones, divisible, equal.

    Args:
        region: The region.
        zero: Names that may be 0; one assignment tries it.
        runs: Whether the original runs with some sizes. Where it does not, one name is tried as
            the sum of two others: a total length is declared apart from the lengths it adds up.
    """
    names = sorted({name for shape in region.shapes for dim in shape for name in dim.symbols})
    produced, sums = 0, _sums(names)
    rule: Sum | None = None
    patterns = [{n: p[i % len(p)] for i, n in enumerate(names)} for p in PATTERNS]
    if zero & set(names):
        patterns.insert(2, {n: 0 if n in zero else 3 for n in names})
    for sizes in patterns:
        options = [rule] if rule is not None else [None, *sums]
        for option in options:
            tried = _with(sizes, option)
            if _small(region, tried) and runs(tried):
                rule = rule or option
                produced += 1
                yield tried
                break
        if not names or produced > ENOUGH:
            return


Sum = tuple[str, str, str]


def _sums(names: list[str]) -> list[Sum]:
    if len(names) > 5:
        return []
    return [(a, b, c) for a in names for b, c in combinations([n for n in names if n != a], 2)]


def _with(sizes: dict[str, int], rule: Sum | None) -> dict[str, int]:
    return sizes if rule is None else sizes | {rule[0]: sizes[rule[1]] + sizes[rule[2]]}


def _small(region: Region, sizes: Mapping[str, int]) -> bool:
    """Whether all inputs have room for something, and none for too much."""
    least = 0 if 0 in sizes.values() else 1
    for shape in region.shapes:
        dims = [_size(dim, sizes) for dim in shape]
        known = [dim for dim in dims if dim is not None]
        if len(known) < len(dims) or any(dim < least for dim in known):
            return False
        if np.prod(known, dtype=np.int64) > MAX_ELEMENTS:
            return False
    return True


def _size(dim: Dim, sizes: Mapping[str, int]) -> int | None:
    try:
        return dim.evaluate(sizes)
    except (KeyError, ZeroDivisionError, AssertionError):
        return None


def feeds_for(
    region: Region, sizes: Mapping[str, int], style: str, seed: int
) -> dict[str, np.ndarray]:
    """Return values for every input of the region, by name."""
    random = np.random.default_rng([seed, len(style)])
    feeds: dict[str, np.ndarray] = {}
    for i, shape in enumerate(region.shapes):
        dims = [dim.evaluate(sizes) for dim in shape]
        kind = region_type(region, i)
        room = room_in_cache(region, i, sizes)
        if room is not None:
            feeds[f"i{i}"] = random.integers(0, room + 1, dims).astype(kind.numpy())
        else:
            feeds[f"i{i}"] = _values(region, i, kind, dims, style, random)
    return feeds


def region_type(region: Region, index: int) -> ir.DataType:
    """Return the type of a region input as its models declare it."""
    for model in (region.before, region.after):
        for value in model.graph.inputs:
            if value.name == f"i{index}" and value.dtype is not None:
                return value.dtype
    return ir.DataType.FLOAT


def _values(
    region: Region,
    index: int,
    kind: ir.DataType,
    dims: list[int],
    style: str,
    random: np.random.Generator,
) -> np.ndarray:
    if kind.is_floating_point():
        return _floats(region, index, dims, style, random).astype(kind.numpy())
    bound = _index_bound(region, index)
    if bound is not None:
        return random.integers(0, max(bound, 1), dims).astype(kind.numpy())
    mask = np.ones(dims, dtype=np.int64)
    if style != "plain" and mask.size:
        mask = (random.random(dims) < 0.6).astype(np.int64)
        if style == "large":
            mask = np.sort(mask, axis=-1)[..., ::-1] if dims else mask
        elif style == "masked-rows" and dims:
            mask[0] = 0
        elif dims and dims[-1]:
            mask[..., 0] = 1
    return mask.astype(kind.numpy())


def _floats(
    region: Region, index: int, dims: list[int], style: str, random: np.random.Generator
) -> np.ndarray:
    values = random.standard_normal(dims)
    if style == "large":
        values = values * 8.0 + random.standard_normal() * 4.0
    elif style == "masked-rows" and values.ndim > 1 and values.size:
        values[0] = 0.0
    handed_in = region.inputs[index].is_graph_input() and _only_added(region, index)
    if handed_in and style in ("holes", "masked-rows") and values.size:
        values = np.where(random.random(dims) < 0.4, np.finfo(np.float32).min, 0.0)
    return values


_VIEWS = frozenset({"Unsqueeze", "Slice", "Reshape", "Expand", "Cast", "Identity"})


def _only_added(region: Region, index: int) -> bool:
    """Whether a float input is only ever added, also behind views: an additive mask handed in.

    Keys of a cache go through views as well, and end in a product.
    """
    level = [value for value in region.before.graph.inputs if value.name == f"i{index}"]
    added = False
    while level:
        for node, place in level.pop().uses():
            if node.op_type == "Add" or MASK_INPUT.get(node.op_type) == place:
                added = True
            elif node.op_type in _VIEWS and place == 0:
                level += node.outputs
            elif node.op_type != "Shape":
                return False
    return added


def _index_bound(region: Region, index: int) -> int | None:
    """Return the size of the table an integer input indexes, None when it indexes none."""
    for value in region.before.graph.inputs:
        if value.name != f"i{index}":
            continue
        level = [value]
        for _ in range(8):
            following: list[ir.Value] = []
            for one in level:
                for node, place in one.uses():
                    if node.op_type in GATHERS and place == 1:
                        return _rows(node)
                    if place == 0 and node.op_type in ("Cast", "Unsqueeze", "Reshape", "Slice",
                                                       "Squeeze", "Identity"):  # fmt: skip
                        following += node.outputs
            level = following
    return None


def _rows(node: ir.Node) -> int:
    table = node.inputs[0]
    if table is None or table.shape is None:
        return 2
    axis = node.attributes.get("axis")
    size = table.shape[axis.as_int() if axis is not None else 0]
    return size if isinstance(size, int) else 2
