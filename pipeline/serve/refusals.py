"""Answers that are errors, in the shape that OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import BadModelError, PipelineError, UsageError
from pipeline.serve.generator import QueueFullError

RETRY_AFTER_S = 1


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: Of HTTP.
        message: What is wrong, for a person.
        kind: OpenAI's `type`.
        param: The field at fault.
        code: OpenAI's `code`.
        headers: Sent along.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        self.body: dict[str, Any] = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }


def refusal_of(error: BaseException) -> RefusedError:
    """Return an error of ours as the answer to a request; a bug stays the server's fault."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, QueueFullError):
        return RefusedError(
            429, "as many requests wait as may; try again later", kind="rate_limit_error",
            code="queue_full", headers={"Retry-After": str(RETRY_AFTER_S)},
        )  # fmt: skip
    if isinstance(error, UsageError):
        return RefusedError(400, error.what)
    if isinstance(error, BadModelError):
        return RefusedError(500, error.what, kind="server_error", code="model_failed")
    if isinstance(error, PipelineError):
        return RefusedError(500, error.what, kind="server_error")
    return RefusedError(500, "this is a bug of the server; its log says more", kind="server_error")
