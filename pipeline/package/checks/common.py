"""What the checks of all packages share. Travels with them; needs numpy alone."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.accuracy import Budget, compare, usage

NEAR = 1e-3  # logits nearer than this may change places by rounding alone
Asked = dict[str, Any]
Findings = list[dict[str, Any]]


class NotCheckedError(Exception):
    """The runtime is not here, or cannot be asked, and why."""


def finding(what: str, right: bool | None, says: str = "") -> dict[str, Any]:
    """Return one line of the result; None for what could not be asked here."""
    return {"what": what, "right": None if right is None else bool(right), "says": says}


def main(check: Callable[[Asked], Findings], script: str) -> None:
    """Run a check; print its findings as one line of JSON.

    Exit codes: 0 every answer is right, 1 one is not or the runtime fails, 3 nothing was checked.

    Args:
        check: Asks the runtime.
        script: The file it stands in, beside check.json, in a folder of the package.
    """
    home = Path(script).resolve().parent
    asked = json.loads((home / "check.json").read_text(encoding="utf-8"))
    asked |= {"home": home, "package": home.parent}
    try:
        found = [*check(asked), files_found(asked)]
    except NotCheckedError as error:
        _end(3, {"reason": str(error), "findings": []})
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        loads = finding("the package loads and answers", False, said)
        _end(1, {"findings": [loads, files_found(asked)]})
    _end(int(any(one["right"] is False for one in found)), {"findings": found})


def _end(code: int, told: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.exit(code)


def files_found(asked: Asked) -> dict[str, Any]:
    """Return whether every file is there with the bytes that were written."""
    changed = []
    for name, digest in asked.get("files", {}).items():
        path = asked["package"] / name
        if not path.is_file():
            changed.append(f"{name} is missing")
            continue
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                changed.append(f"{name} has other bytes")
    return finding("files", not changed, "; ".join(changed)[:300])


def tokens_found(
    asked: Asked, continued: Callable[[list[int], int], list[int]], about: str = ""
) -> Findings:
    """Return whether the runtime continues every prompt as it should, up to an end mark."""
    found = []
    for number, case in enumerate(asked["tokens"]):
        made, wanted = continued(case["prompt"], asked["new_tokens"]), case["new"]
        end = next((n for n, token in enumerate(made) if token in asked["ends"]), len(made))
        got = made[:end]
        if (step := apart(got, wanted)) is None:
            says = f"{len(wanted)} tokens the same"
        elif case["margins"][step] < NEAR:
            says, step = f"{step} tokens the same, then a near-tie", None
        else:
            says = f"token {step}: {got[step : step + 1]} instead of {wanted[step : step + 1]}"
        found.append(finding(f"{about}continuation {number}", step is None, says))
    return found


def ends_found(asked: Asked, told: object) -> Findings:
    """Return whether the package's own settings name the right end marks."""
    got = sorted(told) if isinstance(told, list) else [] if told is None else [told]
    wanted = sorted(asked["ends"])
    return [finding("end marks", got == wanted, f"{got} instead of {wanted}" * (got != wanted))]


def apart(got: list[int], wanted: list[int]) -> int | None:
    """Return the first place where two texts differ, None where they do not."""
    if got == wanted:
        return None
    pairs = zip(got, wanted, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(got), len(wanted)))


def ids_found(asked: Asked, encode: Callable[[str], list[int]]) -> Findings:
    """Return whether texts become the ids that they should."""
    found = []
    for text, wanted in asked.get("texts", ()):
        got = encode(text)
        says = "" if got == wanted else f"{got[:8]} instead of {wanted[:8]}"
        found.append(finding(f"ids of {text[:20]!r}", got == wanted, says))
    return found


def cases(asked: Asked) -> Iterator[tuple[int, dict[str, np.ndarray], dict[str, np.ndarray], Any]]:
    """Yield the number, inputs, right outputs and limits of each case."""
    for number, case in enumerate(asked["outputs"]):
        inputs, outputs = (
            dict(np.load(asked["home"] / case[name])) for name in ("inputs", "outputs")
        )
        yield number, inputs, outputs, case["limits"]


def within(
    what: str, got: np.ndarray, wanted: np.ndarray, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Return whether an array is near enough to the right one."""
    if got.shape != wanted.shape:
        return finding(what, False, f"shape {list(got.shape)} instead of {list(wanted.shape)}")
    errors = compare(got, wanted)
    used = usage(errors, Budget(**limits))
    return finding(what, used <= 1, f"largest difference {errors.max:.3g}, {used:.0%} of the limit")
