"""Words for a refusal: what its step was about, and what to do where nothing closer is known."""

from __future__ import annotations

from pipeline.fusion.site import Refusal

# What each step asks, in order; the last two are the same for all that is lowered.
_LOWERED = ("whether the operator can be written here", "whether it is right on this target")
_ASKED: dict[str, tuple[str, ...]] = {
    "attention": (
        "the way from queries and keys to the softmax",
        "the way from the softmax to the values",
        "how rows, keys, heads and masks of the two products pair up",
        *_LOWERED,
    ),
    "norm": (
        "what is under the root",
        "what is divided by it",
        "which axes are normalised",
        *_LOWERED,
    ),
}

_DO: dict[tuple[str, int], str] = {
    ("attention", 1): "keep to scale, mask, bias and soft-cap between the product and the softmax",
    ("attention", 2): "multiply the probabilities with the values and read them nowhere else",
    ("attention", 3): "keep to softmax(q k^T * scale + mask) v, normalised over the keys, with one "
    "scale per head and a mask that broadcasts to [batch, heads, rows, keys]",
    ("norm", 1): "divide by the root of the mean square plus a constant epsilon",
    ("norm", 2): "divide x, or x minus its mean, as a whole",
    ("norm", 3): "normalise over trailing axes of constant size",
}
_PROOF = "the proof failed"
_REPORT = (
    "nothing is wrong with your graph, which stays as it was; please report it, with the lines "
    "`pipeline explain` prints for this site"
)
_UNLOADED = "does not load"
_NEWER = (
    "nothing is wrong with your graph, which stays as it was; a newer ONNX Runtime may have the "
    "operator in this form"
)


def asked(refusal: Refusal) -> str:
    """Return what the step that was reached asks, empty where it has no name."""
    steps = _ASKED.get(refusal.construct, ())
    if len(steps) != refusal.steps or not 0 < refusal.step <= len(steps):
        return ""
    return steps[refusal.step - 1]


def remedy(refusal: Refusal) -> str:
    """Return what to do: what the recogniser says, else what helps at that step."""
    if refusal.remedy or refusal.plain:
        return refusal.remedy
    if refusal.reason.startswith(_PROOF):
        return _NEWER if _UNLOADED in refusal.reason else _REPORT
    return _DO.get((refusal.construct, refusal.step), "")
