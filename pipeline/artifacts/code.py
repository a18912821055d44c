"""What a stage's code is: its own sources and all they import from here, and which libraries.

Found by reading the sources, so nobody has to list it and nobody can forget to: a stage is made
again when any package it reaches changes, or any library that those packages name in an import.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import re
import sys
from pathlib import Path

ROOTS = ("pipeline", "models")
_HOME = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([\w.]+))"
    r"|import_module\(\s*[\"']([\w.]+)",
    re.MULTILINE,
)
# Import names whose distribution is called otherwise; each distribution that may provide it.
_DISTRIBUTIONS = {
    "google": ("protobuf",),
    "jinja2": ("Jinja2",),
    "onnx_ir": ("onnx-ir",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt-rtx-cu13", "tensorrt-rtx"),
    "transformers": ("transformers", "tokenizers"),
    "yaml": ("PyYAML",),
}
# Libraries a package picks by a name computed while it runs, which no import statement shows.
_CHOSEN_LATE = {"pipeline.tensorrt_api": ("tensorrt", "tensorrt_rtx")}


def code_ingredients(module: str) -> dict[str, str]:
    """Return, for the package a stage's function lives in, everything its result may depend on.

    Args:
        module: Dotted name of the module, such as `pipeline.stages.export.stage`.

    Returns:
        `code <package>` to the sha256 of its files, for the package and all it imports from this
        project; then `library <name>` to a version, or "absent".
    """
    packages, libraries = _closure(_unit(module))
    found = {f"code {name}": _unit_facts(name)[0] for name in sorted(packages)}
    return found | {f"library {name}": version for name, version in versions(libraries).items()}


def versions(libraries: frozenset[str]) -> dict[str, str]:
    """Return the version of Python, of this project and of each library, by distribution name."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for library in sorted(libraries):
        for name in _DISTRIBUTIONS.get(library, (library,)):
            found[name.lower()] = _version(name)
    return found


@functools.cache
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _unit(module: str) -> str:
    """Return the part of a name that is hashed as one: `models`, `pipeline.stages.export`.

    A record is a unit of its own, so that a stage is not made again for another one's record.
    """
    names = module.split(".")
    if names[0] == "models":
        return "models"
    return ".".join(names[: 3 if names[1:2] in (["stages"], ["records"]) else 2])


def _closure(unit: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the units reachable from one by imports, and the libraries they name."""
    units: set[str] = set()
    libraries: set[str] = set()
    waiting = [unit]
    while waiting:
        name = waiting.pop()
        if name in units or not _files(name):
            continue
        units.add(name)
        imported = _unit_facts(name)[1]
        waiting.extend(item for item in imported if item.partition(".")[0] in ROOTS)
        libraries.update(item for item in imported if item.partition(".")[0] not in ROOTS)
    return frozenset(units), frozenset(libraries)


@functools.cache  # the code that runs does not change under a running process
def _unit_facts(unit: str) -> tuple[str, frozenset[str]]:
    """Return the sha256 over a unit's files (names and bytes) and the units it imports."""
    digest = hashlib.sha256()
    imported: set[str] = set()
    for file in _files(unit):
        data = file.read_bytes()
        digest.update(f"{file.name}:{len(data)}:".encode())
        digest.update(data)
        if file.suffix == ".py":
            imported |= _imports(data.decode("utf-8", "replace"))
    return digest.hexdigest(), frozenset(imported | {*_CHOSEN_LATE.get(unit, ())})


def _imports(source: str) -> set[str]:
    """Return the units and libraries that a source file names in import statements."""
    found: set[str] = set()
    for match in _IMPORT.finditer(source):
        base = match[1] or match[3] or match[4]
        if base == "pipeline" and match[2]:
            names = re.findall(r"\w+", re.sub(r"\bas\s+\w+|#.*", "", match[2]))
            found |= {f"pipeline.{name}" for name in names}
        elif base.partition(".")[0] in ROOTS:
            found.add(_unit(base))
        elif base.partition(".")[0] not in sys.stdlib_module_names:
            found.add(base.partition(".")[0])
    return found


def _files(unit: str) -> list[Path]:
    """Return the files of a unit, in a fixed order; empty if there is no such unit here."""
    if unit.partition(".")[0] not in ROOTS:
        return []
    base = _HOME.joinpath(*unit.split("."))
    if base.is_dir() and unit != "pipeline":
        found = (path for path in base.rglob("*") if path.is_file())
        return sorted(path for path in found if "__pycache__" not in path.parts)
    module = base / "__init__.py" if unit == "pipeline" else base.with_suffix(".py")
    return [module] if module.is_file() else []
