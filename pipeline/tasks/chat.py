"""A conversation from what the options say: a system prompt, earlier turns, the user's text."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.received_json import parse_json
from pipeline.tasks.options import GenerateOptions

ROLES = ("system", "user", "assistant")
_SHAPE = 'a JSON list of {"role": "user", "content": "..."}'


def conversation(options: GenerateOptions, text: str) -> list[dict[str, str]]:
    """Return the messages that end with a text of the user's.

    Raises:
        UsageError: The file of earlier turns cannot be read, or holds something else.
    """
    earlier = turns(options.history) if options.history is not None else []
    if options.system and earlier and earlier[0]["role"] == "system":
        raise UsageError(
            "--system, and the turns begin with a system prompt of their own",
            where=str(options.history),
            fix="leave one of them out",
        )
    first = [{"role": "system", "content": options.system}] if options.system else []
    return [*first, *earlier, {"role": "user", "content": text}]


def turns(path: Path) -> list[dict[str, str]]:
    """Return the messages in a file.

    Raises:
        UsageError: It cannot be read, or holds something else.
    """
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"no turns can be read: {error}", where=str(path), fix=_SHAPE) from error
    if not isinstance(found, list) or not all(map(_is_message, found)):
        raise UsageError(
            f"turns have a role ({', '.join(ROLES)}) and a content, both texts, and nothing else",
            where=str(path),
            fix=_SHAPE,
        )
    return [dict(message) for message in found]


def _is_message(found: object) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() == {"role", "content"}
        and found["role"] in ROLES
        and isinstance(found["content"], str)
    )
