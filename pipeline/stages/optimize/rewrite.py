"""The fusion engine's loop: recognise, lower, prove, commit; one site at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import onnx_ir as ir

from pipeline.fusion.commit import commit
from pipeline.fusion.construct import Pass
from pipeline.fusion.linear.forms import Rounding
from pipeline.fusion.lowering import Lowering
from pipeline.fusion.refusal import RIGHT, WRITTEN, Kind, Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter, Shared, value_names
from pipeline.graph.rewriting.regions import RegionError, cut
from pipeline.graph.rewriting.relayout import LayoutError
from pipeline.graph.views.walks import bodies
from pipeline.records.optimize import SiteState
from pipeline.stages.optimize.proof import Certificate, Prover
from pipeline.stages.optimize.proof_rounded import prove_rounded
from pipeline.types import SILENT, Progress

Key: TypeAlias = tuple[str, str]
Spared: TypeAlias = Mapping[Key, str]
"""Sites to leave as they are, each with the builder's reason."""


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate.

    Attributes:
        construct: attention, norm, ...
        path: Module path, for people.
        anchor: Name and operator of the node the recogniser started from.
        state: `fused`, `plain` (recognised and left on purpose) or `refused`.
        form: The recognised form.
        lowering: What fused it.
        certificate: The proof, None when proofs are off.
        refusal: Why not, when not fused.
        value: Name of what the anchor returns: with the construct it names the site in every
            run over the same file.
    """

    construct: str
    path: str
    anchor: str
    state: SiteState
    form: str = ""
    lowering: str = ""
    certificate: Certificate | None = None
    refusal: Refusal | None = None
    value: str = ""

    @property
    def key(self) -> Key:
        """What `spared` calls the site."""
        return self.construct, self.value


@dataclass
class Rewriter:
    """Applies passes to a model in place.

    Args:
        model: The model; its graph and all subgraphs are rewritten.
        facts: What is known of its values.
        prover: Proves each instance, None to trust the recognisers.
        progress: Told which site is being worked on.
        spared: Sites that the engine builder was seen to refuse.
    """

    model: ir.Model
    facts: Facts
    prover: Prover | None
    progress: Progress = SILENT
    spared: Spared = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read which names are taken and which inputs sizes can be read from."""
        self.shared = Shared(value_names(self.model), self.model.graph)
        inputs = self.model.graph.inputs
        self.sources = [v for v in inputs if v.name not in self.model.graph.initializers]

    def run(self, passes: Sequence[Pass]) -> list[Outcome]:
        """Run the passes in order; return every candidate's outcome.

        What a finder yields is dealt with before it goes on, as `Pass` promises it; graphs inside
        nodes that a commit removed are not looked into.
        """
        for one in passes:
            for graph in _graphs_now(self.model.graph):
                with self.facts.inside(graph):
                    for found in one.find(graph, self.facts):
                        assert found.anchor.graph is graph, f"{one.name}: an anchor that has left"
                        self._handle(one, graph, found)
        return self.outcomes

    def _handle(self, one: Pass, graph: ir.Graph, found: Site | Refusal) -> None:
        """Commit a site, if anything lowers it, and note what became of the candidate."""
        value = found.anchor.outputs[0].name or ""
        made = Outcome(one.name, found.path, anchor_of(found), "fused", value=value)
        if isinstance(found, Refusal):
            self.outcomes.append(_refused(made, found))
            return
        made = replace(made, form=found.form)
        if found.native and (one.keep_native or not one.lowerings):
            self.outcomes.append(replace(made, lowering="native"))
            return
        if reason := self.spared.get(made.key):
            refusal = Refusal(found.anchor, found.form, RIGHT, reason, kind=Kind.UNBUILDABLE)
            self.outcomes.append(_refused(made, refusal))
            return
        self.progress.step(f"{one.name}: {found.path}")
        last: Refusal | None = None
        for lowering in one.lowerings:
            result = self._try(lowering, graph, found, made)
            if isinstance(result, Outcome):
                self.outcomes.append(result)
                return
            if result is not None:
                last = result if last is None or not last.plain else last
        if last is not None:
            self.outcomes.append(_refused(made, last))

    def _try(
        self, lowering: Lowering[Any], graph: ir.Graph, site: Site, made: Outcome
    ) -> Outcome | Refusal | None:
        """Return the outcome with what was committed, or why nothing was."""
        emit = Emitter(self.facts, site.anchor, lowering.name, self.sources, self.shared)
        try:
            result = lowering.lower(site, emit)
        except LayoutError as error:
            return _failed(site, lowering, Kind.UNWRITABLE, str(error))
        if result is None or isinstance(result, Refusal):
            return result
        opset = self.model.graph.opset_imports.get("", 0)
        if lowering.opset > opset:
            reason = f"needs opset {lowering.opset}, the graph has {opset}"
            return _failed(site, lowering, Kind.OPSET, reason)
        certificate = None
        if self.prover is not None:
            checked = self._prove(site, lowering, result, emit)
            if isinstance(checked, Refusal):
                return checked
            certificate = checked
        if not commit(graph, site, result, emit, self.facts):
            reason = "an operand is computed from what it returns"
            return _failed(site, lowering, Kind.UNWRITABLE, reason)
        if self.prover is not None:
            self.prover.committed(site.outputs, result)
        return replace(made, lowering=lowering.name, certificate=certificate)

    def _prove(
        self, site: Site, lowering: Lowering[Any], result: Sequence[ir.Value], emit: Emitter
    ) -> Certificate | Refusal:
        assert self.prover is not None
        try:
            region = cut(
                site.outputs, result, {*site.nodes, *emit.nodes}, site.operands, self.facts,
                dict(self.model.graph.opset_imports) | {"com.microsoft": 1},
            )  # fmt: skip
        except RegionError as error:
            return _failed(site, lowering, Kind.UNPROVABLE, f"not provable: {error}")
        if isinstance(lowering, Rounding):
            started = time.perf_counter()
            shown = prove_rounded(region, lowering.meaning(site))
            certificate = replace(shown, seconds=time.perf_counter() - started)
        else:
            certificate = self.prover.prove(region, zero=site.may_be_zero)
        if certificate.ok:
            return certificate
        kind = Kind.PROOF_FAILED if certificate.loads else Kind.UNLOADABLE
        return _failed(site, lowering, kind, f"the proof failed: {certificate.reason}")


def _refused(made: Outcome, refusal: Refusal) -> Outcome:
    return replace(made, state="plain" if refusal.plain else "refused", refusal=refusal)


def _failed(site: Site, lowering: Lowering[Any], kind: Kind, reason: str) -> Refusal:
    step = WRITTEN if kind in (Kind.UNWRITABLE, Kind.OPSET) else RIGHT
    form = f"{lowering.name} ({site.form})"
    return Refusal(site.anchor, form, step, reason, kind=kind)


def anchor_of(found: Site | Refusal) -> str:
    """Return the anchor's operator and name."""
    return f"{found.anchor.op_type} {found.anchor.name or found.anchor.outputs[0].name}"


def _graphs_now(graph: ir.Graph) -> Iterator[ir.Graph]:
    """Yield a graph, then those inside the nodes it has by then; `subgraphs` lists all before."""
    yield graph
    for node in graph:
        for body in bodies(node):
            yield from _graphs_now(body)
