"""An output folder: claimed by a marker, worked in under a lock, never cleaned of foreign things.

DIR/manifest/folder.json      the claim
DIR/manifest/<stage>.json     one per artifact; written last, it commits the stage
DIR/manifest/.lock            held while a stage works
DIR/manifest/.journal-*.json  the files a commit is moving; read after a crash
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.artifacts.artifact import Artifact, read_manifest
from pipeline.artifacts.digests import STATS, StatCache, digest_json, write_atomic
from pipeline.artifacts.lock import locked, try_locked
from pipeline.artifacts.strays import beside
from pipeline.errors import FolderError, PipelineError
from pipeline.onnx_bytes import data_files
from pipeline.received_json import parse_json

_LOG = logging.getLogger(__name__)
_MARKER = "manifest/folder.json"
MAKE_IT = "make it with `pipeline run MODEL -o DIR`"
MAKE_ONE = "make one with `pipeline run MODEL -o DIR`, and name that DIR"
_KIND = "transformer-pipeline output folder"
_FOLDER_FORMAT = 1
STAGE_LOCK, RUN_LOCK = ".lock", ".run.lock"  # one stage's work; a whole run's, around its stages
_LOCKS = (STAGE_LOCK, RUN_LOCK)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_HOUSEKEEPING = {Path(_MARKER).name, Path(STATS).name, *_LOCKS}


class Folder:
    """An output folder and the artifacts in it. Get one from `open_folder`.

    Examples:
        >>> from pipeline import open_folder
        >>> open_folder("out").require("export", "pipeline export MODEL -o out").stage
        'export'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stats = StatCache(path)

    def stages(self) -> tuple[str, ...]:
        """Return the names of the stages that have an artifact here, sorted."""
        manifests = (self.path / "manifest").glob("*.json")
        names = (file.stem for file in manifests if not file.name.startswith("."))
        return tuple(sorted(name for name in names if name != Path(_MARKER).stem))

    def stage(self, name: str) -> Artifact | None:
        """Return a stage's artifact as its manifest describes it, None if there is none.

        Raises:
            FolderError: the manifest is damaged.
        """
        manifest = self.manifest(name)
        return read_manifest(self.path, manifest) if manifest.is_file() else None

    def require(self, name: str, fix: str) -> Artifact:
        """Return a stage's artifact after checking that its files are there and unchanged.

        Raises:
            FolderError: there is none, or a file is missing or has other bytes.
        """
        artifact = self.stage(name)
        if artifact is None:
            present = ", ".join(self.stages()) or "nothing"
            raise FolderError(
                f"no {name} artifact here; there is {present}", where=str(self.path), fix=fix
            )
        problem = self.damage(artifact)
        if problem:
            raise FolderError(problem, where=str(self.path), fix=fix)
        return artifact

    def damage(self, artifact: Artifact) -> str:
        """Return what is wrong with an artifact's files, in words; empty if nothing is.

        Bytes are read again only where size, inode or a time of the file changed.
        """
        for record in artifact.files:
            path = self.path / record.path
            if not path.is_file():
                return f"{record.path}, made by {artifact.stage}, is missing"
            if path.stat().st_size != record.bytes:
                return (
                    f"{record.path} has {path.stat().st_size} bytes, "
                    f"{artifact.stage} wrote {record.bytes}"
                )
            if self.stats.digest(path) != record.sha256:
                return f"{record.path} has other bytes than {artifact.stage} wrote"
        stray = beside(self.path, artifact.files)
        return f"{stray} lies among its files, and {artifact.stage} did not write it" * bool(stray)

    def digest_of(self, source: Path) -> str:
        """Return the sha256 of any file, remembered while its size, inode and times stay.

        A graph's digest covers the data files it refers to.
        """
        digest = self.stats.digest(source)
        data = [source.parent / name for name in data_files(source)]
        if not data:
            return digest
        return digest_json([digest, *(self.stats.digest(p) if p.is_file() else "" for p in data)])

    def distrust(self) -> None:
        """Forget every remembered digest, so that all bytes are read again (`--verify`)."""
        (self.path / STATS).unlink(missing_ok=True)
        self.stats = StatCache(self.path)

    def write(self, name: str, data: bytes) -> Path:
        """Write a file that belongs to no stage, such as the report, in one step; return it."""
        path = self.path / name
        with folder_errors(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
        return path

    def manifest(self, name: str) -> Path:
        """Return where a stage's manifest lies or would lie."""
        return self.path / "manifest" / f"{name}.json"

    @contextlib.contextmanager
    def lock(self, name: str = STAGE_LOCK) -> Iterator[None]:
        """Hold the folder, creating and claiming it first; withdraw it if nothing was made.

        Raises:
            FolderError: it cannot be created or written, or holds something else.
        """
        created = missing_parents(self.path)
        while True:
            with folder_errors(self.path):
                (self.path / "manifest").mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as stack:
                with folder_errors(self.path):
                    try:
                        stack.enter_context(locked(self.path / "manifest" / name))
                    except FileNotFoundError:
                        continue  # withdrawn by another process between the two lines
                    self._claim()
                    self.stats = StatCache(self.path)
                try:
                    yield
                finally:
                    self.stats.save()
                    self._withdraw(name, created)
                return

    def _claim(self) -> None:
        """Write the marker unless it is there."""
        marker = self.path / _MARKER
        if not marker.exists():
            check_claim(self.path)
            content = {"kind": _KIND, "format": _FOLDER_FORMAT}
            write_atomic(marker, (json.dumps(content) + "\n").encode(), durable=True)

    def _withdraw(self, lock: str, created: list[Path]) -> None:
        """Remove marker, locks and the folders made for them if no stage left anything here."""
        manifest = self.path / "manifest"
        others = {item.name for item in manifest.iterdir()} - _HOUSEKEEPING
        inside = [item for item in self.path.iterdir() if item != manifest]
        if others or any(not item.is_dir() or any(item.iterdir()) for item in inside):
            return
        with try_locked(manifest / next(name for name in _LOCKS if name != lock)) as alone:
            if not alone:
                return
            for item in inside:
                item.rmdir()
            for name in sorted(_HOUSEKEEPING):
                with contextlib.suppress(PermissionError):  # Windows keeps a file that is open
                    (manifest / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a newcomer claimed it again: it is theirs
                manifest.rmdir()
                for path in created:
                    path.rmdir()


def open_folder(path: Path | str, create: bool = False) -> Folder:
    """Return a folder of ours; nothing is written until a stage works in it.

    Args:
        path: The folder. A missing or empty one is taken over when `create` is set.
        create: False for readers, which need a folder that already holds artifacts.

    Raises:
        FolderError: it holds something else, is not a folder, or is missing for a reader.

    Examples:
        >>> from pipeline import open_folder
        >>> "optimize.ort-cpu-fp32" in open_folder("out").stages()
        True
    """
    root = Path(os.path.abspath(path))
    if root.exists() and not root.is_dir():
        fix = "name another folder with -o" if create else MAKE_ONE
        raise FolderError(f"{path} is a file, not a folder", fix=fix)
    if not create and not root.exists():
        raise FolderError(f"{path} does not exist", fix=MAKE_IT)
    if root.is_dir():
        with folder_errors(root):
            check_claim(root, create)
    return Folder(root)


def check_claim(root: Path, create: bool = True) -> None:
    """Raise FolderError unless the folder is ours or, for one who makes artifacts, empty."""
    marker = root / _MARKER
    if marker.is_file():
        try:
            content = parse_json(marker.read_bytes())
        except ValueError:
            content = {}
        if isinstance(content, dict) and content.get("kind") == _KIND:
            if content.get("format") == _FOLDER_FORMAT:
                return
            raise FolderError(
                f"folder format {content.get('format')}, this version knows {_FOLDER_FORMAT}",
                where=str(root),
                fix="upgrade, or name another folder",
            )
    foreign = sorted(item.name for item in root.iterdir() if not _ours(item))
    if foreign:
        shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if foreign[3:] else "")
        if not create:
            raise FolderError(
                f"the folder holds no artifact of `pipeline`, but {shown}",
                where=str(root),
                fix=MAKE_ONE,
            )
        raise FolderError(
            f"the folder holds something else: {shown}",
            where=str(root),
            fix="name a new or empty folder; this one is left as it is",
        )
    if not create:
        raise FolderError("the folder is empty", where=str(root), fix=MAKE_IT)


def missing_parents(path: Path) -> list[Path]:
    """Return the folders, deepest first, that would have to be made for `path` to exist."""
    found = []
    for item in (path, *path.parents):
        if item.exists():
            break
        found.append(item)
    return found


@contextlib.contextmanager
def folder_errors(root: Path) -> Iterator[None]:
    """Turn the operating system's refusals into FolderErrors that say what to do."""
    try:
        yield
    except OSError as error:
        name = f": {Path(error.filename).name}" if isinstance(error.filename, str) else ""
        raise FolderError(
            f"{error.strerror or error}{name}",
            where=str(root),
            fix="free space or fix the permissions there, or name another folder with -o",
        ) from error


@contextlib.contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk met inside other code into a FolderError.

    Libraries wrap the system's error in types of their own, so its words count as well. Errors
    about files outside the folder pass: they are about the stage's inputs.
    """
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in _DISK_FULL
        name = getattr(error, "filename", None)
        refused = isinstance(error, PermissionError) and str(name or "").startswith(str(root))
        if not full and not refused and os.strerror(errno.ENOSPC) not in str(error):
            raise
        raise FolderError(
            f"writing failed: {error}",
            where=str(root),
            fix="free space or fix the permissions there, or name another folder with -o",
        ) from error


def _ours(item: Path) -> bool:
    """Return whether a half-claimed folder may hold this: what a killed claim leaves."""
    if item.name != "manifest" or not item.is_dir():
        return False
    names = (entry.name for entry in item.iterdir())
    return all(name in _HOUSEKEEPING or name.startswith(".tmp-") for name in names)
