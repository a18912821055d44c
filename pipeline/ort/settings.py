"""What a lowering asks of the runtime: the settings written beside a graph.

`optimize` writes `<file>.session.json` beside a graph whose operators are only right, or only
fast, under certain session options; every runner reads it, so that all of them run alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from pipeline.errors import BadModelError
from pipeline.received_json import parse_json

if TYPE_CHECKING:
    from pipeline.types import Json

SUFFIX = ".session.json"
Denormals: TypeAlias = Literal["keep", "flush"]
_FIX = "Run `pipeline optimize` again with this version."


@dataclass(frozen=True)
class SessionSettings:
    """Session options of ONNX Runtime that belong to a graph; each field is a key of the JSON.

    Attributes:
        disabled_optimizers: Names of the runtime's own rewrites that would undo the graph.
        denormals: "flush" treats subnormal floats as zero.
        in_place: Inputs, by output, whose buffer the output is written into.
    """

    disabled_optimizers: tuple[str, ...] = ()
    denormals: Denormals = "keep"
    in_place: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return what differs from the defaults: nothing for a graph without settings."""
        found: dict[str, Json] = {}
        if self.disabled_optimizers:
            found["disabled_optimizers"] = [*self.disabled_optimizers]
        if self.denormals != "keep":
            found["denormals"] = self.denormals
        if self.in_place:
            found["in_place"] = dict(self.in_place)
        return found

    @classmethod
    def from_json(cls, raw: Json, where: str = "") -> SessionSettings:
        """Return the settings from their JSON form.

        Args:
            raw: What `to_json` returned, perhaps in another version.
            where: Named in errors.

        Raises:
            BadModelError: The JSON has another shape, or names a setting this version lacks; a
                setting that is skipped would silently change what runs.
        """
        if not isinstance(raw, dict):
            raise BadModelError("Session settings must be a JSON object.", where=where, fix=_FIX)
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(raw) - {*known}):
            raise BadModelError(
                f"Unknown session settings: {', '.join(unknown)}; there are {', '.join(known)}.",
                where=where,
                fix=_FIX,
            )
        names, pairs = raw.get("disabled_optimizers", []), raw.get("in_place", {})
        denormals = raw.get("denormals", "keep")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _unusable("disabled_optimizers", names, "a list of names", where)
        if denormals not in get_args(Denormals):
            raise _unusable("denormals", denormals, " or ".join(get_args(Denormals)), where)
        if not isinstance(pairs, dict) or not all(isinstance(v, str) for v in pairs.values()):
            raise _unusable("in_place", pairs, "inputs by output", where)
        return cls(
            tuple(str(name) for name in names),
            cast("Denormals", denormals),
            {output: str(name) for output, name in pairs.items()},
        )


def settings_path(graph: Path) -> Path:
    """Return where the settings of this graph lie, whether or not there are any."""
    return graph.with_name(graph.name + SUFFIX)


def read_settings(graph: Path) -> SessionSettings:
    """Return the settings written beside a graph, the defaults when there are none.

    Raises:
        BadModelError: The file is there but cannot be used.
    """
    path = settings_path(graph)
    try:
        raw = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return SessionSettings()
    except (OSError, ValueError) as err:
        raise BadModelError(f"Cannot read session settings: {err}.", where=str(path)) from err
    return SessionSettings.from_json(raw, str(path))


def write_settings(path: Path, settings: SessionSettings) -> None:
    """Write the settings of a graph to `settings_path`; without any, nothing is left there."""
    if told := settings.to_json():
        path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def _unusable(key: str, value: Json, wanted: str, where: str) -> BadModelError:
    return BadModelError(
        f"Unusable session settings: {key} is {json.dumps(value)}, not {wanted}.",
        where=where,
        fix=_FIX,
    )
