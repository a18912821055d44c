"""The sentencepiece tokenizer of llama2 and Baichuan2 folders, without remote code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.errors import ModelError


class SentencePieceTokenizer:
    """Text to ids and back by a folder's tokenizer.model.

    Attributes:
        bos_id: Put before a text where `add_bos` says so (llama2 does, Baichuan2 does not).
        eos_id: Ends a generated text.
    """

    def __init__(self, processor: Any, add_bos: bool) -> None:
        self.processor, self.add_bos = processor, add_bos
        self.bos_id, self.eos_id = int(processor.bos_id()), int(processor.eos_id())

    @classmethod
    def from_folder(cls, folder: Path, add_bos: bool) -> SentencePieceTokenizer:
        """Return the tokenizer of folder/tokenizer.model.

        Raises:
            ModelError: The file is missing or is no sentencepiece model.
        """
        import sentencepiece

        path = folder / "tokenizer.model"
        if not path.is_file():
            raise ModelError(
                "tokenizer.model is missing",
                where=str(folder),
                fix="copy it from where the weights come from",
            )
        try:
            processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError) as error:
            raise ModelError(
                f"tokenizer.model cannot be read: {error}", where=str(path), fix="download it again"
            ) from error
        return cls(processor, add_bos)

    def encode(self, text: str) -> list[int]:
        """Return the ids of the text."""
        ids = [int(i) for i in self.processor.encode(text)]
        return [self.bos_id, *ids] if self.add_bos else ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, control tokens left out."""
        return str(self.processor.decode([i for i in ids if not self.processor.is_control(i)]))
