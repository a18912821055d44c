"""What `pipeline perf` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import UsageError
from pipeline.options import settle

Against = Literal["eager", "compile", "ort", "ort-optimizer", "openvino"]


@dataclass(frozen=True)
class PerfOptions:
    """Everything that decides a measurement.

    Attributes:
        models: An artifact folder, or ONNX files and engines; the first file is the baseline.
        output: Where a measurement of files writes its JSON; a folder keeps its own result.
        batch: Batch sizes.
        seq: Lengths; empty takes the typical one of the exported sizes.
        against: What a folder's variants are held against: eager, compile, ort (the exported
            graph), ort-optimizer (ONNX Runtime's own fusions), openvino.
        sessions: Fresh openings of every contender; intervals are resampled over them.
        rounds: Interleaved turns of each contender inside a session.
        turn_ms: Milliseconds one contender runs one job in one turn.
        time_limit_s: Seconds after which no further session begins (three are always made).
        tokens: New tokens of the timed generation, 0 for none.
        threads: Threads inside one operator, 0 for the number of physical cores.
        min_speedup: Gate: each optimized variant must be this many times as fast as the
            baseline, with the whole interval.
        roofline: Whether to count the graph's work and measure the machine's peaks.

    Examples:
        >>> from pipeline import PerfOptions
        >>> PerfOptions("out", batch=(1, 8), seq=(64,), against=("ort",), min_speedup=1.2).batch
        (1, 8)
    """

    models: tuple[Path, ...]
    output: Path | None = None
    batch: tuple[int, ...] = (1, 8)
    seq: tuple[int, ...] = ()
    against: tuple[Against, ...] = ("eager", "ort")
    sessions: int = 6
    rounds: int = 5
    turn_ms: float = 40.0
    time_limit_s: float = 90.0
    tokens: int = 16
    threads: int = 0
    min_speedup: float | None = None
    roofline: bool = True

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        settle(self)
        if not self.models:
            raise UsageError("there is nothing to measure", fix="name a folder, or two files")
        for name, least in (("sessions", 1), ("rounds", 1), ("tokens", 0), ("threads", 0)):
            if getattr(self, name) < least:
                raise UsageError(
                    f"{name} is {getattr(self, name)}, the least is {least}", where=f"--{name}"
                )
        for name in ("batch", "seq"):
            wrong = [value for value in getattr(self, name) if value < 1]
            if wrong:
                raise UsageError(f"{name} of {wrong[0]}", where=f"--{name}", fix="give at least 1")
        if self.turn_ms <= 0 or (self.min_speedup is not None and self.min_speedup <= 0):
            raise UsageError("a duration or speedup that is not above 0", where="--turn-ms")
        if not self.batch:
            raise UsageError("no batch size", where="--batch", fix="e.g. --batch 1,8")
