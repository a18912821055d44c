"""A tokenizer read by the tokenizers library alone, as transformers would have used it.

Nothing that matters changes in it after it was opened, so threads may share one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from pipeline.errors import BadModelError, UsageError, first_line
from pipeline.records.tokenizer import TokenizerRecord
from pipeline.tokenizer.base import Batch, Conversation, Pair, padded
from pipeline.tokenizer.pieces import BEFORE, Pieces, kind_of

# What transformers takes out again of a text that was put together from words, in this order.
CLEAN_UP = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
            (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"))  # fmt: skip


class FastTokenizer:
    """A tokenizer of the tokenizers library under a record.

    Args:
        tokenizer: Belongs to this object from now on.
        record: How it is used.
    """

    def __init__(self, tokenizer: Any, record: TokenizerRecord) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = record.split_special_tokens
        self._tokenizer, self._record = tokenizer, record

    @property
    def mask_token(self) -> str | None:
        """Return what stands for a word to fill in."""
        return self._record.special_tokens.get("mask_token")

    @property
    def mask_id(self) -> int | None:
        """Return the id of `mask_token`."""
        return None if self.mask_token is None else self.id_of(self.mask_token)

    def id_of(self, token: str) -> int | None:
        """Return the id of a token; see `TextTokenizer`."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; see `TextTokenizer`."""
        ids: list[int] = _called(self._tokenizer.encode, text).ids
        return ids

    def batch(self, texts: Sequence[str | Pair]) -> Batch:
        """Return texts padded and cut; see `TextTokenizer`."""
        found, record = [self._cut(text) for text in texts], self._record
        pad = None if record.pad_token is None else self.id_of(record.pad_token)
        if pad is None and len({len(each.ids) for each in found}) > 1:
            raise UsageError(
                "the tokenizer has no padding token, and the texts differ in length",
                fix="give one text at a time",
            )
        left = record.padding_side == "left"
        types = [each.type_ids for each in found] if record.token_types else None
        return Batch(
            padded([each.ids for each in found], pad or 0, left=left),
            padded([[1] * len(each.ids) for each in found], 0, left=left),
            None if types is None else padded(types, record.pad_type_id, left=left),
        )

    def chat(self, conversation: Conversation) -> list[int]:
        """Return the ids of a conversation in the chat template; see `TextTokenizer`."""
        from pipeline.tokenizer.chat import render_chat

        record = self._record
        rendered = render_chat(record.chat_template, conversation, record.special_tokens)
        ids: list[int] = _called(self._tokenizer.encode, rendered, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """Return the text of ids; see `TextTokenizer`."""
        text: str = _called(
            self._tokenizer.decode, [int(i) for i in ids], skip_special_tokens=not special
        )
        if self._record.clean_up_spaces:
            for spaced, plain in CLEAN_UP:
                text = text.replace(spaced, plain)
        return text

    def bytes_of(self, token: int) -> bytes:
        """Return what a token adds to a text; see `TextTokenizer`."""
        return self._pieces.bytes_of(token)

    @cached_property
    def _pairs(self) -> Any:
        """The tokenizer for pairs, which cuts them itself."""
        record, made = self._record, Tokenizer.from_str(self._tokenizer.to_str())
        made.encode_special_tokens = record.split_special_tokens
        if record.max_length is not None:
            made.enable_truncation(
                record.max_length, strategy="longest_first", direction=record.truncation_side
            )
        return made

    @cached_property
    def _pieces(self) -> Pieces:
        before = _called(self._tokenizer.encode, BEFORE, add_special_tokens=False).tokens
        kind = kind_of(self._tokenizer.decoder)
        return Pieces(self._tokenizer.id_to_token, self._joined, before, kind)

    def _joined(self, tokens: list[str]) -> str:
        decoder = self._tokenizer.decoder
        return " ".join(tokens) if decoder is None else str(decoder.decode(tokens))

    def _cut(self, text: str | Pair) -> Any:
        if not isinstance(text, str):
            return _called(self._pairs.encode, *text)
        encoded, longest = _called(self._tokenizer.encode, text), self._record.max_length
        if longest is None or len(encoded.ids) <= longest:
            return encoded
        bare = _called(self._tokenizer.encode, text, add_special_tokens=False)
        room = longest - self._tokenizer.num_special_tokens_to_add(False)
        bare.truncate(room, direction=self._record.truncation_side)
        return self._tokenizer.post_process(bare)


def _called(function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """Return what the library returns.

    Raises:
        BadModelError: it gives up: a pattern without end, a vocabulary without its own words. The
            library panics (which is no Exception to Python) or raises plain Exception.
    """
    try:
        return function(*given, **options)
    except BaseException as err:
        if type(err) is not Exception and type(err).__name__ != "PanicException":
            raise
        raise BadModelError(
            f"the tokenizer gives up on this text: {first_line(err)}",
            fix="another text; if none passes, the tokenizer's file is at fault",
        ) from err


def read_file(path: Path) -> Any:
    """Return the tokenizer in a file of the tokenizers library.

    Raises:
        BadModelError: It cannot be read.
    """
    try:
        return Tokenizer.from_file(str(path))
    except Exception as err:  # the library raises plain Exception
        raise BadModelError(
            f"the tokenizer cannot be read: {err}", where=str(path), fix="export the model again"
        ) from err
