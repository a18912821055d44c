"""How an answer is chosen once the model has had its word: options over its generation_config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import BadModelError
from pipeline.records.export import GenerationSpec, Setting
from pipeline.tasks.options import RANGES, GenerateOptions

MAX_NEW_TOKENS = 64
# What is settled here; anything else that a model asks for stays in `GenerationSpec.own`.
SETTLED = frozenset((
    "do_sample", "repetition_penalty", "num_beams", "temperature", "top_k", "top_p",
    "no_repeat_ngram_size", "min_new_tokens", "min_length", "length_penalty", "early_stopping",
    "stop_strings",
))  # fmt: skip
Value = TypeVar("Value", int, float)


@dataclass(frozen=True)
class Settings:
    """Every number that decides an answer.

    Attributes:
        max_new_tokens: Most tokens per answer.
        repetition_penalty: Above 1 makes tokens that occurred less likely; 1 changes nothing.
        num_beams: Beams of the search; 1 is greedy or sampling.
        temperature: Above 0 samples; 0 takes the most likely token.
        top_k, top_p: What is sampled among; 0 and 1 for all.
        no_repeat_ngram_size: No sequence of this many tokens comes twice; 0 allows all.
        min_length: Least positions of prompt and answer.
        min_new_tokens: Least tokens per answer.
        length_penalty: Of beams; None for transformers' own.
        seed: Decides what is sampled.
        stop: Strings that end an answer.
    """

    max_new_tokens: int
    repetition_penalty: float = 1.0
    num_beams: int = 1
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    no_repeat_ngram_size: int = 0
    min_length: int = 0
    min_new_tokens: int = 0
    length_penalty: float | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()


def settled(options: GenerateOptions, special: GenerationSpec, *, has_encoder: bool) -> Settings:
    """Return what holds for a request: what the user says, else the model, else the default.

    Raises:
        BadModelError: The model's generation_config holds something else than a number.
    """
    own = special.own
    heat = options.temperature
    if heat is None:
        heat = _number(own, "temperature", 1.0) if own.get("do_sample") else 0.0
    room = special.max_length - 1 if has_encoder and special.max_length else MAX_NEW_TOKENS
    most = options.max_new_tokens
    return Settings(
        max_new_tokens=max(1, min(MAX_NEW_TOKENS, room)) if most is None else most,
        repetition_penalty=_chosen(options.repetition_penalty, own, "repetition_penalty", 1.0),
        num_beams=int(_chosen(options.num_beams, own, "num_beams", 1)),
        temperature=heat,
        top_k=int(_chosen(options.top_k, own, "top_k", 0)),
        top_p=_chosen(options.top_p, own, "top_p", 1.0),
        no_repeat_ngram_size=int(
            _chosen(options.no_repeat_ngram_size, own, "no_repeat_ngram_size", 0)
        ),
        min_length=int(_number(own, "min_length", 0)),
        min_new_tokens=int(_chosen(options.min_new_tokens, own, "min_new_tokens", 0)),
        length_penalty=options.length_penalty,
        seed=options.seed,
        stop=options.stop or _strings(own),
    )


def _chosen(said: Value | None, own: Mapping[str, Setting], name: str, default: Value) -> Value:
    return _number(own, name, default) if said is None else said


def _number(own: Mapping[str, Setting], name: str, default: Value) -> Value:
    value = own.get(name, default)
    good, range_ = RANGES.get(name, (lambda _: True, ""))
    if isinstance(value, bool) or not isinstance(value, int | float) or not good(value):
        raise BadModelError(
            f"the model's {name} of {value!r} is not {range_ or 'a number'}",
            where="generation_config.json",
            fix=f"correct it and export again, or say --{name.replace('_', '-')}",
        )
    return type(default)(value)


def _strings(own: Mapping[str, Setting]) -> tuple[str, ...]:
    given = own.get("stop_strings")
    several = (given,) if isinstance(given, str) else given if isinstance(given, tuple) else ()
    return tuple(str(text) for text in several if text)
