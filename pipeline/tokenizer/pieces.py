"""What each token adds to a text, in bytes: a token may be a part of a character.

Bytes are compared where text is looked for in tokens as they come, for strings that end an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

BEFORE = "abcdef"  # stands before a token: the first of a text may lose its space
NEVER = b"\xff"  # no part of any text in UTF-8
BYTE_LEVEL, BYTE_FALLBACK = "ByteLevel", "ByteFallback"


class Pieces:
    """The bytes of tokens, found out once each.

    Args:
        token_of: Returns the token of an id, None where there is none.
        joined: Returns the text of tokens.
        before: The tokens of `BEFORE`.
        kind: How tokens that are single bytes are written: `BYTE_LEVEL`, `BYTE_FALLBACK` or "".
    """

    def __init__(
        self,
        token_of: Callable[[int], str | None],
        joined: Callable[[list[str]], str],
        before: list[str],
        kind: str,
    ) -> None:
        self._token_of, self._joined, self._before, self._kind = token_of, joined, before, kind
        self._known: dict[int, bytes] = {}

    def bytes_of(self, token: int) -> bytes:
        """Return what a token adds to a text; for an id without a token what no text holds."""
        if token not in self._known:
            text = self._token_of(token)
            self._known[token] = NEVER if text is None else self._bytes_of(text)
        return self._known[token]

    def _bytes_of(self, token: str) -> bytes:
        if self._kind == BYTE_LEVEL and all(c in _byte_level() for c in token):
            return bytes(_byte_level()[c] for c in token)
        if self._kind == BYTE_FALLBACK and (found := re.fullmatch("<0x([0-9a-fA-F]{2})>", token)):
            return bytes.fromhex(found[1])
        _, found_before, after = self._joined([*self._before, token]).partition(BEFORE)
        return (after if found_before else self._joined([token])).encode()


def kind_of(decoder: Any) -> str:
    """Return how a decoder of the tokenizers library writes tokens that are single bytes."""
    kinds = set() if decoder is None else set(_types(json.loads(decoder.__getstate__())))
    return next((kind for kind in (BYTE_FALLBACK, BYTE_LEVEL) if kind in kinds), "")


def _types(decoder: Any) -> Iterator[str]:
    """Yield the types of a decoder's JSON form and of those inside it."""
    if isinstance(decoder, dict):
        if isinstance(decoder.get("type"), str):
            yield decoder["type"]
        decoder = list(decoder.values())
    if isinstance(decoder, list):
        for inner in decoder:
            yield from _types(inner)


@cache
def _byte_level() -> dict[str, int]:
    """Return the bytes that characters stand for in a byte-level vocabulary: GPT-2's table."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(b): b for b in shown} | {chr(256 + n): b for n, b in enumerate(hidden)}
