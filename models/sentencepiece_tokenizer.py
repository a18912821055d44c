"""The sentencepiece tokenizer of llama2 and Baichuan2 folders, without remote code."""

from __future__ import annotations

import shutil
import tempfile
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


def save_fast(folder: Path, target: Path, add_bos: bool) -> None:
    """Write folder/tokenizer.model into `target` as files any transformers version reads.

    Raises:
        ModelError: The file is missing, or the converted tokenizer reads text differently.
    """
    from transformers import LlamaTokenizer

    plain = SentencePieceTokenizer.from_folder(folder, add_bos)
    spaced = str(plain.processor.encode("a", out_type=str)[0]).startswith("\u2581")
    with tempfile.TemporaryDirectory() as alone:  # beside a config that names remote code
        shutil.copyfile(folder / "tokenizer.model", Path(alone) / "tokenizer.model")
        fast = LlamaTokenizer.from_pretrained(
            alone, add_prefix_space=spaced, add_bos_token=add_bos, local_files_only=True
        )
    for text in ("Hello, world 123.", "今天天气很好。"):
        found, wanted = fast(text)["input_ids"], plain.encode(text)
        if plain.processor.unk_id() not in wanted and found != wanted:
            raise ModelError(
                f"tokenizer.model would read {text!r} as {found[:8]} instead of its own ids",
                where=str(folder),
                fix="give the folder a tokenizer.json as well",
            )
    fast.save_pretrained(target)
