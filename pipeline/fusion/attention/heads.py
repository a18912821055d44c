"""From filled roles to a site: which factors are batch, heads and groups; the cache; the nodes."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from pipeline.fusion.attention.cache import new_tokens
from pipeline.fusion.attention.operands import Unmatched
from pipeline.fusion.attention.roles import Roles, Scores
from pipeline.fusion.attention.site import AttentionSite
from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.view import Axis, Factor


def site_of(
    roles: Roles, anchor: ir.Node, nodes: frozenset[ir.Node], facts: Facts
) -> AttentionSite:
    """Return the site for filled roles.

    Raises:
        Unmatched: Rows, keys, heads or sizes overlap in a way no attention has.
    """
    scores = roles.scores
    axes = _outer(scores)
    repeated = {f for axis in axes for f in axis} & (scores.q.held - scores.k.held - roles.v.held)
    batch, heads = _heads(axes, repeated)
    groups = tuple(f for f in heads if f in repeated)
    kv = tuple(f for f in heads if f not in repeated)
    _check_sources(roles, {*batch, *heads})
    layouts = (batch, kv, scores.keys, scores.size), (batch, kv, scores.keys, roles.value_size)
    new = new_tokens(scores.k, roles.v, layouts, facts)
    weights = () if roles.weights is None else (roles.weights.base,)
    present = () if new.cache is None else (new.cache.present_key, new.cache.present_value)
    return AttentionSite(
        anchor, nodes, (roles.result, *weights, *present),
        q=scores.q, k=new.k, v=new.v, out=roles.out,
        batch=batch, heads=kv + groups, groups=groups, rows=scores.rows, keys=scores.keys,
        size=scores.size, value_size=roles.value_size, new_keys=new.length,
        scale=scores.scale, cap=scores.cap, row_scale=scores.row_scale, mask=scores.mask,
        zero_rows=roles.zero_rows, sink=scores.sink, cache=new.cache, weights=roles.weights,
    )  # fmt: skip


def _check_sources(roles: Roles, outer: set[Factor]) -> None:
    """Refuse operands that hold more than batch, heads, rows, keys and their own size."""
    scores = roles.scores
    for name, view, size in (
        ("q", scores.q, scores.size),
        ("k", scores.k, scores.size),
        ("v", roles.v, roles.value_size),
    ):
        if view.held - outer - {*scores.rows, *scores.keys, *size}:
            raise Unmatched(
                f"the {name} operand has an axis that is neither batch, head nor length"
            )


def _outer(scores: Scores) -> list[Axis]:
    """Return the axes of the scores without rows and keys, wherever those stand."""
    left = list(scores.view.axes)
    for inner in (scores.keys, scores.rows):
        places = [i for i, axis in enumerate(left) if axis == inner]
        left = [axis for i, axis in enumerate(left) if i not in places[-1:]]
    return [tuple(f for f in axis if f not in (*scores.rows, *scores.keys)) for axis in left]


def _heads(axes: list[Axis], repeated: Set[Factor]) -> tuple[Axis, Axis]:
    """Split the batch factors into batch and heads.

    Heads are the innermost batch axis, and the one before it too when the innermost only
    repeats keys (grouped heads written as two axes). Of a single folded `batch * heads` axis the
    innermost factor is the heads; with no factors to tell, everything is batch.
    """
    if not axes:
        return (), ()
    last = axes[-1]
    if len(axes) > 1:
        count = 2 if len(axes) > 2 and last and all(f in repeated for f in last) else 1
        heads = tuple(f for axis in axes[-count:] for f in axis)
        return tuple(f for axis in axes[:-count] for f in axis), heads
    count = 1
    while count < len(last) and all(f in repeated for f in last[-count:]):
        count += 1
    if count >= len(last):
        return last, ()
    return last[:-count], last[-count:]
