"""What ends a command from outside is told as what it is; a bug of ours is not."""

import errno

import pytest

from pipeline.cli import child
from pipeline.cli.endings import explained
from pipeline.errors import BadModelError, BuildError, PipelineError

ONE_DNN = RuntimeError("could not create a primitive")
PanicException = type("PanicException", (BaseException,), {})


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError(), 3, "not enough memory: the system gave none"),
        (ONE_DNN, 3, "not enough memory"),
        (caused(BadModelError("PyTorch cannot run it"), ONE_DNN), 3, "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 3, "not enough memory"),
        (caused(BuildError("fell"), ONE_DNN), 4, "fell"),
        (BadModelError("bad"), 2, "bad"),
        (PanicException("retry-limit-in-match over"), 2, "retry-limit-in-match over"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "n" * 300), 2, "too long"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "writing failed"),
        (OSError(errno.EMFILE, "Too many open files"), 3, "Too many open files"),
        (UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid"), 2, "byte 0xff at 1"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), 2, "not UTF-8"),
    ],
)
def test_endings(error, code, says):
    found = explained(error)
    assert isinstance(found, PipelineError)
    assert (found.exit_code, says in str(found)) == (code, True), found
    assert len(found.where) < 250


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError(errno.EBADF, "Bad file descriptor"),
     UnicodeEncodeError("ascii", "x", 0, 1, "ordinal not in range")],
)  # fmt: skip
def test_a_bug_is_a_bug(error):
    assert explained(error) is None


def test_what_a_file_asks_for_is_the_files_fault(monkeypatch):
    monkeypatch.setenv(child.CHILD, "1")
    assert explained(MemoryError()).exit_code == 2
