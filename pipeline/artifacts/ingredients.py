"""The key of an artifact: an ordered list of everything that could change it, hashed.

Deny by default: a stage hands over all of its options, and code, libraries and parents are added
here. Whoever knows that an option cannot matter must leave it out by name, with the reason there.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.artifacts.artifact import FORMAT, Artifact
from pipeline.artifacts.code import code_ingredients
from pipeline.artifacts.digests import canonical_json, digest_json
from pipeline.types import Json

_LONGEST_PLAIN = 80


def gather(
    stage: str, recipe: Mapping[str, Json], parents: Mapping[str, Artifact], module: str
) -> dict[str, Json]:
    """Return the named ingredients of a stage's result, in a fixed order.

    Short values stand as they are, for a person to read; long ones as their sha256.
    """
    found: dict[str, Json] = {"stage": stage, "format": FORMAT}
    found |= {f"option {name}": value for name, value in _flat(recipe).items()}
    found |= {f"parent {name}": parent.digest for name, parent in sorted(parents.items())}
    found |= code_ingredients(module)
    return {name: _short(value) for name, value in found.items()}


def key_of(ingredients: Mapping[str, Json]) -> str:
    """Return the hash of named ingredients, independent of their order."""
    return digest_json(dict(ingredients))


def changes(old: Mapping[str, Json], new: Mapping[str, Json]) -> list[str]:
    """Return one line for each ingredient that differs, with both values."""
    lines = []
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in old:
            lines.append(f"{name} is new: {_shown(new[name])}")
        elif name not in new:
            lines.append(f"{name} is gone, was {_shown(old[name])}")
        elif old[name] != new[name]:
            lines.append(f"{name} changed: {_shown(old[name])} -> {_shown(new[name])}")
    return lines


def _flat(recipe: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    """Return nested options as dotted names, so that a change can be named exactly."""
    found: dict[str, Json] = {}
    for name in sorted(recipe):
        value = recipe[name]
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _short(value: Json) -> Json:
    return value if len(canonical_json(value)) <= _LONGEST_PLAIN else digest_json(value)


def _shown(value: Json) -> str:
    text = canonical_json(value).strip('"')
    return text[:12] if len(text) == 64 and " " not in text else text
