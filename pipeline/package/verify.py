"""A copy of a package, asked in its own runtime and in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.received_json import parse_json
from pipeline.records.package import Finding

LIMIT_S = 900
NOT_CHECKED = 3


@dataclass(frozen=True)
class Verdict:
    """What the runtime made of a package.

    Attributes:
        right: Whether every answer was right; None where nothing was asked.
        reason: Why nothing was.
        findings: Question by question.
    """

    right: bool | None
    reason: str = ""
    findings: tuple[Finding, ...] = ()


def verify(package: Path, python: Path | None = None, told: Sequence[str] = ()) -> Verdict:
    """Copy a package elsewhere and run its own check there.

    Args:
        package: The folder.
        python: In whose environment the runtime is installed; this one unless given.
        told: Arguments of the check.
    """
    with tempfile.TemporaryDirectory(prefix="pipeline-package-") as scratch:
        copy = Path(scratch) / "package"
        shutil.copytree(package, copy)
        return _run(copy, [str(python or sys.executable), str(copy / "check" / "check.py"), *told])


def _run(copy: Path, command: list[str]) -> Verdict:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    told = {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "PYTHONNOUSERSITE": "1"}
    try:
        ended = subprocess.run(
            command, cwd=copy, env={**kept, **told},
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except OSError as error:
        return Verdict(None, f"{command[0]} cannot be run: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Verdict(False, findings=(Finding("the check ends", False, f"not in {LIMIT_S} s"),))
    lines = ended.stdout.strip().splitlines()
    try:
        raw = parse_json(lines[-1])
        findings = tuple(Finding(one["what"], one["right"], one["says"]) for one in raw["findings"])
    except (IndexError, KeyError, TypeError, ValueError):
        said = (ended.stderr.strip().splitlines() or [f"it ended with {ended.returncode}"])[-1]
        return Verdict(False, findings=(Finding("the check ends", False, said[:500]),))
    if ended.returncode == NOT_CHECKED:
        return Verdict(None, str(raw.get("reason", "")))
    wrong = ended.returncode != 0 or any(one.right is False for one in findings)
    return Verdict(not wrong and any(one.right for one in findings), findings=findings)
