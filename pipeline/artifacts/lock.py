"""A lock on a folder that ends with the process that holds it, however that process ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

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
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
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
            holder = os.pread(handle, 32, 0).decode(errors="replace") or "unknown"
            _LOG.warning(
                "waiting: process %s is working in %s (Ctrl-C to give up)",
                holder,
                path.parent.parent.name,
            )
            told = True
        os.close(handle)
        time.sleep(_POLL_SECONDS)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
