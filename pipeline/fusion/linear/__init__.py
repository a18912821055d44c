"""Products with stored weights, and tables read by index, rounded to few bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import onnx_ir as ir

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.linear.find import find_linears, find_tables, with_noise
from pipeline.fusion.linear.forms import FOUR_POSITIVE, WEIGHTS
from pipeline.fusion.linear.lower_blocks import RoundInBlocks
from pipeline.fusion.linear.lower_dynamic import RoundBoth
from pipeline.fusion.linear.lower_standard import RoundWeights
from pipeline.fusion.linear.lower_table import RoundTable
from pipeline.fusion.linear.site import LinearSite
from pipeline.fusion.lowering import Lowering
from pipeline.fusion.refusal import Refusal
from pipeline.graph.inference.facts import Facts

LINEAR = "linear"


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct; none where no precision asks for rounding."""
    if choice.precision not in WEIGHTS:
        return ()
    form, heads = WEIGHTS[choice.precision]
    if choice.target.startswith("tensorrt") and form.signed_scales:
        form = FOUR_POSITIVE
    weights: tuple[Lowering[LinearSite], ...] = (
        RoundInBlocks(form, heads), RoundWeights(form, heads),
    )  # fmt: skip
    tables = Pass(LINEAR, find_tables, (RoundTable(),))
    if choice.calibrated:

        def shown(graph: ir.Graph, facts: Facts) -> Iterator[LinearSite | Refusal]:
            return _calibrated(graph, facts, choice)

        return tables, Pass(LINEAR, shown, weights)
    if choice.precision != "int8":
        return tables, Pass(LINEAR, find_linears, weights)
    # both sides first: what one scale does not suit is left to blocks

    def find(graph: ir.Graph, facts: Facts) -> Iterator[LinearSite | Refusal]:
        return _watched(graph, facts, choice)

    return tables, Pass(LINEAR, find, (RoundBoth(standard=choice.target == "onnx"), *weights))


def _watched(graph: ir.Graph, facts: Facts, choice: Choice) -> Iterator[LinearSite | Refusal]:
    """Yield the products of a graph with the noise of their inputs."""
    from pipeline.fusion.linear.noise import rounding_noise  # torch, which blocks do without

    names = _names(graph, facts)
    noise = rounding_noise(graph, names, choice.inputs) if names and facts.is_main(graph) else {}
    for found in find_linears(graph, facts):
        yield with_noise(found, noise) if isinstance(found, LinearSite) else found


def _calibrated(graph: ir.Graph, facts: Facts, choice: Choice) -> Iterator[LinearSite | Refusal]:
    """Yield the products of a graph with the moments of their inputs."""
    from pipeline.fusion.linear.moments import moments_of  # torch, as above

    names = _names(graph, facts)
    wanted = names and choice.inputs is not None and facts.is_main(graph)
    moments = moments_of(graph, names, choice.inputs or {}) if wanted else {}
    for found in find_linears(graph, facts):
        if isinstance(found, LinearSite) and not found.head:
            yield replace(found, moments=moments.get(found.x.name or ""))
        else:
            yield found


def _names(graph: ir.Graph, facts: Facts) -> set[str]:
    """Return the names of what enters products."""
    graph.sort()
    return {f.x.name or "" for f in find_linears(graph, facts) if isinstance(f, LinearSite)}
