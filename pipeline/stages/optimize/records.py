"""What the optimize stage says about its result: sites, counts and gates as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx_ir as ir

from pipeline.errors import ClaimError
from pipeline.fusion.refusal import Refusal
from pipeline.records.optimize import (
    GateRecord,
    GraphRecord,
    LayerRecord,
    NodeCounts,
    ProofRecord,
    RefusalRecord,
    SiteRecord,
)
from pipeline.stages.optimize.advice import remedy
from pipeline.stages.optimize.engine import Fused
from pipeline.stages.optimize.options import Gate
from pipeline.stages.optimize.proof import Certificate
from pipeline.stages.optimize.rewrite import Outcome


def site_record(outcome: Outcome) -> SiteRecord:
    """Return one candidate for the manifest."""
    return SiteRecord(
        construct=outcome.construct,
        path=outcome.path,
        anchor=outcome.anchor,
        state=outcome.state,
        form=outcome.form,
        lowering=outcome.lowering,
        proof=_proof(outcome.certificate) if outcome.certificate is not None else None,
        refusal=_refusal(outcome.refusal) if outcome.refusal is not None else None,
    )


def _proof(certificate: Certificate) -> ProofRecord:
    return ProofRecord(
        digest=certificate.digest,
        runs=certificate.runs,
        error=certificate.error,
        allowed=certificate.allowed,
        engine=certificate.engine,
        ok=certificate.ok,
        reason=certificate.reason,
        inputs=certificate.inputs,
        lacking=certificate.lacking,
        seconds=round(certificate.seconds, 2),
    )


def _refusal(refusal: Refusal) -> RefusalRecord:
    return RefusalRecord(
        nearest=refusal.nearest,
        step=refusal.step.number,
        steps=refusal.step.total,
        asked=refusal.step.asks,
        reason=refusal.reason,
        node=_node(refusal.node),
        remedy=remedy(refusal),
    )


def _node(node: ir.Node | None) -> str:
    """Return operator, name and what comes out of it."""
    if node is None:
        return ""
    result = node.outputs[0] if node.outputs else None
    text = f"{node.op_type} {node.name or (result.name if result is not None else '')}"
    if result is None or result.shape is None:
        return text
    return (
        f"{text} -> [{', '.join(str(d if isinstance(d, int) else d.value) for d in result.shape)}]"
    )


def graph_record(fused: Fused) -> GraphRecord:
    """Return what the manifest says about one optimized graph, its place left out."""
    return GraphRecord(
        counts=fused.counts,
        nodes=NodeCounts(before=fused.nodes_before, after=fused.nodes_after),
        sites=tuple(site_record(outcome) for outcome in fused.outcomes),
        layers=tuple(LayerRecord(path=path, form=form) for path, form in fused.layers),
        session=fused.session,
        typing=fused.typing.record() if fused.typing is not None else None,
        build=fused.build,
        rounding=fused.rounding,
    )


def check_gates(gates: Mapping[str, Gate], parts: Mapping[str, Fused]) -> tuple[GateRecord, ...]:
    """Return each `--require` with what was found.

    Raises:
        ClaimError: Fewer sites are fused than required; the message names those that are not.
    """
    records = []
    for kind, least in gates.items():
        gate = f"{kind}={least}"
        outcomes = [o for fused in parts.values() for o in fused.outcomes if o.construct == kind]
        found = sum(o.state == "fused" for o in outcomes)
        wanted = len(outcomes) if least == "all" else least
        if found < wanted or (least == "all" and not outcomes):
            raise ClaimError(
                f"--require {gate}: {found} of {wanted or 'any'} {kind} sites are fused",
                where=_unfused(outcomes),
                fix="`pipeline explain` says why each of them is not",
            )
        records.append(GateRecord(gate=gate, found=found, wanted=wanted))
    return tuple(records)


def _unfused(outcomes: Iterable[Outcome]) -> str:
    lines = [
        f"{o.path} ({o.anchor}): {o.refusal.reason}"
        for o in outcomes
        if o.state != "fused" and o.refusal is not None
    ]
    return "; ".join(lines[:5]) + (f"; and {len(lines) - 5} more" if len(lines) > 5 else "")
