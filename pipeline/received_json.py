"""JSON that came from somebody else, read so that whatever is wrong with it is a ValueError."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return what `json.loads` returns.

    Raises:
        ValueError: it is no JSON, no text in UTF-8, or nested deeper than Python can read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested deeper than anything this tool writes") from error
