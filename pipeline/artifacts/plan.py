"""Asking what a stage would do, without doing it: `pipeline run --dry-run`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_PLANNING: ContextVar[bool] = ContextVar("planning", default=False)


class WouldMake(Exception):
    """Raised in place of work while planning.

    Attributes:
        stage: The stage that is not current.
        reasons: One line per ingredient that changed, or what is missing.
    """

    def __init__(self, stage: str, reasons: list[str]) -> None:
        self.stage, self.reasons = stage, reasons
        super().__init__(f"{stage}: {'; '.join(reasons)}")


@contextlib.contextmanager
def planning() -> Iterator[None]:
    """Make `run_stage` answer, in this context, with the current artifact or `WouldMake`.

    Nothing is written, claimed or locked. A context variable rather than a parameter, since the
    question passes through every stage function and changes none of their results.
    """
    token = _PLANNING.set(True)
    try:
        yield
    finally:
        _PLANNING.reset(token)


def is_planning() -> bool:
    """Return whether work is to be named instead of done."""
    return _PLANNING.get()
