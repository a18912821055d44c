"""How long a build will take, from this machine's own earlier builds.

The progress monitor's steps say little about time (most of a build is one compiler call), so
the estimate is the median seconds per byte of weights of earlier builds with the same flavour,
weighted towards similar sizes. It is shown as an estimate and never used for anything else.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

_KEPT = 200
_NEAREST = 5


@dataclass(frozen=True)
class Build:
    """One finished build, as remembered."""

    flavour: str
    version: str
    graph_bytes: int
    targets: int
    profiles: int
    level: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """Expected seconds and how many earlier builds say so."""

    seconds: float
    builds: int


def history_path() -> Path:
    """Return the file of earlier builds, in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pipeline" / "engine-builds.jsonl"


def estimate(plan: Build, earlier: list[Build]) -> Estimate | None:
    """Return the expected time of `plan`, or None without comparable builds."""
    same = [b for b in earlier if b.flavour == plan.flavour and b.level == plan.level]
    if not same:
        return None
    size = max(plan.graph_bytes, 1)
    nearest = sorted(same, key=lambda b: abs(_ratio(b.graph_bytes, size)))[:_NEAREST]
    scaled = [b.seconds * _scale(b, plan) for b in nearest]
    return Estimate(median(scaled), len(nearest))


def _ratio(a: int, b: int) -> float:
    return max(a, 1) / max(b, 1) - 1 if a > b else max(b, 1) / max(a, 1) - 1


def _scale(old: Build, new: Build) -> float:
    """Small graphs cost a constant; beyond that time grows with the bytes and the work."""
    floor = 8 << 20
    size = max(new.graph_bytes, floor) / max(old.graph_bytes, floor)
    return (
        size
        * max(new.targets, 1)
        * max(new.profiles, 1)
        / (max(old.targets, 1) * max(old.profiles, 1))
    )


def load_history(path: Path) -> list[Build]:
    """Return earlier builds, newest last; a damaged line is skipped, a missing file is empty."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    builds = []
    for line in lines[-_KEPT:]:
        try:
            builds.append(Build(**json.loads(line)))
        except (json.JSONDecodeError, TypeError):
            continue
    return builds


def remember(path: Path, build: Build) -> None:
    """Append one build; a cache folder that cannot be written costs only the estimate."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(asdict(build)) + "\n")
    except OSError:
        return
