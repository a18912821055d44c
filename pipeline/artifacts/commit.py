"""From temporary files to an artifact, so that a kill at any moment leaves the old or the new one.

The order: journal of every name involved, old manifest away, files moved, new manifest by rename,
leftovers of the old artifact away, journal away. Whoever works here next reads a journal
left by a crash and removes the files in it that no manifest owns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pipeline.artifacts.artifact import Artifact, read_manifest
from pipeline.artifacts.context import TEMP_PREFIX, WEIGHTS, StageContext, remove
from pipeline.artifacts.digests import digest_file, write_atomic
from pipeline.artifacts.folder import Folder
from pipeline.errors import FolderError
from pipeline.onnx_bytes import data_files
from pipeline.received_json import parse_json
from pipeline.records.files import FileRecord

_JOURNAL = ".journal-"
# Our own temporary files, those that writers derive from their names, and unfinished weights.
_LEFTOVERS = (f"{TEMP_PREFIX}*", f".{TEMP_PREFIX}*", ".weights-*")


def collect(context: StageContext) -> list[FileRecord]:
    """Return the records of what a stage wrote and of the weights its graphs refer to.

    Raises:
        FolderError: a graph refers to weights that are not there.
    """
    written = context.written()
    records = [_record(name, temp) for name, temp in sorted(written.items())]
    taken = {name for name in written if name in _owned(context.folder, besides=context.stage)}
    assert not taken, f"{context.stage} writes files of another stage: {sorted(taken)}"
    used = {
        str(PurePosixPath(name).parent / data)
        for name, temp in written.items()
        for data in data_files(temp)
    }
    inherited = {record.path for parent in context.parents.values() for record in parent.files}
    for name in sorted(used - written.keys()):
        path = context.folder.path / name
        if not path.is_file():
            raise FolderError(
                f"a graph of {context.stage} refers to {name}, which is not there",
                where=str(context.folder.path),
                fix="run again; if this repeats it is a bug worth reporting",
            )
        digest = context.folder.stats.digest(path)
        records.append(FileRecord(name, digest, path.stat().st_size, shared=name in inherited))
    return records


def commit(context: StageContext, artifact: Artifact) -> None:
    """Move the files of a stage into place and write its manifest, which makes it real."""
    folder = context.folder
    manifest = folder.manifest(artifact.stage)
    journal = manifest.with_name(f"{_JOURNAL}{artifact.stage}.json")
    written = context.written()
    names = {*written, *_files_of(folder, manifest)}
    write_atomic(journal, json.dumps(sorted(names)).encode(), durable=True)
    manifest.unlink(missing_ok=True)
    digests = {record.path: record.sha256 for record in artifact.files}
    for name, temp in written.items():
        final = folder.path / name
        final.parent.mkdir(parents=True, exist_ok=True)
        temp.replace(final)
        folder.stats.remember(final, digests[name])
    write_atomic(manifest, artifact.to_manifest(), durable=True)
    context.discard()
    _close_journal(folder, journal)


def sweep(folder: Folder) -> None:
    """Remove what interrupted work left behind. The caller holds the folder's lock."""
    for base in (folder.path, *(item for item in folder.path.iterdir() if item.is_dir())):
        for item in (item for pattern in _LEFTOVERS for item in base.glob(pattern)):
            remove(item)
    for journal in (folder.path / "manifest").glob(f"{_JOURNAL}*.json"):
        _close_journal(folder, journal)
    owned = _owned(folder)
    weights = (folder.path / "onnx").glob("weights-*.data")
    for item in weights:
        name = item.relative_to(folder.path).as_posix()
        if WEIGHTS.fullmatch(item.name.encode()) and name not in owned:
            item.unlink(missing_ok=True)


def drop_damaged(folder: Folder, artifact: Artifact) -> None:
    """Remove content-named weights whose bytes are not what was written, so they come anew."""
    for record in artifact.files:
        path = folder.path / record.path
        if not WEIGHTS.fullmatch(path.name.encode()) or not path.is_file():
            continue
        if path.stat().st_size != record.bytes or folder.stats.digest(path) != record.sha256:
            path.unlink()


def _record(name: str, temp: Path) -> FileRecord:
    return FileRecord(name, digest_file(temp), temp.stat().st_size, shared=False)


def _close_journal(folder: Folder, journal: Path) -> None:
    """Remove the files a journal names that no manifest owns, then the journal."""
    try:
        names: Iterable[object] = parse_json(journal.read_bytes())
    except (OSError, ValueError):
        names = ()
    owned = _owned(folder)
    for name in names:
        path = Path(str(name))
        if not path.is_absolute() and ".." not in path.parts and path.as_posix() not in owned:
            (folder.path / path).unlink(missing_ok=True)
    journal.unlink(missing_ok=True)


def _owned(folder: Folder, besides: str = "") -> set[str]:
    """Return the relative names of all files that some manifest, save one stage's, lists."""
    manifests = (folder.manifest(name) for name in folder.stages() if name != besides)
    return {name for manifest in manifests for name in _files_of(folder, manifest)}


def _files_of(folder: Folder, manifest: Path) -> list[str]:
    """Return the files a manifest lists; none if it is missing or damaged."""
    try:
        return [record.path for record in read_manifest(folder.path, manifest).files]
    except FolderError:
        return []
