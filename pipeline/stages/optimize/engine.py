"""Optimizing one graph in memory: normalise, fuse, tidy, count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx_ir as ir

from pipeline.errors import BadModelError, PipelineError
from pipeline.fusion.layer import find_layers
from pipeline.fusion.plan import Plan
from pipeline.graph.files.model_file import load_model, refuse_invalid
from pipeline.graph.inference.facts import Facts
from pipeline.graph.inference.in_place import in_place_pairs
from pipeline.graph.normalise import normalise
from pipeline.graph.rewriting.dequantize_last import dequantize_last
from pipeline.graph.rewriting.edit import drop_unused, name_apart
from pipeline.graph.rewriting.equal import made_by_lowering, merge_equal
from pipeline.ort.settings import SessionSettings
from pipeline.precision.report import TypingReport
from pipeline.records.optimize import BuildCheckRecord, SiteCounts
from pipeline.stages.optimize.proof import Prover
from pipeline.stages.optimize.rewrite import Outcome, Rewriter, Spared
from pipeline.types import SILENT, Method, Progress

NONE_SPARED: Spared = {}


@dataclass(frozen=True)
class Fused:
    """What happened to a graph.

    Attributes:
        facts: What is known of the optimized graph.
        outcomes: Every candidate, in the order of the passes.
        nodes_before, nodes_after: Counts of nodes, constants left out.
        layers: Module path and form of every transformer layer recognised as a unit.
        session: Settings of ONNX Runtime that belong to the graph.
        typing: What `--precision` did; None when it was not asked for.
        build: What the engine builder said of the graph; None when it was not asked.
        rounding: How weights of 4 bits were rounded; None where none were.
    """

    facts: Facts
    outcomes: tuple[Outcome, ...]
    nodes_before: int
    nodes_after: int
    layers: tuple[tuple[str, str], ...] = ()
    session: SessionSettings = field(default_factory=SessionSettings)
    typing: TypingReport | None = None
    build: BuildCheckRecord | None = None
    rounding: Method | None = None

    @property
    def counts(self) -> dict[str, SiteCounts]:
        """Per construct: how many were fused, left plain on purpose, refused."""
        found: dict[str, Counter[str]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.construct, Counter())[outcome.state] += 1
        return {
            kind: SiteCounts(fused=n["fused"], plain=n["plain"], refused=n["refused"])
            for kind, n in found.items()
        }


def optimize_graph(
    model: ir.Model,
    plan: Plan,
    prover: Prover | None,
    progress: Progress = SILENT,
    spared: Spared = NONE_SPARED,
) -> Fused:
    """Fuse a model in place for the target the plan was made for.

    Inputs, outputs and dynamic dimensions keep their names and meaning; weights are referred to,
    not copied.

    Args:
        model: Any model; it is normalised first.
        plan: From `plan_for`.
        prover: Proves each rewrite before it is committed; None trusts the recognisers.
        progress: Told which site is being worked on.
        spared: Sites to leave as they are, each with the builder's reason.

    Raises:
        BadModelError: The model cannot be normalised, or contradicts itself.
    """
    before = _count(model)
    progress.step("normalising")
    facts = normalise(model, plan.opset, plan.keep)
    if facts.contradictions:
        raise BadModelError(
            f"The model cannot run, whatever its inputs: {facts.contradictions[0]}",
            fix="Export it again, with another exporter or opset: this one lost a size.",
        )
    if prover is not None:
        prover.begin(model, facts, progress)
    rewriter = Rewriter(model, facts, prover, progress, spared)
    outcomes = rewriter.run(plan.passes)
    graphs = (model.graph, *model.graph.subgraphs())
    for graph in graphs:
        graph.sort()
        dequantize_last(graph, facts, rewriter.sources, rewriter.shared)
    merge_equal(model.graph, made_by_lowering)
    drop_unused(model)
    for graph in graphs:
        name_apart(graph)
    if any(node.domain == "com.microsoft" for node in model.graph.all_nodes()):
        model.graph.opset_imports.setdefault("com.microsoft", 1)
    layers = tuple((found.path, found.form) for g in graphs for found in find_layers(g, facts))
    session = replace(plan.session, in_place=in_place_pairs(model.graph))
    return Fused(facts, tuple(outcomes), before, _count(model), layers, session)


def optimize_file(
    path: Path,
    plan: Plan,
    prover: Prover | None,
    progress: Progress = SILENT,
    spared: Spared = NONE_SPARED,
) -> tuple[ir.Model, Fused]:
    """Read a file and fuse it; return the model and what happened. Nothing is written.

    Raises:
        BadModelError: The file is no model, a hostile one, or one against ONNX's rules.
    """
    model = load_model(path)
    try:
        return model, optimize_graph(model, plan, prover, progress, spared)
    except PipelineError:
        raise
    except Exception as error:
        refuse_invalid(path, error)
        raise


def _count(model: ir.Model) -> int:
    return sum(node.op_type != "Constant" for node in model.graph.all_nodes())
