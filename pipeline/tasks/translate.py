"""Translating with an encoder and a decoder; words the model never saw are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.errors import BadModelError
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.source import TextSource
from pipeline.tasks.text import Generation, generate_rows
from pipeline.types import SILENT, Progress

TASKS = ("translation", "text2text-generation")


def translate_texts(options: GenerateOptions, progress: Progress = SILENT) -> Generation:
    """Return the translation of every text.

    Words outside the vocabulary are named in the notes: what stands for them is a guess.

    Raises:
        UsageError: The model does not translate, or a text is too long.
        EnvironmentMissingError: The runner's runtime or GPU is absent.
    """
    progress.step("loading")
    with TextSource(options, TASKS) as source:
        if (source.tokenizer_folder / "words.json").is_file():
            tokenizer, notes = _sentences(source, options.texts)
            rows = [_row(tokenizer, text) for text in options.texts]
        else:
            tokenizer, notes = source.tokenizer(), []
            rows = [list(tokenizer(text)["input_ids"]) for text in options.texts]
        special = source.exported.generation
        if special is not None and special.max_length is not None:
            most = special.max_length - 1
            options = replace(options, max_new_tokens=min(options.max_new_tokens, most))
        made = generate_rows(source, options, tokenizer, rows)
    return replace(made, texts=tuple(text.strip() for text in made.texts), notes=tuple(notes))


def _row(tokenizer: Any, text: str) -> list[int]:
    (ids,), (mask,) = tokenizer.encode([text])
    return [token for token, real in zip(ids, mask, strict=True) if real]


def _sentences(source: TextSource, texts: tuple[str, ...]) -> tuple[Any, list[str]]:
    """Return zh-en's own tokenizer, and a warning for each text it cannot fully read."""
    from models.errors import ModelError
    from models.zh_en.tokenizer import SentenceTokenizer

    try:
        tokenizer = SentenceTokenizer.from_folder(source.tokenizer_folder)
    except ModelError as error:
        raise BadModelError(str(error), where=str(source.tokenizer_folder)) from error
    notes = []
    for text in texts:
        if words := tokenizer.unknown_words(text):
            notes.append(f"not in the vocabulary, so guessed: {', '.join(words)} (in: {text})")
        if tokenizer.truncated(text):
            notes.append(f"longer than the model reads, so cut: {text[:40]}...")
    return _Decoding(tokenizer), notes


class _Decoding:
    """zh-en's tokenizer with the decode signature transformers' tokenizers have."""

    def __init__(self, tokenizer: Any) -> None:
        self.encode = tokenizer.encode
        self._decode = tokenizer.decode

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        """Return the text of ids."""
        return str(self._decode([int(i) for i in ids]))
