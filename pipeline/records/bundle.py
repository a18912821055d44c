"""What `pack` writes, as `bundle.json`, and what a bundle brings back, as `results.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import ClassVar, Literal

from pipeline.ort.settings import SessionSettings
from pipeline.records.engine import ShapeRange
from pipeline.records.parity import ErrorRecord
from pipeline.records.record import Finite, Place, Record


@dataclass(frozen=True, kw_only=True)
class PackedVariant:
    """One graph or engine of one part.

    Attributes:
        name: `decoder.tensorrt-fp16.engine` and the like.
        part: Which part of the model it is.
        file: Its place in the folder and in the bundle.
        target: `onnx`, `ort-cpu`, `ort-cuda`, `tensorrt`, ...
        precision: fp32, fp16 or bf16.
        session: What ONNX Runtime is told; None for an engine.
        flavour, version, targets, profiles: Of an engine; None for a graph.
    """

    name: str
    part: str
    kind: Literal["graph", "engine"]
    file: Place
    target: str
    precision: str
    session: SessionSettings | None = None
    flavour: str | None = None
    version: str | None = None
    targets: tuple[str, ...] | None = None
    profiles: tuple[Mapping[str, ShapeRange], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ErrorLimits:
    """The largest errors that one output may have."""

    rms: Finite
    quantile: Finite
    max: Finite


@dataclass(frozen=True, kw_only=True)
class PackedCase:
    """One set of inputs.

    Attributes:
        style: How they were made.
        inputs, outputs: Places of the arrays; outputs are float64.
        limits: By precision and output.
    """

    name: str
    style: str
    inputs: Place
    outputs: Place
    limits: Mapping[str, Mapping[str, ErrorLimits]]


@dataclass(frozen=True, kw_only=True)
class BundleIndex(Record):
    """Everything in a bundle; `run.py` reads it beside it.

    Attributes:
        artifacts: Stage -> digest of what was packed.
        candidates: The graphs and engines.
        cases: By part.
        files: Place -> sha256.
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "pack"

    artifacts: Mapping[str, str]
    candidates: tuple[PackedVariant, ...]
    cases: Mapping[str, tuple[PackedCase, ...]]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class OutputErrors(ErrorRecord):
    """Errors of one output on one case.

    Attributes:
        shape: What came out where it is another than the reference's; None where it is the same,
            or nothing came out.
    """

    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class CaseOutcome:
    """One candidate on one case.

    Attributes:
        right: Whether every output kept to its limits.
        outputs: Errors by output; None where it did not run.
        error: What it said where it did not run.
    """

    case: str
    right: bool
    outputs: Mapping[str, OutputErrors] | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class BundleRow:
    """One candidate as another machine found it.

    Attributes:
        name: As in the bundle.
        precision: fp32, fp16 or bf16.
        ran: Whether that machine could run it.
        reason: Why not; None where it ran.
        device: What ran it; None where nothing did.
        cases: What became of each; None where it did not run.
        right: Whether all of them are right; None where it did not run.
        latency_ms: Raw samples by case, one list per round; None where it was not timed.
    """

    name: str
    precision: str
    ran: bool
    reason: str | None = None
    device: str | None = None
    cases: tuple[CaseOutcome, ...] | None = None
    right: bool | None = None
    latency_ms: Mapping[str, tuple[tuple[Finite, ...], ...]] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless what ran says how, and what did not says why."""
        told = (self.device, self.cases, self.right) if self.ran else (self.reason,)
        if None in told:
            raise ValueError("What ran has a device, cases and a verdict, what did not a reason")

    def median_ms(self) -> dict[str, float]:
        """Return the median latency per case, over all rounds."""
        timed = self.latency_ms or {}
        every = {case: [ms for turn in rounds for ms in turn] for case, rounds in timed.items()}
        return {case: median(samples) for case, samples in every.items() if samples}


@dataclass(frozen=True, kw_only=True)
class BundleResults(Record):
    """A whole results.json.

    Attributes:
        bundle: Digest of the bundle it was measured with.
        artifacts: Stage -> digest of what was packed.
        when: UTC time.
        machine: System, Python, numpy and GPU of the other machine.
        results: Candidate by candidate.
    """

    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "pack"

    bundle: str
    artifacts: Mapping[str, str]
    when: str
    machine: Mapping[str, str]
    results: tuple[BundleRow, ...]

    @property
    def right(self) -> bool:
        """Whether everything that ran was right."""
        return all(row.right is not False for row in self.results)
