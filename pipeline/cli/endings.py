"""What ends a command and is no bug of ours, by what was raised: memory, the system, a library."""

from __future__ import annotations

import errno
import os
import traceback

from pipeline.cli.child import CHILD
from pipeline.errors import (
    BadModelError,
    EnvironmentMissingError,
    FolderError,
    PipelineError,
    UsageError,
    first_line,
    lacks_memory,
)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)
_NO_PLACE = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR,
             errno.EISDIR, errno.EINVAL, errno.EIO)  # fmt: skip


def explained(error: BaseException) -> PipelineError | None:
    """Return the error for what a command ended with, None if it is a bug of ours."""
    if isinstance(error, PipelineError) and error.exit_code != BadModelError.exit_code:
        return error
    if lacks_memory(error):
        return _memory(error)  # also where a model was blamed that has no fault
    if isinstance(error, PipelineError):
        return error
    if type(error).__name__ == "PanicException":  # of libraries in Rust; no Exception to Python
        return BadModelError(
            f"a library gave up on what the file asks for: {first_line(error)}",
            fix="a tokenizer with another pattern, or a shorter text; the file is at fault",
        )
    if isinstance(error, SystemExit):  # click raises its own kind: code that is not ours ended us
        return _foreign_exit(error)
    if isinstance(error, UnicodeError):
        return _text(error)
    return _system(error) if isinstance(error, OSError) else None


def _memory(error: BaseException) -> PipelineError:
    said = first_line(error) if str(error) else "the system gave none"
    where, fix = getattr(error, "where", ""), "use smaller sizes, or a machine with more memory"
    if CHILD in os.environ:
        return BadModelError(
            f"there is not enough memory for what the file asks: {said}",
            where=where,
            fix=f"{fix}, if the file is one that you trust",
        )
    return EnvironmentMissingError(f"there is not enough memory: {said}", where=where, fix=fix)


def _foreign_exit(error: SystemExit) -> PipelineError:
    """Return the error for a sys.exit in code of a model or a library, with its place."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return BadModelError(
        f"code that is not ours called sys.exit({error.code!r})",
        where=f"{last.filename}, line {last.lineno}, in {last.name}: {last.line}",
        fix="let it raise an error, or return",
    )


def _text(error: UnicodeError) -> PipelineError | None:
    """Return the error for bytes of another encoding; None for another kind of error."""
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        what = f"byte {byte:#04x} at {error.start} is not text in {error.encoding}"
    elif isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        what = "a text holds bytes that are not UTF-8"
    else:
        return None
    return UsageError(what, fix="give text in UTF-8: `iconv -f LATIN1 -t UTF-8` and the like")


def _system(error: OSError) -> PipelineError | None:
    name = error.filename if isinstance(error.filename, str) else ""
    said = error.strerror or str(error)
    where = name if len(name) <= 200 else f"{name[:150]}... ({len(name)} characters)"
    if error.errno in _NO_ROOM:
        return FolderError(f"writing failed: {said}", where=where, fix="free space there")
    if error.errno in _TOO_MANY:
        return EnvironmentMissingError(
            f"no more files can be opened: {said}",
            where=where,
            fix="raise the limit: `ulimit -n 1024`",
        )
    if error.errno in _NO_PLACE:
        return UsageError(
            f"the system refuses a name: {said}", where=where, fix="name another file or folder"
        )
    return None
