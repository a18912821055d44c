"""The fused site with which a build fails, where the builder names no node.

Much of what the builder says of a failure names nothing in the graph: one compiler takes in all of
it. So the graph is cut off behind one fused site after another, by halves, until it builds: with
the site right behind the last cut, and not before it, the build fails in the same way.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from pipeline.builder.diagnose import diagnose
from pipeline.builder.request import PlanRequest
from pipeline.builder.seen import Seen
from pipeline.builder.supervise import run_child
from pipeline.errors import PipelineError
from pipeline.graph.files.model_file import load_model, save_model
from pipeline.graph.module_path import module_path
from pipeline.graph.rewriting.edit import drop_unused
from pipeline.graph.rewriting.emit import RULE
from pipeline.graph.views.walks import bodies
from pipeline.types import SILENT, Progress

LIMIT_S = 120.0  # for all trials together

Fails = Callable[[Sequence[ir.Node], Sequence[ir.Value]], bool]


@dataclass(frozen=True)
class Fault:
    """A site at fault.

    Attributes:
        node: Name of the node that was fused there.
        path: Its module path, for people.
        lowering: What fused it.
    """

    node: str
    path: str
    lowering: str


def failure_of(request: PlanRequest, timeout_s: float = 600.0) -> str:
    """Return the cause of a build's failure, `` when it succeeds; no plan is left."""
    plan = request.plan.with_name(f".{request.plan.name}.trial")
    try:
        outcome = run_child(replace(request, plan=plan), SILENT, timeout_s)
    finally:
        plan.unlink(missing_ok=True)
    if outcome.good:
        return ""
    return diagnose(outcome.heard, outcome.exit_code, outcome.stderr).cause


def site_at_fault(request: PlanRequest, cause: str, progress: Progress = SILENT) -> Fault | None:
    """Return the fused site with which a build fails, None where none can be told.

    Args:
        request: The build that failed.
        cause: Why, in the words of `diagnose`; what fails for another reason counts as sound.
        progress: Told that it is looked for.
    """
    model = load_model(request.onnx)
    sites = [node for node in model.graph if _rule(node)]
    if not sites:
        return None
    progress.step("looking for the fused site at fault")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pipeline-blame-") as scratch:

        def fails(nodes: Sequence[ir.Node], values: Sequence[ir.Value]) -> bool:
            left = LIMIT_S - (time.monotonic() - started)
            path = Path(scratch, "graph.onnx")
            cut_behind(load_model(request.onnx), nodes, values, path)
            return failure_of(replace(request, onnx=path, plan=Path(scratch, "p")), left) == cause

        try:
            found = first_with(sites, fails)
        except PipelineError:  # out of time, or a cut that cannot be written
            return None
    if found is None:
        return None
    return Fault(found.name or found.op_type, module_path(found), _rule(found))


def first_with(sites: Sequence[ir.Node], fails: Fails) -> ir.Node | None:
    """Return the first site with which it fails, None where it fails for no site's sake.

    Args:
        sites: In the order of the graph.
        fails: Whether the graph fails that computes these nodes' outputs and these values.
    """
    if not fails(sites, ()):
        return None
    good, bad = 0, len(sites)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if fails(sites[:middle], ()) else (middle, bad)
    site = sites[bad - 1]
    before = [x for x in site.inputs if x is not None and x.producer() is not None]
    if before and fails(sites[: bad - 1], before):
        return None  # what it reads fails without it
    return site


def cut_behind(
    model: ir.Model, nodes: Sequence[ir.Node], values: Sequence[ir.Value], path: Path
) -> None:
    """Write the part of a model that computes the outputs of these nodes, and these values.

    Args:
        model: Read from the same file as the nodes; it is changed.
        nodes: Nodes of its main graph, found again by what they return.
        values: Values of it, found again by name.
        path: Where to write.
    """
    wanted = {v.name for node in nodes for v in node.outputs if v.uses() or v.is_graph_output()}
    wanted |= {value.name for value in values}
    seen = Seen(model)
    kept = [v for node in model.graph for v in node.outputs if v.name in wanted]
    for value in kept:
        dtype = seen.dtype(value)
        if dtype is not None:
            value.dtype = dtype
    model.graph.outputs.clear()
    model.graph.outputs.extend(kept)
    drop_unused(model)
    save_model(model, path)


def _rule(node: ir.Node) -> str:
    """Return which lowering wrote a node, or one in the bodies inside it; empty if none did."""
    return next((str(n.metadata_props[RULE]) for n in _all(node) if RULE in n.metadata_props), "")


def _all(node: ir.Node) -> Iterator[ir.Node]:
    yield node
    for body in bodies(node):
        for inner in body:
            yield from _all(inner)
