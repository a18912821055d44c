"""Proving one rewrite: the region before and after, on inputs chosen to break it.

The reference is the original region in float64. The replacement runs where it will run, in ONNX
Runtime where that is installed, else in the judge's float32. It passes when its error stays
within a small multiple of the error the original makes in its own type (float32, or the half
type its tensors have), with a floor of a few ulp of that type.
Rows where the reference is not a number bind nothing, but finite reference rows must match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from pipeline.errors import PipelineError
from pipeline.graph.regions import Region
from pipeline.optimize.proof_inputs import assignments, feeds_for

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
    """

    digest: str
    runs: int
    error: float
    allowed: float
    engine: str
    ok: bool
    reason: str = ""

    def json(self) -> dict[str, object]:
        """Return the certificate for the manifest."""
        return asdict(self)


class Prover:
    """Proves regions, remembering the structures it has already proven.

    Args:
        share: Instances with the same structure share one proof.
    """

    def __init__(self, *, share: bool = True) -> None:
        self.share = share
        self.known: dict[str, Certificate] = {}

    def prove(self, region: Region, *, zero: frozenset[str] = frozenset()) -> Certificate:
        """Return the certificate of a region; `zero` names sizes that may be 0."""
        if self.share and region.digest in self.known:
            return self.known[region.digest]
        certificate = _prove(region, zero)
        self.known[region.digest] = certificate
        return certificate


def _prove(region: Region, zero: frozenset[str]) -> Certificate:
    from pipeline.judge import Judge  # torch, which a run without proofs does not need

    reference = _Reference(region)
    kind = _kind(region)
    noise = Judge(region.before, kind)
    runner = _Candidate(region.after)
    if runner.failure:
        return Certificate(region.digest, 0, 0.0, 0.0, runner.engine, False, runner.failure)
    worst, allowed, runs = 0.0, 0.0, 0
    for feeds, expected in reference.runs(zero):
        rough = noise.run(_known(feeds, region.before))
        try:
            actual = runner.run(_known(feeds, region.after))
        except Exception as error:
            why = f"the replacement fails: {error}"[:300]
            return Certificate(region.digest, runs, worst, allowed, runner.engine, False, why)
        runs += 1
        for name, want in expected.items():
            off, limit, why = _compare(want, rough[name].double().numpy(), actual[name], kind)
            if off > worst:
                worst, allowed = off, limit
            if why:
                why = f"{why}; sizes {_sizes(feeds)}"
                return Certificate(region.digest, runs, off, limit, runner.engine, False, why)
    ok = runs >= MIN_RUNS
    reason = "" if ok else f"only {runs} input sets run in the original: {reference.problem}"
    return Certificate(region.digest, runs, worst, allowed, runner.engine, ok, reason)


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
                expected = self._run(feeds)
                if expected is not None:
                    yield feeds, expected

    def _accepts(self, sizes: dict[str, int]) -> bool:
        expected = self._run(feeds_for(self.region, sizes, STYLES[0], 0))
        if expected is None:
            return False
        self._first = expected
        return True

    def _run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
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
    want: np.ndarray, rough: np.ndarray, got: np.ndarray, kind: str = "float32"
) -> tuple[float, float, str]:
    """Return (error, limit, reason when it fails) for one output."""
    if want.shape != got.shape:
        return np.inf, 0.0, f"shape {list(got.shape)} instead of {list(want.shape)}"
    if want.dtype.kind != "f":
        same = bool(np.array_equal(want, got))
        return (0.0, 0.0, "") if same else (np.inf, 0.0, "integers or booleans differ")
    finite = np.isfinite(want) & np.isfinite(rough)
    if not finite.any():
        return 0.0, 0.0, ""
    values = got.astype(np.float64)
    if not np.isfinite(values[finite]).all():
        return np.inf, 0.0, "not finite where the original is"
    error = float(np.abs(values - want)[finite].max())
    own = float(np.abs(rough - want)[finite].max())
    scale = float(np.abs(want[finite]).max())
    limit = max(NOISE_FACTOR * own, FLOOR_ULP[kind] * EPSILON[kind] * scale, 1e-37)
    why = f"differs by {error:.3g} where {limit:.3g} is allowed (largest value {scale:.3g})"
    return error, limit, "" if error <= limit else why


class _Candidate:
    """Runs the replacement in ONNX Runtime, or in the judge where it cannot run there."""

    def __init__(self, model: ir.Model) -> None:
        from pipeline.judge import Judge

        self.failure = ""
        self.engine, self._judge, self._session = "judge float32", None, None
        try:
            import onnxruntime
        except ImportError:
            onnxruntime = None
        ends = (*model.graph.inputs, *model.graph.outputs)
        if onnxruntime is None or any(v.dtype == ir.DataType.BFLOAT16 for v in ends):
            # numpy has no bfloat16 that ONNX Runtime's Python interface would take
            self._judge = Judge(model, "float32")
            return
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        proto = ir.to_proto(model).SerializeToString()
        self.engine = f"onnxruntime {onnxruntime.__version__} CPU"
        try:
            self._session = onnxruntime.InferenceSession(
                proto,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["NchwcTransformer"],  # crashes on float16, see `passes`
            )
        except Exception as error:
            if "NOT_IMPLEMENTED" in str(error):
                self._judge, self.engine = Judge(model, "float32"), "judge float32"
            else:
                self.failure = f"the replacement does not load: {error}"[:300]

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs."""
        if self._session is not None:
            names = [output.name for output in self._session.get_outputs()]
            return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))
        assert self._judge is not None
        return {name: value.numpy() for name, value in self._judge.run(feeds).items()}
