"""The shape every tokenizer has, and what it gives for a batch of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

Pair: TypeAlias = tuple[str, str]  # two texts that a model reads together
Conversation: TypeAlias = str | Sequence[Mapping[str, str]]  # what the user says, or messages


@dataclass(frozen=True)
class Batch:
    """Texts of one batch, padded to the longest.

    Attributes:
        ids: [B, S], int64.
        mask: [B, S], 1 where a token is real.
        types: [B, S], the segment of each token; None for a tokenizer that tells none.
    """

    ids: np.ndarray
    mask: np.ndarray
    types: np.ndarray | None = None


def padded(rows: Sequence[Sequence[int]], filling: int, *, left: bool) -> np.ndarray:
    """Return rows of ids as one array [B, S] of int64, the shorter ones filled up."""
    width = max(1, *(len(row) for row in rows))
    made = np.full((len(rows), width), filling, np.int64)
    for place, row in enumerate(rows):
        start = width - len(row) if left else 0
        made[place, start : start + len(row)] = row
    return made


def messages_of(conversation: Conversation) -> list[dict[str, str]]:
    """Return the messages of a conversation, of which a text alone is the user's only one."""
    if isinstance(conversation, str):
        return [{"role": "user", "content": conversation}]
    return [dict(message) for message in conversation]


class TextTokenizer(Protocol):
    """Turns texts into ids and back."""

    @property
    def mask_token(self) -> str | None:
        """Return what stands for a word to fill in, None where there is no such token."""

    @property
    def mask_id(self) -> int | None:
        """Return the id of `mask_token`."""

    def id_of(self, token: str) -> int | None:
        """Return the id of a token, None where there is none."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, with the special tokens that belong around it."""

    def batch(self, texts: Sequence[str | Pair]) -> Batch:
        """Return texts as an encoder takes them, cut to the longest it reads.

        Of a pair that is too long, the longer text is cut first.

        Raises:
            UsageError: the texts differ in length, and no token fills up the shorter ones.
        """

    def chat(self, conversation: Conversation) -> list[int]:
        """Return the ids of a conversation in the chat template, up to where the answer begins.

        Args:
            conversation: What the user says, or messages with `role` and `content`.

        Raises:
            UsageError: there is no template.
            BadModelError: the template cannot be filled in.
        """

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """Return the text of ids.

        Args:
            ids: Of the vocabulary.
            special: Whether to show special tokens.
        """

    def bytes_of(self, token: int) -> bytes:
        """Return what a token adds to a text in UTF-8; it may be a part of a character."""
