"""What the export says about a tokenizer, so that texts are read without transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from pipeline.records.record import Place, Record

FILE = "reading.json"  # in the tokenizer's folder
Side: TypeAlias = Literal["left", "right"]


@dataclass(frozen=True, kw_only=True)
class TokenizerRecord(Record):
    """How texts become ids and ids texts.

    Attributes:
        file: Of the tokenizers library, in the tokenizer's folder.
        special_tokens: By the names that templates know them by, such as `bos_token`.
        pad_token: Fills up the shorter texts of a batch; None where there is none.
        pad_type_id: Their segment there.
        padding_side: Where they are filled up.
        truncation_side: Where a text that is too long is cut.
        max_length: Most ids of one text, special tokens included; None without a limit.
        token_types: Whether it tells the segment of each token.
        clean_up_spaces: Whether the spaces that parting words left are taken out again.
        split_special_tokens: Whether special tokens that stand in a text are ordinary text.
        chat_template: None where there is none.
        reason: Why only transformers reads this tokenizer; empty where that is not so.
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "export"

    file: Place = "tokenizer.json"
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    pad_token: str | None = None
    pad_type_id: int = 0
    padding_side: Side = "right"
    truncation_side: Side = "right"
    max_length: int | None = None
    token_types: bool = False
    clean_up_spaces: bool = False
    split_special_tokens: bool = False
    chat_template: str | None = None
    reason: str = ""
