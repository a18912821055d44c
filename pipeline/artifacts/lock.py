"""A lock on a folder that ends with the process that holds it, however that process ends."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import lock_descriptor

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file exclusively, waiting for whoever holds it now.

    The kernel frees the lock when its holder dies, so there are no stale locks. The lock file's
    folder exists. Waiting is said once, as a warning that names the other process.

    Raises:
        OSError: the lock file cannot be opened.
    """
    handle = _acquire(path)
    try:
        _write_holder(handle)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def try_locked(path: Path) -> Iterator[bool]:
    """Hold the lock file if it exists and nobody has it; say whether nobody else has."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield True
        return
    try:
        yield _try_lock(handle)
    finally:
        os.close(handle)


def _acquire(path: Path) -> int:
    """Return an open handle that holds the lock on the file which is at `path` now."""
    told = False
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if _try_lock(handle):
            if _still_there(handle, path):
                return handle
            os.close(handle)  # the folder was withdrawn while we waited: take the new file
            continue
        if not told:
            _LOG.warning(
                "waiting: process %s is working in %s (Ctrl-C to give up)",
                _read_holder(handle),
                path.parent.parent.name,
            )
            told = True
        os.close(handle)
        time.sleep(_POLL_SECONDS)


def _try_lock(handle: int) -> bool:
    return lock_descriptor(handle, blocking=False)


def _write_holder(handle: int) -> None:
    """Write our process's number, behind the first byte: Windows locks that one for others."""
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, f" {os.getpid()}".encode())


def _read_holder(handle: int) -> str:
    os.lseek(handle, 1, os.SEEK_SET)
    return os.read(handle, 32).decode(errors="replace") or "unknown"


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
