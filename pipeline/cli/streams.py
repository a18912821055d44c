"""Standard input, output and errors as every command can use them, however it was started."""

from __future__ import annotations

import os
import sys

_STANDARD = 2  # the highest of their descriptors


def make_usable() -> None:
    """Open what was closed as the null device, and let no character be one too many to print.

    With descriptor 2 closed, the next file that is opened gets it, and whatever a library writes
    to its standard error lands in that file.
    """
    taken = os.open(os.devnull, os.O_RDWR)
    while taken <= _STANDARD:
        taken = os.open(os.devnull, os.O_RDWR)
    os.close(taken)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - lives as long as the process
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(number, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
