"""A run's options from a file: TOML or YAML, one section per stage."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError


def read_config(path: Path) -> dict[str, Any]:
    """Return the content of a configuration file as nested mappings.

    Names may be written as on the command line (`kv-cache`) or as in Python (`kv_cache`).

    Raises:
        UsageError: the file cannot be read, is neither TOML nor YAML, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the configuration cannot be read: {reason}", where=str(path)) from error
    content = _parse(path, text)
    if not isinstance(content, dict):
        raise UsageError(
            f"the configuration is a {type(content).__name__}, not a mapping",
            where=str(path),
            fix="write `model: zh-en`, and a section per stage such as `export:`",
        )
    return _pythonic(content)


def _parse(path: Path, text: str) -> Any:
    if path.suffix == ".toml":
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"not TOML: {error}", where=str(path)) from error
    if path.suffix in (".yaml", ".yml", ".json"):
        import yaml

        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise UsageError(f"not YAML: {error}", where=str(path)) from error
    raise UsageError(
        f"a configuration ends in .toml, .yaml or .json, not {path.suffix or 'nothing'}",
        where=str(path),
        fix="rename the file",
    )


def _pythonic(content: dict[Any, Any]) -> dict[str, Any]:
    """Return the mapping with option names as Python spells them and lists as tuples."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            # a section keeps its stage's name (build-engine); names inside are options
            found[str(name)] = {str(k).replace("-", "_"): _plain(v) for k, v in value.items()}
        else:
            found[str(name).replace("-", "_")] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
