"""What a bundle measured elsewhere, read back and checked before a report believes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.artifacts import Folder
from pipeline.errors import UsageError


@dataclass(frozen=True)
class Measured:
    """One candidate as another machine found it.

    Attributes:
        name: `decoder.tensorrt-fp16.engine`.
        precision: fp32, fp16 or bf16.
        ran: Whether it ran there.
        right: Whether every case kept to its limits; None when it did not run.
        device: What ran it, or why nothing did.
        latency_ms: Raw samples by case, one list per round.
        cases: Errors per case and output.
    """

    name: str
    precision: str
    ran: bool
    right: bool | None
    device: str
    latency_ms: Mapping[str, list[list[float]]]
    cases: tuple[Mapping[str, Any], ...]

    def median_ms(self) -> dict[str, float]:
        """Return the median latency per case, over all rounds."""
        return {
            case: median([s for one in rounds for s in one])
            for case, rounds in self.latency_ms.items()
            if any(rounds)
        }


@dataclass(frozen=True)
class Results:
    """A whole results.json.

    Attributes:
        machine: System, Python, numpy and GPU of the other machine.
        when: UTC time.
        measured: Its candidates.
        current: Whether the folder's artifacts are still those that were packed.
        changed: Stages that have been made again since.
    """

    machine: Mapping[str, str]
    when: str
    measured: tuple[Measured, ...]
    changed: tuple[str, ...]

    @property
    def current(self) -> bool:
        """Whether nothing was made again since the bundle was packed."""
        return not self.changed

    @property
    def right(self) -> bool:
        """Whether everything that ran was right."""
        return all(m.right is not False for m in self.measured)


def read_results(path: Path, folder: Folder | None = None) -> Results:
    """Return a bundle's results.

    Args:
        path: results.json.
        folder: The folder the bundle was packed from, to see what has changed since.

    Raises:
        UsageError: The file is not one that a bundle wrote.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != 1:
            raise ValueError(f"format {raw['format']}")
        measured = tuple(_measured(record) for record in raw["results"])
        packed = dict(raw["artifacts"])
        machine = {str(k): str(v) for k, v in raw["machine"].items()}
        when = str(raw["when"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise UsageError(
            f"no results of a bundle: {type(err).__name__}: {err}",
            where=str(path),
            fix="give the results.json that the bundle's run.py wrote",
        ) from err
    return Results(machine, when, measured, _changed(packed, folder))


def _measured(record: Mapping[str, Any]) -> Measured:
    ran = bool(record["ran"])
    return Measured(
        name=str(record["name"]),
        precision=str(record["precision"]),
        ran=ran,
        right=bool(record["right"]) if ran else None,
        device=str(record["device"] if ran else record["reason"]),
        latency_ms={str(k): v for k, v in record.get("latency_ms", {}).items()},
        cases=tuple(record.get("cases", ())),
    )


def _changed(packed: Mapping[str, str], folder: Folder | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    changed = []
    for stage, digest in packed.items():
        artifact = folder.stage(stage)
        if artifact is None or artifact.digest != digest:
            changed.append(stage)
    return tuple(changed)
