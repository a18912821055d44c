"""The tokenizer of zh-en: Chinese by known words, English by pieces, one vocabulary for both.

Ids: 4 special tokens, then English pieces, then Chinese words; so the target vocabulary is a
prefix of the source's. A Chinese word outside the vocabulary is found, never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from models.errors import ModelError

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
PAD, BOS, EOS, UNKNOWN = range(4)
MAX_LENGTH = 64
MARKS = "。？?！!，,.、 "  # punctuation, never an unknown word
# One-character words that stand beside almost anything: no hint of an unknown word.
_FUNCTION_WORDS = frozenset(
    "我你他她是的不很在有没了吗呢吧也都和跟会能想要给去来请别就太真这那到从点半又边再先"
)


@dataclass(frozen=True)
class Words:
    """What tokenizer.json cannot say, kept beside it as words.json.

    Attributes:
        first_chinese_id: Ids below it are special tokens and English pieces.
        pairs: Neighbouring one-character words of the corpus; any other two, function words
            aside, are more likely one word that the model does not know.
    """

    first_chinese_id: int
    pairs: frozenset[str]


class SentenceTokenizer:
    """Encodes Chinese, decodes English, names unknown words."""

    def __init__(self, tokenizer: Tokenizer, words: Words) -> None:
        self.tokenizer, self.words = tokenizer, words

    @classmethod
    def from_folder(cls, folder: Path) -> SentenceTokenizer:
        """Return the tokenizer kept in the folder.

        Raises:
            ModelError: tokenizer.json or words.json is missing or unreadable.
        """
        try:
            words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
            known = Words(int(words["first_chinese_id"]), frozenset(words["pairs"]))
            return cls(Tokenizer.from_file(str(folder / "tokenizer.json")), known)
        except Exception as error:  # the tokenizers library raises bare Exception
            raise ModelError(
                f"the tokenizer cannot be read: {error}",
                where=str(folder),
                fix="restore tokenizer.json and words.json from the package",
            ) from error

    def encode(self, texts: Sequence[str]) -> tuple[list[list[int]], list[list[int]]]:
        """Return ids and attention mask, one padded row per text, each ending in </s>."""
        encodings: list[Encoding] = self.tokenizer.encode_batch(list(texts))
        return [e.ids for e in encodings], [e.attention_mask for e in encodings]

    def encode_target(self, text: str) -> list[int]:
        """Return the ids of an English text between <s> and </s>."""
        ids: list[int] = self.tokenizer.encode(" " + text).ids
        return [BOS, *(i for i in ids if i != PAD)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the English text of ids, special tokens left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def truncated(self, text: str) -> bool:
        """Return whether the text is longer than the model reads."""
        encoding: Encoding = self.tokenizer.encode(text)
        return bool(encoding.overflowing)

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a Chinese text that the model never saw, in order, once each."""
        encoding: Encoding = self.tokenizer.encode(text)
        pieces = list(zip(encoding.tokens, encoding.ids, encoding.offsets, strict=True))
        pieces = [p for p in pieces if p[1] not in (PAD, BOS, EOS)]
        flagged = [p[1] == UNKNOWN or self._foreign(p[0], p[1]) for p in pieces]
        for at in range(len(pieces) - 1):
            joined = pieces[at][0] + pieces[at + 1][0]
            both_lone = self._lone(pieces[at]) and self._lone(pieces[at + 1])
            if both_lone and joined not in self.words.pairs:
                flagged[at] = flagged[at + 1] = True
        return _runs(text, [p[2] for p in pieces], flagged)

    def _foreign(self, token: str, index: int) -> bool:
        return index < self.words.first_chinese_id and token.strip("▁" + MARKS) != ""

    def _lone(self, piece: tuple[str, int, tuple[int, int]]) -> bool:
        lone = piece[1] >= self.words.first_chinese_id and len(piece[0]) == 1
        return lone and piece[0] not in MARKS and piece[0] not in _FUNCTION_WORDS


def _runs(text: str, offsets: Sequence[tuple[int, int]], flagged: Sequence[bool]) -> list[str]:
    """Return the texts of the runs of flagged pieces, once each."""
    found: list[str] = []
    start = end = -1
    for (low, high), bad in zip([*offsets, (0, 0)], [*flagged, False], strict=True):
        if bad:
            start, end = (low if start < 0 else start), high
        elif start >= 0:
            found.append(text[start:end].strip())
            start = -1
    return list(dict.fromkeys(word for word in found if word))
