"""Raise the version of the standard operators to what the target needs."""

from __future__ import annotations

from pipeline.errors import BadModelError
from pipeline.graph.normalise.adapters import ADAPTERS
from pipeline.graph.normalise.draft import Draft

OLDEST = 7  # before, broadcasting was written out by attributes
IR_VERSION = 10  # the oldest that may carry the opsets we write


def raise_opset(draft: Draft) -> int:
    """Rewrite what changed between the model's opset and the target's; never lowers it.

    The library's own converter is not used: it needs the weights in memory, and drops or freezes
    sizes on some graphs.
    """
    model, have = draft.model, draft.opset()
    if have < OLDEST:
        raise BadModelError(
            f"The model uses opset {have}; {OLDEST} is the oldest that can be read.",
            where="opset_import",
            fix="Export the model again with opset 18 or newer.",
        )
    want = draft.target_opset or have
    if want <= have:
        return 0
    assert draft.facts  # inferred with the old meaning of each operator, before it changes
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            for since, adapt in ADAPTERS.get(node.op_type, ()) if not node.domain else ():
                if have < since <= want:
                    adapt(draft, node)
                    count += 1
    model.opset_imports[""] = want
    model.ir_version = max(model.ir_version, IR_VERSION)
    return count
