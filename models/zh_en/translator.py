"""Chinese text in, English text out, on the PyTorch model itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from models.presets import PRESETS
from models.transformer import Transformer, beam_search
from models.zh_en import FOLDER
from models.zh_en.tokenizer import SentenceTokenizer


class Translator:
    """The trained model and its tokenizer.

    Example:
        >>> Translator.from_folder().translate(["我今天很开心"])
        ["I'm happy today"]
    """

    def __init__(self, model: Transformer, tokenizer: SentenceTokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def from_folder(cls, folder: Path = FOLDER) -> Translator:
        """Return the translator whose files lie in the folder.

        Raises:
            ModelError: A file is missing or unreadable.
        """
        model = PRESETS["zh-en"].build(checkpoint=folder)
        assert isinstance(model, Transformer)
        return cls(model, SentenceTokenizer.from_folder(folder))

    def translate(self, texts: Sequence[str], beams: int = 1, batch: int = 128) -> list[str]:
        """Return the English of each text; texts of like length are translated together."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found = [""] * len(texts)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            ids, mask = self.tokenizer.encode([texts[at] for at in rows])
            out = beam_search(self.model, torch.tensor(ids), torch.tensor(mask), beams, limit=48)
            for at, tokens in zip(rows, out.tolist(), strict=True):
                found[at] = self.tokenizer.decode(tokens)
        return found
