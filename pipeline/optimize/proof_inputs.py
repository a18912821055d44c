"""Sizes and values that try to break a rewrite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx_ir as ir

from pipeline.graph.dims import Dim
from pipeline.graph.regions import Region

PATTERNS = ((2, 5, 3, 7, 4, 6), (3, 1, 4, 2, 5, 8), (1, 1, 1, 1, 1, 1), (4, 8, 12, 16, 8, 4),
            (2, 2, 2, 2, 2, 2), (8, 16, 32, 16, 8, 32))  # fmt: skip
ENOUGH = 4
MAX_ELEMENTS = 1 << 21
INDEX_OPS = {"Gather": 1, "GatherElements": 1, "GatherND": 1}


def assignments(region: Region, zero: frozenset[str]) -> Iterator[dict[str, int]]:
    """Yield sizes for the region's named dimensions: distinct, with ones, divisible, equal."""
    names = sorted({name for shape in region.shapes for dim in shape for name in dim.symbols})
    produced = 0
    for pattern in PATTERNS:
        sizes = {name: pattern[i % len(pattern)] for i, name in enumerate(names)}
        if _small(region, sizes):
            produced += 1
            yield sizes
        if not names or produced >= ENOUGH + 1:
            break
    if zero & set(names):
        yield {name: 0 if name in zero else 3 for name in names}


def _small(region: Region, sizes: Mapping[str, int]) -> bool:
    for shape in region.shapes:
        dims = [_size(dim, sizes) for dim in shape]
        if any(d is None or d < 0 for d in dims) or np.prod([d or 0 for d in dims]) > MAX_ELEMENTS:
            return False
    return True


def _size(dim: Dim, sizes: Mapping[str, int]) -> int | None:
    try:
        return dim.evaluate(sizes)
    except (KeyError, ZeroDivisionError, AssertionError):
        return None


def feeds_for(
    region: Region, sizes: Mapping[str, int], style: str, seed: int
) -> dict[str, np.ndarray] | None:
    """Return values for every input, or None when there is nothing to vary in this style."""
    random = np.random.default_rng([seed, len(style)])
    feeds: dict[str, np.ndarray] = {}
    for i, (value, shape) in enumerate(zip(region.inputs, region.shapes, strict=True)):
        dims = [dim.evaluate(sizes) for dim in shape]
        kind = value.dtype or region_type(region, i)
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
    if region.inputs[index].is_graph_input() and style in ("holes", "masked-rows"):
        if _only_added(region, index) and values.size:
            values = np.where(random.random(dims) < 0.4, np.finfo(np.float32).min, 0.0)
    return values


def _only_added(region: Region, index: int) -> bool:
    """Whether a float input is only ever added: an additive mask handed in."""
    for value in region.before.graph.inputs:
        if value.name == f"i{index}":
            return all(
                node.op_type in ("Add", "Unsqueeze", "Slice", "Attention", "Shape", "Reshape")
                for node in value.consumers()
            )
    return False


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
                    if INDEX_OPS.get(node.op_type) == place:
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
