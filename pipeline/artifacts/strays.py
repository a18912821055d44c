"""Files that lie where artifacts' files lie and that no manifest lists.

A reader that finds things by name would take one for an artifact's: settings beside a graph, a
file more in the tokenizer's folder, a graph whose manifest was taken away.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.artifacts.artifact import read_manifest
from pipeline.errors import FolderError
from pipeline.ort.settings import SUFFIX as SETTINGS
from pipeline.received_json import parse_json
from pipeline.records.files import FileRecord

_TOKENIZER = "tokenizer/"
# What our stages write, and nobody else has a reason to.
_MADE = (
    "onnx/*.*.onnx",
    f"onnx/*{SETTINGS}",
    "engine/*.plan",
    "parity/parity.json",
    "perf/perf.json",
)
_JOURNALS = "manifest/.journal-*.json"


def beside(root: Path, files: Iterable[FileRecord]) -> str:
    """Return the first file that readers would take for one of these, empty if there is none."""
    listed = {record.path for record in files}
    found = {f"{name}{SETTINGS}" for name in listed if name.endswith(".onnx")}
    if any(name.startswith(_TOKENIZER) for name in listed):
        inside = (root / _TOKENIZER).rglob("*")
        found |= {path.relative_to(root).as_posix() for path in inside if path.is_file()}
    return next((name for name in sorted(found - listed) if (root / name).is_file()), "")


def unlisted(root: Path) -> tuple[str, ...]:
    """Return the graphs, engines and results that no manifest lists and no commit is moving."""
    found = {
        path.relative_to(root).as_posix()
        for pattern in _MADE
        for path in root.glob(pattern)
        if not path.name.startswith(".")
    }
    if not found:
        return ()
    return tuple(sorted(found - _moving(root) - _listed(root)))


def _listed(root: Path) -> set[str]:
    listed: set[str] = set()
    for manifest in (root / "manifest").glob("[!.]*.json"):
        try:
            listed |= {record.path for record in read_manifest(root, manifest).files}
        except FolderError:  # the marker of the folder; a damaged one lists nothing
            continue
    return listed


def _moving(root: Path) -> set[str]:
    """Return what commits that are under way, or were killed, name."""
    named: set[str] = set()
    for journal in root.glob(_JOURNALS):
        try:
            named |= {str(name) for name in parse_json(journal.read_bytes())}
        except (OSError, ValueError, TypeError):
            continue
    return named
