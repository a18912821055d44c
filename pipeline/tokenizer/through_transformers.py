"""Tokenizers that only transformers reads: written in Python, or with ways of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.tokenizer.base import Batch, Conversation, Pair, messages_of
from pipeline.tokenizer.pieces import BEFORE, Pieces, kind_of


class TransformersTokenizer:
    """A tokenizer of transformers as a `TextTokenizer`.

    Args:
        tokenizer: Of transformers, of any kind.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def from_folder(cls, folder: Path) -> TransformersTokenizer:
        """Return the tokenizer kept in a folder; code that lies there is not run."""
        from transformers import AutoTokenizer

        return cls(AutoTokenizer.from_pretrained(folder, local_files_only=True))

    @property
    def mask_token(self) -> str | None:
        """Return what stands for a word to fill in."""
        found: str | None = self.tokenizer.mask_token
        return found

    @property
    def mask_id(self) -> int | None:
        """Return the id of `mask_token`."""
        found: int | None = self.tokenizer.mask_token_id
        return found

    def id_of(self, token: str) -> int | None:
        """Return the id of a token; see `TextTokenizer`."""
        found: int | None = self.tokenizer.get_vocab().get(token)
        return found

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; see `TextTokenizer`."""
        return list(self.tokenizer(text)["input_ids"])

    def batch(self, texts: Sequence[str | Pair]) -> Batch:
        """Return texts padded and cut; see `TextTokenizer`."""
        tokenizer = self.tokenizer
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        pads = tokenizer.pad_token is not None
        pairs = [(text, None) if isinstance(text, str) else text for text in texts]
        seconds = [second for _, second in pairs if second is not None]
        if seconds and len(seconds) < len(pairs):
            raise UsageError("texts and pairs of texts share no batch")
        firsts = [first for first, _ in pairs]
        made = tokenizer(firsts, seconds or None, padding=pads, truncation=True)
        if len({len(row) for row in made["input_ids"]}) > 1:
            raise UsageError(
                "the tokenizer has no padding token, and the texts differ in length",
                fix="give one text at a time",
            )
        ids = np.array(made["input_ids"], np.int64)
        mask = np.array(made.get("attention_mask", np.ones_like(ids)), np.int64)
        types = made.get("token_type_ids")
        return Batch(ids, mask, None if types is None else np.array(types, np.int64))

    def chat(self, conversation: Conversation) -> list[int]:
        """Return the ids of a conversation in the chat template; see `TextTokenizer`."""
        if not self.tokenizer.chat_template:
            raise UsageError("the tokenizer has no chat template", fix="leave --chat out")
        from jinja2 import TemplateError

        from pipeline.tokenizer.chat import template_failed

        try:
            rendered = self.tokenizer.apply_chat_template(
                messages_of(conversation), add_generation_prompt=True, tokenize=False
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError) as err:
            raise template_failed(err) from err
        return list(self.tokenizer(rendered, add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """Return the text of ids; see `TextTokenizer`."""
        return str(self.tokenizer.decode([int(i) for i in ids], skip_special_tokens=not special))

    def bytes_of(self, token: int) -> bytes:
        """Return what a token adds to a text; see `TextTokenizer`."""
        return self._pieces.bytes_of(token)

    @cached_property
    def _pieces(self) -> Pieces:
        tokenizer = self.tokenizer
        before = tokenizer.convert_ids_to_tokens(
            tokenizer(BEFORE, add_special_tokens=False)["input_ids"]
        )
        backend = getattr(tokenizer, "backend_tokenizer", None)
        kind = kind_of(getattr(backend, "decoder", None))
        size = len(tokenizer)

        def token_of(index: int) -> str | None:
            return str(tokenizer.convert_ids_to_tokens(index)) if 0 <= index < size else None

        return Pieces(token_of, tokenizer.convert_tokens_to_string, before, kind)
