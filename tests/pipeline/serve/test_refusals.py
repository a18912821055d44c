"""Errors become answers with the right status; a bug of ours tells nothing of its insides."""

from __future__ import annotations

import pytest

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.serve.generator import QueueFullError
from pipeline.serve.refusals import RefusedError, refusal_of


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UsageError("too long"), 400, "invalid_request_error"),
        (BadModelError("not finite"), 500, "server_error"),
        (EnvironmentMissingError("no GPU"), 500, "server_error"),
        (QueueFullError(), 429, "rate_limit_error"),
        (RefusedError(418, "tea"), 418, "invalid_request_error"),
        (ZeroDivisionError("secret"), 500, "server_error"),
    ],
)
def test_every_error_has_its_status(error, status, kind):
    refusal = refusal_of(error)
    assert (refusal.status, refusal.body["error"]["type"]) == (status, kind)
    assert "secret" not in refusal.body["error"]["message"]


def test_whoever_is_sent_away_hears_when_to_come_back():
    assert int(refusal_of(QueueFullError()).headers["Retry-After"]) >= 1
