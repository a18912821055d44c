"""Continuing prompts, and answering sources with an encoder and a decoder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import StoppingCriteriaList, StopStringCriteria

from pipeline.errors import UsageError
from pipeline.records.export import GenerationSpec
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.kv_cache import PAST
from pipeline.tasks.adapter import RunnerForGeneration
from pipeline.tasks.clock import Sink, TokenClock
from pipeline.tasks.one_beam import one_beam
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.room import fitted, room_of
from pipeline.tasks.source import TextSource
from pipeline.types import SILENT, Json, Progress


@dataclass(frozen=True)
class Generation:
    """Answers, and what making them took.

    Attributes:
        texts: One answer per prompt.
        tokens: Their ids, the end mark left out.
        variant: What ran: an artifact's stage, or PyTorch.
        first_token_s: Seconds to the first token of the batch.
        seconds: Seconds in all, after loading.
        notes: Warnings, such as truncation.
    """

    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    variant: str
    first_token_s: float
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def tokens_per_s(self) -> float:
        """New tokens per second after the first, over all rows."""
        rest = sum(len(row) for row in self.tokens) - len(self.tokens)
        left = self.seconds - self.first_token_s
        return rest / left if rest > 0 and left > 0 else 0.0

    def json(self) -> dict[str, Json]:
        """Return the generation as plain data."""
        return {
            "texts": list(self.texts),
            "tokens": [list(row) for row in self.tokens],
            "variant": self.variant,
            "first_token_s": self.first_token_s,
            "seconds": self.seconds,
            "tokens_per_s": self.tokens_per_s,
            "notes": list(self.notes),
        }


def generate_texts(
    options: GenerateOptions, progress: Progress = SILENT, stream: Sink | None = None
) -> Generation:
    """Return an answer to every prompt, from transformers' generation over the chosen runner.

    Args:
        options: Folder, prompts, runner and how to choose tokens.
        progress: Told what is loading.
        stream: Given the text of a single greedy or sampled answer as it appears.

    Raises:
        UsageError: The model generates no text, has no tokenizer, or a prompt is too long.
        EnvironmentMissingError: The runner's runtime or GPU is absent.
    """
    progress.step("loading")
    tasks = ("text-generation", "text2text-generation", "translation")
    with TextSource(options, tasks, huge_pages=options.huge_pages) as source:
        tokenizer = source.tokenizer()
        rows = [_prompt(tokenizer, text, options.chat) for text in options.texts]
        return generate_rows(source, options, tokenizer, rows, stream)


def generate_rows(
    source: TextSource,
    options: GenerateOptions,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    stream: Sink | None = None,
) -> Generation:
    """Return answers for prompts given as ids, with an open source."""
    special = source.exported.generation or GenerationSpec()
    part = "decoder" if "decoder" in source.parts else next(iter(source.parts))
    inputs = source.inputs(part)
    _check_cache(source, inputs)
    model: Any = RunnerForGeneration(source.parts, inputs, special)
    _check_rows(rows)
    room, has_encoder = room_of(special, model.capacity), model.encoding is not None
    options, notes = fitted(options, rows, room, has_encoder=has_encoder)
    pad = _padding(special)
    ids, mask = padded(rows, pad, left=not has_encoder)
    arguments = _arguments(options, tokenizer, pad)
    clock = TokenClock(tokenizer if stream is not None and len(rows) == 1 else None, stream)
    started = time.perf_counter()
    if model.encoding is not None:
        arguments["encoder_outputs"] = model.encode(ids, mask)
        ids_given = None
    else:
        ids_given = ids
    torch.manual_seed(options.seed)
    with torch.inference_mode(), _quiet_torch(options):
        made = model.generate(
            ids_given, attention_mask=mask, stopping_criteria=_stops(options, tokenizer, clock),
            custom_generate=one_beam if options.num_beams == 1 else None, **arguments,
        )  # fmt: skip
    seconds = time.perf_counter() - started
    skip = 1 if model.encoding is not None else ids.shape[1]
    tokens = tuple(_trimmed(row[skip:].tolist(), special.ends, pad) for row in made)
    texts = tuple(_shown(tokenizer, row, options.stop) for row in tokens)
    return Generation(texts, tokens, source.variant, clock.first - started, seconds, notes)


def _padding(special: GenerationSpec) -> int:
    """Return the id that fills up rows: an end mark where the model names none."""
    return special.pad if special.pad is not None else next(iter(special.ends), 0)


@contextmanager
def _quiet_torch(options: GenerateOptions) -> Iterator[None]:
    """Keep torch to one thread where it only chooses tokens.

    Its threads would spin beside the runtime's, which do the work, on the same cores.
    """
    before = torch.get_num_threads()
    if options.runner != "torch":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prompt(tokenizer: Any, text: str, chat: bool) -> list[int]:
    if not chat:
        return list(tokenizer(text)["input_ids"])
    if not getattr(tokenizer, "chat_template", None):
        raise UsageError("the tokenizer has no chat template", fix="leave --chat out")
    message = [{"role": "user", "content": text}]
    wrapped = tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    return list(tokenizer(wrapped, add_special_tokens=False)["input_ids"])


def padded(
    rows: Sequence[Sequence[int]], pad: int, *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and mask [B, S] of rows of ids, prompts padded on the left."""
    width = max(1, *(len(row) for row in rows))
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for place, row in enumerate(rows):
        where = slice(width - len(row), width) if left else slice(0, len(row))
        ids[place, where], mask[place, where] = torch.tensor(list(row), dtype=torch.long), 1
    return ids, mask


def _check_cache(source: TextSource, inputs: Sequence[TensorSpec]) -> None:
    if not any(entry.name.startswith(PAST) for entry in inputs):
        raise UsageError(
            "the exported decoder has no cache",
            where=str(source.folder.path),
            fix="export it with --kv-cache concat",
        )


def _check_rows(rows: Sequence[Sequence[int]]) -> None:
    for number, row in enumerate(rows, 1):
        if not row:
            raise UsageError(f"text {number} is empty: it gives no token to start from")


def _arguments(options: GenerateOptions, tokenizer: Any, pad: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "max_new_tokens": options.max_new_tokens,
        "repetition_penalty": options.repetition_penalty,
        "num_beams": options.num_beams,
        "do_sample": options.temperature > 0,
        "pad_token_id": pad,
    }
    if options.temperature > 0:
        found |= {
            "temperature": options.temperature,
            "top_k": options.top_k,
            "top_p": options.top_p,
        }
    return found


def _stops(options: GenerateOptions, tokenizer: Any, clock: TokenClock) -> StoppingCriteriaList:
    found = StoppingCriteriaList([clock])
    if options.stop:
        found.append(StopStringCriteria(tokenizer, list(options.stop)))
    return found


def _trimmed(row: list[int], ends: Sequence[int], pad: int) -> tuple[int, ...]:
    """Return the ids up to the end mark."""
    stops = {*ends, pad} if ends else set()
    for place, token in enumerate(row):
        if token in stops:
            return tuple(row[:place])
    return tuple(row)


def _shown(tokenizer: Any, row: Sequence[int], stop: Sequence[str]) -> str:
    text = str(tokenizer.decode(list(row), skip_special_tokens=True))
    cuts = [text.find(word) for word in stop if word in text]
    return text[: min(cuts)] if cuts else text
