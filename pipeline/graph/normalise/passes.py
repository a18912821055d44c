"""The passes, in the order they run, and the function that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.normalise.contrib import ALL, write_out_contrib
from pipeline.graph.normalise.draft import Draft
from pipeline.graph.normalise.fold import fold_constants, simplify_targets
from pipeline.graph.normalise.grids import join_unsqueezes, read_grids
from pipeline.graph.normalise.identities import drop_identities
from pipeline.graph.normalise.merge import drop_unused, merge_equal
from pipeline.graph.normalise.raise_opset import raise_opset
from pipeline.graph.normalise.structure import (
    drop_default_inputs,
    inline_functions,
    lift_constants,
    take_known_branches,
)

Pass: TypeAlias = Callable[[Draft], int]

PASSES: tuple[Pass, ...] = (
    inline_functions,  # first: everything below looks at plain nodes only
    drop_default_inputs,  # before facts, which trust no weight that a caller may override
    lift_constants,  # one form for constants, so that facts and merging see equal ones as equal
    drop_unused,  # nothing below should spend time on what no output needs
    take_known_branches,  # before the opset: a branch never taken may hold what cannot be raised
    raise_opset,  # with facts still inferred by the old meaning of each operator
    write_out_contrib,  # in operators of the new opset; what it leaves unused is dropped below
    drop_identities,  # shortens what constants are computed through
    fold_constants,  # turns fixed parts of shape computations into numbers
    simplify_targets,  # needs those numbers, and makes most of the rest unused
    read_grids,  # needs the numbers, too
    join_unsqueezes,  # after grids, which make new ones
    drop_unused,  # takes the shape computations away that targets no longer need
    merge_equal,  # last, when equal computations are written alike
    drop_unused,  # what merging left without readers
)


def normalise(
    model: ir.Model,
    target_opset: int | None = None,
    keep: frozenset[tuple[str, str]] = ALL,
) -> Facts:
    """Rewrite the model in place into one canonical way of writing and return its facts.

    Every output stays equal, for every input the model accepts; names, types, dims and the order
    of inputs and outputs stay as they are. Weights are neither read nor moved.

    Args:
        model: The model, changed in place.
        target_opset: The version of the standard operators to raise it to; it is never lowered.
        keep: Operators (domain, name) that are not written out; without it none is.

    Raises:
        BadModelError: The model cannot be raised or its functions cannot be inlined.
    """
    draft = Draft(model, target_opset, keep)
    before = _interface(model)
    for step in PASSES:
        step(draft)
        assert _interface(model)[1] == before[1], step.__name__
    assert set(_interface(model)[0]) <= set(before[0])
    model.graph.sort()
    return Facts(model)


def _interface(model: ir.Model) -> tuple[list[object], list[object]]:
    def listed(values: list[ir.Value]) -> list[object]:
        return [(v.name, v.dtype, None if v.shape is None else str(v.shape)) for v in values]

    return listed(list(model.graph.inputs)), listed(list(model.graph.outputs))
