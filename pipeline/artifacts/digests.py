"""Hashes of files and of plain data, and the table that saves hashing a file twice.

A digest is always a full sha256 in hex. A file that was hashed before counts as unchanged while
its size, inode, modification and change time are; the last is the one that an editor of the file
cannot set back. `Folder.distrust` drops that memory (`--verify`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from pipeline.received_json import parse_json
from pipeline.types import Json

STATS = "manifest/.stats.json"


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_bytes(data: bytes) -> str:
    """Return the sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Json) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, full float precision."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_json(value: Json) -> str:
    """Return the sha256 of a plain value, independent of the order of its keys."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def write_atomic(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file so that readers see the old bytes or the new ones, never a mixture.

    Args:
        path: The file; its folder exists.
        data: All of its bytes.
        durable: Flush to the disk before the rename, for files that commit something.
    """
    temp = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        with temp.open("wb") as handle:
            handle.write(data)
            if durable:
                handle.flush()
                os.fsync(handle.fileno())
        temp.replace(path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise


class StatCache:
    """Digests of files seen before, good as long as size, inode and times are unchanged.

    Files of the folder are named by their relative path, others by a hash of their path, so
    that nothing on disk gives away where this folder or its sources lay.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / STATS
        self._seen = self._load()

    def digest(self, path: Path, compute: Callable[[Path], str] = digest_file) -> str:
        """Return the file's digest, reading its bytes only if its stat changed."""
        name, signature = self._name(path), _signature(path)
        known = self._seen.get(name)
        if known is not None and known[:-1] == signature:
            return str(known[-1])
        digest = compute(path)
        self._seen[name] = [*signature, digest]
        return digest

    def remember(self, path: Path, digest: str) -> None:
        """Note the digest of a file just written and hashed."""
        self._seen[self._name(path)] = [*_signature(path), digest]

    def save(self) -> None:
        """Write the table; losing it costs time, never correctness, so an OSError is let go."""
        if self._file.parent.is_dir() and self._seen != self._load():
            try:
                write_atomic(self._file, json.dumps(self._seen).encode())
            except OSError:
                return

    def _name(self, path: Path) -> str:
        absolute = Path(os.path.abspath(path))
        if absolute.is_relative_to(self._root):
            return absolute.relative_to(self._root).as_posix()
        return "elsewhere:" + hashlib.sha256(str(absolute).encode()).hexdigest()

    def _load(self) -> dict[str, list[int | str]]:
        try:
            table = parse_json(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(table, dict):
            return {}
        return {k: v for k, v in table.items() if isinstance(v, list) and len(v) == 5}


def _signature(path: Path) -> list[int | str]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns]
