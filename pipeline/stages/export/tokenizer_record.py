"""What transformers would do with a saved tokenizer, written down and proven to be done without it.

transformers builds most tokenizers anew when it loads them, from more files than one. So the saved
folder is loaded as transformers loads it, what it arrived at is written down, and both ways are
compared on texts that differ in what tokenizers do with them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError, first_line
from pipeline.records.tokenizer import FILE as RECORD
from pipeline.records.tokenizer import TokenizerRecord
from pipeline.stages.export.exporters import quiet
from pipeline.tokenizer.base import Batch, Pair, TextTokenizer
from pipeline.tokenizer.fast import FastTokenizer, read_file
from pipeline.tokenizer.open import CONFIG, FILE
from pipeline.tokenizer.through_transformers import TransformersTokenizer

_LOG = logging.getLogger(__name__)
OWN_FILE = "fast.json"
LONGEST = 10_000  # ids of a text that is made too long on purpose, to see it cut
# Methods of transformers whose behaviour is written down; a class with its own has its own ways.
FOLLOWED = ("__call__", "_encode_plus", "_convert_encoding", "set_truncation_and_padding",
            "decode", "_decode", "convert_tokens_to_string", "clean_up_tokenization",
            "apply_chat_template", "get_chat_template")  # fmt: skip
TEXTS = (
    "The cat sat on the mat.",
    " Two  spaces,\ttabs and\r\nlines; don't, can't, it's 'quoted' !",
    "ALL CAPITALS, Größe, naïve, ﬁne ½ ① Ｆｕｌｌ",
    "我今天很开心。 これは 한국어 здравствуй مرحبا",
    "def add(a, b): return a + b  # 3.14159 == 22/7",
    "🙂 👩‍👩‍👧 e\u0301 \u00a0\u200b\ufeff",
    "<s> </s> <unk> <pad> [CLS] [SEP] [MASK] <|endoftext|> <|im_start|>",
    "x",
)


def record_tokenizer(folder: Path) -> None:
    """Write down how the tokenizer saved in a folder is used, next to it.

    A tokenizer without transformers' configuration needs none: its file says everything.
    """
    if not (folder / CONFIG).is_file():
        return
    with quiet():
        record = _examined(folder)
    if record.reason:
        _LOG.info("text commands will need transformers to read the tokenizer: %s", record.reason)
    told = json.dumps(record.to_json(), indent=1, ensure_ascii=False)
    (folder / RECORD).write_text(f"{told}\n", encoding="utf-8")


def _examined(folder: Path) -> TokenizerRecord:
    try:
        loaded = TransformersTokenizer.from_folder(folder)
    except Exception as err:  # of any kind: it comes with the checkpoint
        return TokenizerRecord(reason=f"it cannot be loaded alone: {first_line(err)}")
    tokenizer = loaded.tokenizer
    if reason := _own_ways(tokenizer):
        return TokenizerRecord(reason=reason)
    record = _written_down(tokenizer, _file_of(tokenizer, folder))
    fast = FastTokenizer(read_file(folder / record.file), record)
    try:
        different = next(_differences(fast, loaded, record), "")
    except PipelineError as err:
        different = str(err)
    return replace(record, reason=different)


def _own_ways(tokenizer: Any) -> str:
    """Return why a tokenizer is not one that the tokenizers library can stand for."""
    from transformers import PreTrainedTokenizerFast

    name = type(tokenizer).__name__
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        return f"{name} is no tokenizer of the tokenizers library"
    kind, plain = type(tokenizer), PreTrainedTokenizerFast
    own = [m for m in FOLLOWED if getattr(kind, m, None) is not getattr(plain, m, None)]
    if own:
        return f"{name} has its own {', '.join(own)}"
    if isinstance(tokenizer.chat_template, dict) and "default" not in tokenizer.chat_template:
        return "it has several chat templates, and none is the default"
    return ""


def _file_of(tokenizer: Any, folder: Path) -> str:
    """Return the file that holds what transformers built; it is written if there is none yet."""
    backend = tokenizer.backend_tokenizer
    built = _without_state(type(backend).from_str(backend.to_str()))
    if (folder / FILE).is_file() and _without_state(read_file(folder / FILE)) == built:
        return FILE
    backend.save(str(folder / OWN_FILE))
    return OWN_FILE


def _without_state(tokenizer: Any) -> Any:
    """Return a tokenizer's contents without how it happens to pad and cut now."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return json.loads(tokenizer.to_str())


def _written_down(tokenizer: Any, file: str) -> TokenizerRecord:
    """Return what transformers adds to the file of the tokenizers library."""
    from transformers.tokenization_utils_base import LARGE_INTEGER

    cleans = bool(tokenizer.clean_up_tokenization_spaces)
    if type(tokenizer.backend_tokenizer.model).__name__ == "BPE":
        forced = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
        cleans = cleans and bool(getattr(tokenizer, forced, False))
    longest, template = tokenizer.model_max_length, tokenizer.chat_template
    return TokenizerRecord(
        file=file,
        special_tokens={name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        pad_token=tokenizer.pad_token or tokenizer.eos_token,
        pad_type_id=int(tokenizer.pad_token_type_id),
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        max_length=int(longest) if longest <= LARGE_INTEGER else None,
        token_types="token_type_ids" in tokenizer.model_input_names,
        clean_up_spaces=cleans,
        split_special_tokens=bool(tokenizer.split_special_tokens),
        chat_template=template["default"] if isinstance(template, dict) else template,
    )


def _differences(
    fast: FastTokenizer, loaded: TransformersTokenizer, record: TokenizerRecord
) -> Iterator[str]:
    """Yield in words what the two do differently."""
    if (fast.mask_token, fast.mask_id) != (loaded.mask_token, loaded.mask_id):
        yield "its mask is another"
    for text in (*TEXTS, " ".join(record.special_tokens.values())):
        ids = loaded.encode(text)
        if fast.encode(text) != ids:
            yield f"{text!r} gives other ids"
        for special in (False, True):
            if fast.decode(ids, special=special) != loaded.decode(ids, special=special):
                yield f"the ids of {text!r} give another text"
    batches: list[Sequence[str | Pair]] = [TEXTS if record.pad_token else TEXTS[:1]]
    if record.max_length is not None and record.max_length <= LONGEST:
        batches.append(("a b " * record.max_length,))
    pairs = tuple(zip(TEXTS, reversed(TEXTS), strict=True))
    batches.append(pairs if record.pad_token else pairs[:1])
    if record.max_length is not None and record.max_length <= LONGEST:
        batches.append((("a b " * record.max_length, "c d " * record.max_length),))
    for texts in batches:
        if not _same(fast.batch(texts), loaded.batch(texts), record.token_types):
            yield f"a batch with {str(texts[0])[:20]!r} is another"
    if record.chat_template is not None and _said(fast) != _said(loaded):
        yield "a message in its chat template is another"


def _same(one: Batch, other: Batch, types: bool) -> bool:
    """Return whether two batches are equal; segments count where the tokenizer tells them."""
    segments = not types or np.array_equal(_types(one), _types(other))
    return segments and np.array_equal(one.ids, other.ids) and np.array_equal(one.mask, other.mask)


def _types(batch: Batch) -> np.ndarray:
    return np.zeros_like(batch.ids) if batch.types is None else batch.types


def _said(tokenizer: TextTokenizer) -> list[int] | None:
    """Return the ids of a message in the chat template, None where the template refuses it."""
    try:
        return tokenizer.chat("What is 2 < 3?")
    except PipelineError:
        return None
