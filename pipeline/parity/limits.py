"""What a quantised output may lose, by format, unless the user says otherwise.

The defaults are about twice what the healthy files of onnxruntime's own quantisers lose on the tiny
presets, and below what a faulty scale costs most of them. Agreement has no default: scores of a
model with random weights lie so close that it says little. A format without an entry has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from pipeline.parity.measures import Kind, Measure, measure_outputs


@dataclass(frozen=True)
class Limits:
    """The most, for agreement and cosine the least, that each measure may be; None binds nothing.

    Attributes:
        kl: Nats per row, of logits.
        agreement: Share of rows with the same largest score, of logits.
        cosine: Mean over rows.
        drop: Rms of the difference over the rms of the values.
    """

    kl: float | None = None
    agreement: float | None = None
    cosine: float | None = None
    drop: float | None = None

    def over(self, defaults: Limits) -> Limits:
        """Return the defaults with whatever is given here in their place."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(defaults, **{n: v for n, v in given.items() if v is not None})

    def of(self, measures: Sequence[Measure]) -> tuple[Measure, ...]:
        """Return the measures, each with its limit."""
        return tuple(replace(m, limit=getattr(self, m.name)) for m in measures)


DEFAULTS: Mapping[str, Limits] = {
    "int8-weights": Limits(kl=0.05, cosine=0.995, drop=0.1),
    "int8": Limits(kl=0.1, cosine=0.995, drop=0.1),
    "int8-static": Limits(kl=0.1, cosine=0.97, drop=0.25),
    "fp8": Limits(kl=0.1, cosine=0.97, drop=0.25),
    "int4": Limits(kl=0.5, cosine=0.92, drop=0.4),
}


def limits_for(precision: str, given: Limits) -> Limits:
    """Return what an output of a quantised format is held to."""
    return given.over(DEFAULTS[precision])


def kind_of(output: str) -> Kind:
    """Return whether an output holds scores that a softmax may follow, by its name."""
    return "logits" if "logits" in output.lower() else "values"


def judged(
    output: str, given: Sequence[np.ndarray], wanted: Sequence[np.ndarray], limits: Limits
) -> tuple[Measure, ...]:
    """Return an output's measures over several sets of inputs, each with its limit.

    Args:
        output: Its name, which tells scores from other values.
        given: The candidate's values.
        wanted: The reference's.
        limits: What they are held to.
    """
    return limits.of(measure_outputs(given, wanted, kind_of(output)))
