"""Compute capabilities: how they are written, which the builders accept, what each can run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.errors import UsageError

RTX_TARGETS = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
_NAMES = {"9.0": "Hopper (H100, H200)", "10.0": "Blackwell data centre", "10.3": "Blackwell Ultra"}


def ordered_targets(names: Sequence[str]) -> tuple[str, ...]:
    """Return compute capabilities in ascending order, each once, written `8.0`.

    Args:
        names: Such as `8.0`, `sm86` or `sm_120`.

    Raises:
        UsageError: One is no compute capability, or none is given.
    """
    if not names:
        raise UsageError("no compute capability is named", where="--computeCapabilities")
    found: set[tuple[int, int]] = set()
    for part in names:
        match = re.fullmatch(r"(\d{1,2})\.(\d)|(?:sm_?)(\d{1,2})(\d)", part, re.IGNORECASE)
        if not match:
            raise UsageError(
                f"{part!r} is no compute capability", fix="write 8.0,8.6,8.9,12.0 or sm80,sm120"
            )
        major, minor = (g for g in match.groups() if g is not None)
        found.add((int(major), int(minor)))
    return tuple(f"{major}.{minor}" for major, minor in sorted(found))


def check_rtx_targets(targets: tuple[str, ...]) -> None:
    """Refuse targets that TensorRT-RTX has no code for.

    Raises:
        UsageError: One of them is not among `RTX_TARGETS`.
    """
    strange = [t for t in targets if t not in RTX_TARGETS]
    if strange:
        named = ", ".join(f"{t} {_NAMES[t]}" if t in _NAMES else t for t in strange)
        raise UsageError(
            f"TensorRT-RTX builds no engine for compute capability {named}",
            fix=f"it knows {', '.join(RTX_TARGETS)}; for others use full TensorRT on that GPU",
        )


def sm(target: str) -> str:
    """Return `sm80` for `8.0`."""
    return "sm" + target.replace(".", "")


def tag(targets: tuple[str, ...]) -> str:
    """Return the targets as they stand in a plan's file name, e.g. `sm80_sm86`."""
    return "_".join(sm(t) for t in targets)
