"""The inputs a part is compared on: shapes, seeds, mask styles, files, real text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from pipeline.errors import UsageError
from pipeline.inputs import InputMaker, load_inputs
from pipeline.parity.coverage import Coverage
from pipeline.parity.covering import covering_cases
from pipeline.parity.results import Case
from pipeline.parity.shapes import choose_shapes
from pipeline.records.tensors import SizeRange

if TYPE_CHECKING:
    import onnx_ir as ir

SMALLEST_FIRST = (2, 0, 1)
"""Variants of `InputMaker.dims`: a batch of 1 and an empty past first."""

EXTREMES = ("holes", "masked-rows", "large", "length-1")
ROUND_TO = {"fp16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
LARGEST = {ROUND_TO["fp16"]: 65504.0, ROUND_TO["bf16"]: 3.38953139e38}


def make_cases(
    model: ir.Model,
    dims: Mapping[str, SizeRange],
    *,
    seeds: int,
    pinned: Mapping[str, int],
    precisions: Iterable[str],
) -> tuple[list[Case], Coverage]:
    """Return the synthetic cases of an exported graph, and what can be covered in it.

    Args:
        model: The graph whose inputs are made.
        dims: Ranges of its dynamic sizes.
        seeds: Sets of inputs per shape.
        pinned: Sizes that are given.
        precisions: Of the candidates; floats are rounded to what all of them can hold.
    """
    maker = InputMaker(model)
    # A size that follows from others, such as a mask's past + seq, is left to follow.
    chosen = maker.sizes.free() | pinned.keys()
    dims = {name: limits for name, limits in dims.items() if name in chosen}
    free = {
        name: SizeRange(pinned[name], pinned[name], pinned[name]) if name in pinned else limits
        for name, limits in dims.items()
    }
    typical = {name: limits.opt for name, limits in dims.items()}
    sums = sums_in(model)
    shapes = choose_shapes(free, typical, sums) or [typical]
    return _covered(
        maker, cases_at(maker, shapes, seeds, precisions), free, sums, pinned, precisions
    )


def make_file_cases(
    model: ir.Model, *, seeds: int, pinned: Mapping[str, int], precisions: Iterable[str]
) -> tuple[list[Case], Coverage]:
    """Return the synthetic cases of a graph from anyone, and what can be covered in it.

    Sizes are those that its own operators allow.
    """
    maker = InputMaker(model)
    free = maker.sizes.free()
    shapes: list[dict[str, int]] = []
    for variant in SMALLEST_FIRST:
        shape = {n: size for n, size in maker.dims(variant).items() if n in free} | dict(pinned)
        if shape not in shapes:
            shapes.append(shape)
    cases = cases_at(maker, shapes, seeds, precisions)
    return _covered(maker, cases, {}, sums_in(model), pinned, precisions)


def _covered(
    maker: InputMaker,
    cases: list[Case],
    ranges: Mapping[str, SizeRange],
    sums: Sequence[str],
    pinned: Mapping[str, int],
    precisions: Iterable[str],
) -> tuple[list[Case], Coverage]:
    """Return the cases with those added that reach what they leave out."""
    coverage = Coverage(maker, ranges, sums)
    added = covering_cases(coverage, cases, pinned)
    kept = [
        replace(
            case,
            feeds=rounded(case.feeds, precisions),
            hidden=_hidden(maker, case.feeds) if case.style == "masked-rows" else {},
        )
        for case in added
    ]
    return cases + kept, coverage


def cases_at(
    maker: InputMaker,
    shapes: Sequence[Mapping[str, int]],
    seeds: int,
    precisions: Iterable[str],
) -> list[Case]:
    """Return the cases at these shapes.

    Every shape meets plain and padded inputs in turn, one seed each; the middle shape also
    meets the extreme styles.
    """
    plans = [
        (shape, ("plain", "padded")[seed % 2], seed) for shape in shapes for seed in range(seeds)
    ]
    middle = shapes[len(shapes) // 2]
    single = {name: 1 if name in maker.sizes.sequences else size for name, size in middle.items()}
    plans += [(single if s == "length-1" else middle, s, seeds) for s in EXTREMES]
    cases: list[Case] = []
    for shape, style, seed in plans:
        made = maker.make(shape, seed, style)  # type: ignore[arg-type]
        feeds = rounded(made, precisions)
        if not any(_same(feeds, case.feeds) for case in cases):
            hidden = _hidden(maker, feeds) if style == "masked-rows" else {}
            name = _name(shape, style, seed)
            cases.append(Case(name, style, shape, feeds, seed, hidden=hidden))
    return cases


def _hidden(maker: InputMaker, feeds: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Return each mask that hides rows whole, and those rows."""
    found = {}
    for role in maker.roles:
        array = feeds[role.name]
        if role.kind == "mask" and array.ndim >= 2:
            seen = (array == role.keep).reshape(array.shape[0], -1).any(axis=1)
            if not seen.all():
                found[role.name] = tuple(np.flatnonzero(~seen).tolist())
    return found


def file_case(path: Path, names: Sequence[str], precisions: Iterable[str]) -> Case | None:
    """Return the case an .npz holds, None if it holds nothing for these inputs.

    Raises:
        UsageError: it cannot be read, or lacks some of the inputs.
    """
    stored = load_inputs(path)
    feeds = {name: stored[name] for name in names if name in stored}
    if not feeds:
        return None
    if len(feeds) < len(names):
        missing = ", ".join(sorted(set(names) - set(feeds)))
        raise UsageError(f"the inputs lack {missing}", where=str(path), fix="store every input")
    return Case(path.name, "file", {}, rounded(feeds, precisions))


def rounded(feeds: Mapping[str, np.ndarray], precisions: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the inputs with floats that every one of the precisions holds exactly."""
    result = dict(feeds)
    for kind in (ROUND_TO[p] for p in sorted(precisions) if p in ROUND_TO):
        for name, array in result.items():
            if np.issubdtype(array.dtype, np.floating):
                largest = LARGEST[kind]
                result[name] = np.clip(array, -largest, largest).astype(kind).astype(array.dtype)
    return result


def sums_in(model: ir.Model) -> list[str]:
    """Return the sums such as "past + seq" among the sizes of inputs and outputs."""
    found = []
    for value in (*model.graph.inputs, *model.graph.outputs):
        for dim in value.shape or ():
            name = getattr(dim, "value", None)
            if isinstance(name, str) and "+" in name and name not in found:
                found.append(name)
    return found


def _name(shape: Mapping[str, int], style: str, seed: int) -> str:
    sizes = " ".join(f"{name}={size}" for name, size in sorted(shape.items()))
    return f"{sizes} {style} seed={seed}".strip()


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other.get(name, ())) for name in one)
