"""What a lowering asks of the runtime: the settings written beside a graph.

`optimize` writes `<file>.session.json` beside a graph whose operators are only right, or only
fast, under certain session options; every runner reads it, so that all of them run alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import BadModelError
from pipeline.types import Json

SUFFIX = ".session.json"


@dataclass(frozen=True)
class SessionSettings:
    """Session options of ONNX Runtime that belong to a graph.

    Attributes:
        disabled_optimizers: Names of the runtime's own rewrites that would undo the graph.
        flush_denormals: Whether subnormal floats are treated as zero.
        in_place: Inputs, by output, whose buffer the output is written into.
    """

    disabled_optimizers: tuple[str, ...] = ()
    flush_denormals: bool = False
    in_place: Mapping[str, str] = field(default_factory=dict)


def settings_path(graph: Path) -> Path:
    """Return where the settings of this graph lie, whether or not there are any."""
    return graph.with_name(graph.name + SUFFIX)


def parse_settings(raw: Json, where: str = "") -> SessionSettings:
    """Return the settings from their JSON form.

    Raises:
        BadModelError: the JSON has another shape, or names a setting this version lacks; a
            setting that is skipped would silently change what runs.
    """
    if not isinstance(raw, dict):
        raise BadModelError("Session settings must be a JSON object.", where=where)
    unknown = sorted(set(raw) - {"disabled_optimizers", "denormals", "in_place"})
    names, denormals = raw.get("disabled_optimizers", []), raw.get("denormals")
    pairs = raw.get("in_place", {})
    listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
    paired = isinstance(pairs, dict) and all(isinstance(name, str) for name in pairs.values())
    if unknown or not listed or not paired or denormals not in (None, "flush", "keep"):
        raise BadModelError(
            f"Unusable session settings: {json.dumps(raw)}.",
            where=where,
            fix="Run `pipeline optimize` again with this version.",
        )
    assert isinstance(names, list)
    assert isinstance(pairs, dict)
    buffers = {output: str(name) for output, name in pairs.items()}
    return SessionSettings(tuple(str(name) for name in names), denormals == "flush", buffers)


def read_settings(graph: Path) -> SessionSettings:
    """Return the settings written beside a graph, the defaults when there are none.

    Raises:
        BadModelError: the file is there but cannot be used.
    """
    path = settings_path(graph)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return SessionSettings()
    except (OSError, ValueError) as err:
        raise BadModelError(f"Cannot read session settings: {err}.", where=str(path)) from err
    return parse_settings(raw, str(path))
