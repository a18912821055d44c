"""What to do about a refusal, where the recogniser or the lowering says nothing closer."""

from __future__ import annotations

from pipeline.fusion.refusal import Kind, Refusal

_OURS = {
    Kind.PROOF_FAILED: "nothing is wrong with your graph, which stays as it was; please report it, "
    "with the lines `pipeline explain` prints for this site",
    Kind.UNLOADABLE: "nothing is wrong with your graph, which stays as it was; a newer ONNX "
    "Runtime may have the operator in this form",
    Kind.UNBUILDABLE: "nothing is wrong with your graph: as it was, the builder takes it; a newer "
    "TensorRT may take the operator too",
}


def remedy(refusal: Refusal) -> str:
    """Return what to do: what the refusal says, else what helps at that step."""
    if refusal.remedy or refusal.plain:
        return refusal.remedy
    return _OURS.get(refusal.kind, refusal.step.advice)
