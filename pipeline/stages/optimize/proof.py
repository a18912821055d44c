"""Proving one rewrite: the region before and after, on inputs chosen to break it.

The reference is the original region in float64. The replacement runs where it will run, in ONNX
Runtime where that is installed, else in the judge's float32. It passes when its error stays
within a small multiple of the error the original makes in its own type (float32, or the half
type its tensors have), with a floor of a few ulp of that type. Where torch's own rounding is
better than the runtime's, what the original errs in the runtime counts.
A full proof compares the two also on the values the whole graph has at the region's border.
Rows where the reference is not a number bind nothing, but finite reference rows must match.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx_ir as ir

from pipeline.errors import PipelineError
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.regions import Region
from pipeline.stages.optimize.activations import Activations
from pipeline.stages.optimize.candidate import Candidate
from pipeline.stages.optimize.options import Proof
from pipeline.stages.optimize.proof_inputs import assignments, feeds_for
from pipeline.types import SILENT, Progress

STYLES = ("plain", "holes", "masked-rows", "large")
MIN_RUNS = 2
NOISE_FACTOR = 8.0
FLOOR_ULP = {"float32": 64.0, "float16": 2.0, "bfloat16": 2.0}
EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


@dataclass(frozen=True)
class Certificate:
    """What was shown about one rewrite.

    Attributes:
        digest: The structure proven; instances with the same structure share it.
        runs: Input sets compared.
        error: Largest absolute difference from the float64 reference.
        allowed: The largest difference that would still have passed, on that input set.
        engine: What ran the replacement.
        ok: Whether every run passed.
        reason: Why not, with values.
        loads: Whether what runs the replacement could load it.
        inputs: What it was shown on: ranges made up for the region, and each set of inputs to
            the whole graph.
        lacking: Why no activations are among them though they were asked for.
        seconds: Wall time of it; instances that share it took none of their own.
    """

    digest: str
    runs: int
    error: float
    allowed: float
    engine: str
    ok: bool
    reason: str = ""
    loads: bool = True
    inputs: tuple[str, ...] = ()
    lacking: str = ""
    seconds: float = 0.0


@contextmanager
def proving(
    proof: Proof, inputs: Path | Mapping[str, np.ndarray] | None = None
) -> Iterator[Prover | None]:
    """Yield what proves rewrites as `--proof` asks, None for `none`.

    Args:
        proof: `full` proves each instance by itself, also on activations.
        inputs: What the activations of a full proof come from, by name or a file (.npz); None
            makes some up.
    """
    if proof == "none":
        yield None
    elif proof == "structure":
        yield Prover()
    else:
        with closing(Activations(inputs)) as activations:
            yield Prover(share=False, activations=activations)


class Prover:
    """Proves regions, remembering the structures it has already proven.

    Args:
        share: Instances with the same structure share one proof.
        activations: Gives the values of the whole graph at a region's border; None proves on
            made-up ranges alone.
    """

    def __init__(self, *, share: bool = True, activations: Activations | None = None) -> None:
        self.share, self.activations = share, activations
        self.known: dict[str, Certificate] = {}

    def begin(self, model: ir.Model, facts: Facts, progress: Progress = SILENT) -> None:
        """Look at the model before its first rewrite."""
        if self.activations is not None:
            self.activations.record(model, facts, progress)

    def prove(self, region: Region, *, zero: frozenset[str] = frozenset()) -> Certificate:
        """Return the certificate of a region; `zero` names sizes that may be 0."""
        if self.share and region.digest in self.known:
            return self.known[region.digest]
        started = time.perf_counter()
        certificate = _Comparison(region).prove(zero, self.activations)
        self.known[region.digest] = certificate
        return replace(certificate, seconds=time.perf_counter() - started)

    def committed(self, old: Sequence[ir.Value], new: Sequence[ir.Value]) -> None:
        """Note that a proven replacement took the place of what it was proven against."""
        if self.activations is not None:
            self.activations.replaced(old, new)


RANGES = "made-up ranges"


class _Comparison:
    """A region and its replacement, run side by side."""

    def __init__(self, region: Region) -> None:
        from pipeline.judge import Judge  # torch, which a run without proofs does not need

        self.region, self.kind = region, _kind(region)
        self.noise = Judge(region.before, self.kind)
        self.runner = Candidate(region.after)
        self.worst, self.allowed, self.runs = 0.0, 0.0, 0
        self.inputs: list[str] = []

    def prove(self, zero: frozenset[str], activations: Activations | None) -> Certificate:
        """Return the certificate: the first difference, or the largest error that is allowed."""
        if self.runner.failure:
            return self._certificate(self.runner.failure)
        reference = _Reference(self.region)
        for feeds, expected in reference.runs(zero):
            if why := self._differs(feeds, expected):
                return self._certificate(f"{why}; sizes {_sizes(feeds)}")
        if self.runs < MIN_RUNS:
            problem = f"only {self.runs} input sets run in the original: {reference.problem}"
            return self._certificate(problem)
        self.inputs.append(RANGES)
        if activations is None:
            return self._certificate()
        for label, feeds in activations.feeds(self.region):
            real = reference.run(feeds)
            if real is None:
                return self._certificate(f"the original fails on {label}: {reference.problem}")
            if why := self._differs(feeds, real):
                return self._certificate(f"{why}; on the activations of {label}")
            self.inputs.append(label)
        lacking = "" if len(self.inputs) > 1 else activations.problem or INSIDE
        return self._certificate(lacking=lacking)

    def _differs(self, feeds: dict[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> str:
        """Return the first difference beyond what is allowed, with its values; empty if none."""
        rough = self.noise.run(_known(feeds, self.region.before))
        try:
            actual = self.runner.run(_known(feeds, self.region.after))
        except Exception as error:
            return f"the replacement fails: {error}"[:300]
        self.runs += 1
        for name, want in expected.items():
            own = [rough[name].double().numpy()]
            off, limit, why = _compare(want, own, actual[name], self.kind)
            if why and np.isfinite(off):  # torch's products may round less than the runtime's own
                there = self._original_there(feeds)
                own += [] if there is None else [there[name]]
                off, limit, why = _compare(want, own, actual[name], self.kind)
            if off > self.worst or why:
                self.worst, self.allowed = off, limit
            if why:
                return why
        return ""

    def _original_there(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """Return what the original gives in the runtime of the replacement, where it runs there."""
        original = Candidate(self.region.before)
        if original.failure or original.engine != self.runner.engine:
            return None
        try:
            return original.run(_known(feeds, self.region.before))
        except Exception:  # what the runtime refuses has no numbers
            return None

    def _certificate(self, reason: str = "", lacking: str = "") -> Certificate:
        return Certificate(
            self.region.digest, self.runs, self.worst, self.allowed, self.runner.engine,
            not reason, reason, not self.runner.failure, tuple(self.inputs), lacking,
        )  # fmt: skip


INSIDE = "the site lies in a branch or loop body, whose values are not recorded"


class _Reference:
    """The original in float64, with the sizes and styles it can run on."""

    def __init__(self, region: Region) -> None:
        from pipeline.judge import Judge

        self.region, self.judge, self.problem = region, Judge(region.before, "float64"), ""
        self._first: dict[str, np.ndarray] = {}

    def runs(
        self, zero: frozenset[str]
    ) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
        """Yield feeds and expected outputs."""
        for number, sizes in enumerate(assignments(self.region, zero, self._accepts)):
            yield feeds_for(self.region, sizes, STYLES[0], 0), self._first
            for style in STYLES[1:] if number < 2 else STYLES[1 + number % 3 :][:1]:
                feeds = feeds_for(self.region, sizes, style, seed=number)
                expected = self.run(feeds)
                if expected is not None:
                    yield feeds, expected

    def _accepts(self, sizes: dict[str, int]) -> bool:
        expected = self.run(feeds_for(self.region, sizes, STYLES[0], 0))
        if expected is None:
            return False
        self._first = expected
        return True

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """Return the outputs in float64, None where these inputs do not run."""
        try:
            result = self.judge.run(_known(feeds, self.region.before))
        except PipelineError as error:  # the sizes do not fit this region: not its fault
            self.problem = error.what[:200]
            return None
        return {name: value.numpy() for name, value in result.items()}


def _known(feeds: Mapping[str, np.ndarray], model: ir.Model) -> dict[str, np.ndarray]:
    return {value.name: feeds[value.name] for value in model.graph.inputs if value.name}


def _sizes(feeds: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in feeds.items())[:200]


def _kind(region: Region) -> Literal["float32", "float16", "bfloat16"]:
    """Return the coarsest float type the region computes in."""
    graph = region.before.graph
    values = [*graph.inputs, *graph.initializers.values()]
    types = {value.dtype for value in values} | {
        node.attributes["to"].value for node in graph if node.op_type == "Cast"
    }
    if ir.DataType.BFLOAT16 in types:
        return "bfloat16"
    return "float16" if ir.DataType.FLOAT16 in types else "float32"


def _compare(
    want: np.ndarray, rough: Sequence[np.ndarray], got: np.ndarray, kind: str = "float32"
) -> tuple[float, float, str]:
    """Return (error, limit, reason when it fails) for one output.

    Args:
        want: The original's output in float64.
        rough: The same in its own type, from one runtime or more; the worst of them counts.
        got: The replacement's output.
        kind: The type that rounds.
    """
    if want.shape != got.shape:
        return np.inf, 0.0, f"shape {list(got.shape)} instead of {list(want.shape)}"
    if want.dtype.kind != "f":
        same = bool(np.array_equal(want, got))
        return (0.0, 0.0, "") if same else (np.inf, 0.0, "integers or booleans differ")
    finite = np.isfinite([want, *rough]).all(axis=0)
    if not finite.any():
        return 0.0, 0.0, ""
    values = got.astype(np.float64)
    if not np.isfinite(values[finite]).all():
        return np.inf, 0.0, "not finite where the original is"
    error = float(np.abs(values - want)[finite].max())
    own = max(float(np.abs(one - want)[finite].max()) for one in rough)
    scale = float(np.abs(want[finite]).max())
    limit = max(NOISE_FACTOR * own, FLOOR_ULP[kind] * EPSILON[kind] * scale, 1e-37)
    why = f"differs by {error:.3g} where {limit:.3g} is allowed (largest value {scale:.3g})"
    return error, limit, "" if error <= limit else why
