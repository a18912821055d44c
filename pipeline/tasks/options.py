"""What the text commands can be told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.options import settle
from pipeline.types import Precision, RunnerName

# field -> whether a value is in its range, and the range in words
RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "max_new_tokens": (lambda value: value >= 1, "at least 1"),
    "repetition_penalty": (lambda value: value > 0, "above 0"),
    "num_beams": (lambda value: value >= 1, "at least 1"),
    "temperature": (lambda value: value >= 0, "0 or above"),
    "top_k": (lambda value: value >= 0, "0 or above"),
    "top_p": (lambda value: 0 < value <= 1, "above 0, at most 1"),
    "no_repeat_ngram_size": (lambda value: value >= 0, "0 or above"),
    "min_new_tokens": (lambda value: value >= 0, "0 or above"),
}
_HALF = re.compile("[\ud800-\udfff]")  # what Python makes of a byte that is no text


@dataclass(frozen=True)
class TextOptions:
    """What every text command takes.

    Attributes:
        folder: The artifact folder.
        texts: The texts, one answer each.
        runner: `ort` runs the optimized graphs (the exported ones where there are none), `torch`
            the PyTorch model, `tensorrt` the engines.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        precision: Which of the optimized graphs or engines; unset takes those made last.

    Examples:
        >>> from pipeline import TextOptions
        >>> TextOptions("out", ("one text", "another"), runner="torch").texts
        ('one text', 'another')
    """

    folder: Path
    texts: tuple[str, ...]
    runner: RunnerName = "ort"
    threads: int = 0
    precision: Precision | None = None

    def __post_init__(self) -> None:
        """Raise UsageError where there is nothing to work on."""
        settle(self)
        if not any(text.strip() for text in self.texts):
            raise UsageError("no text was given", fix="put it after the folder, in quotes")
        for value in vars(self).values():
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and _HALF.search(text):
                    raise UsageError(
                        f"a text holds bytes that are not UTF-8: {text[:60]!a}",
                        fix="convert it first, e.g. `iconv -f LATIN1 -t UTF-8`",
                    )


@dataclass(frozen=True)
class EmbedOptions(TextOptions):
    """How texts become vectors.

    Attributes:
        folder: The artifact folder.
        texts: The texts, one vector each.
        runner: `ort`, `torch` or `tensorrt`.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        precision: Which of the optimized graphs or engines; unset takes those made last.
        prompt_name: Which of the model's prompts stands before each text; empty takes its default.
        prompt: What stands before each text, in place of the model's prompts.

    Examples:
        >>> from pipeline import EmbedOptions
        >>> EmbedOptions("encoder", "a text", prompt="query: ").prompt
        'query: '
    """

    prompt_name: str = ""
    prompt: str | None = None

    def __post_init__(self) -> None:
        """Raise UsageError where two prompts are given."""
        super().__post_init__()
        if self.prompt_name and self.prompt is not None:
            raise UsageError("--prompt and --prompt-name contradict each other", fix="give one")


@dataclass(frozen=True)
class ClassifyOptions(TextOptions):
    """How texts are classified.

    Attributes:
        folder: The artifact folder.
        texts: The texts, one answer each.
        runner: `ort`, `torch` or `tensorrt`.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        precision: Which of the optimized graphs or engines; unset takes those made last.
        pair: A second text that the model reads together with each one.

    Examples:
        >>> from pipeline import ClassifyOptions
        >>> ClassifyOptions("classifier", "It rains.", pair="The street is wet.").texts
        ('It rains.',)
    """

    pair: str = ""


@dataclass(frozen=True)
class RerankOptions(TextOptions):
    """How documents are ranked.

    Attributes:
        folder: The artifact folder.
        texts: The documents.
        runner: `ort`, `torch` or `tensorrt`.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        precision: Which of the optimized graphs or engines; unset takes those made last.
        query: What they are to answer.

    Examples:
        >>> from pipeline import RerankOptions
        >>> RerankOptions("reranker", ("cats", "dogs"), query="what purrs?").texts
        ('cats', 'dogs')
    """

    query: str = ""

    def __post_init__(self) -> None:
        """Raise UsageError without a query."""
        super().__post_init__()
        if not self.query.strip():
            raise UsageError("no query was given", fix="pipeline rerank DIR QUERY DOCUMENT...")


@dataclass(frozen=True)
class GenerateOptions(TextOptions):
    """How text is generated.

    Attributes:
        folder: The artifact folder.
        texts: The prompts (or sources), one answer each.
        runner: `ort`, `torch` or `tensorrt`.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        precision: Which of the optimized graphs or engines; unset takes those made last.
        max_new_tokens: Most tokens per answer; unset takes 64, or what there is room for.
        repetition_penalty: Above 1 makes tokens that occurred less likely; 1 changes nothing.
            This and what follows take the model's own generation_config where they are unset.
        num_beams: Beams of the search; 1 is greedy or sampling.
        temperature: Above 0 samples; 0 takes the most likely token.
        top_k: Sample among this many most likely tokens, 0 for all.
        top_p: Sample among the most likely tokens that hold this much probability.
        no_repeat_ngram_size: No sequence of this many tokens comes twice; 0 allows all.
        min_new_tokens: Least tokens per answer.
        length_penalty: Above 0 favours longer beams, below 0 shorter ones.
        source_lang: Language of the texts, by the tokenizer's code, such as eng_Latn, en or en_XX.
        target_lang: Language of the answers, by the tokenizer's code.
        seed: Decides what is sampled: the same tokens on every runner and machine, and those that
            transformers draws after torch.manual_seed.
        stop: Strings that end an answer.
        chat: Wrap each prompt in the tokenizer's chat template.
        system: The system prompt of a chat.
        history: A JSON file of a chat's earlier turns, each with `role` and `content`.
        huge_pages: Ask for huge pages for the weights on the CPU: faster tokens, and on some
            virtual machines slower loading. For long answers.

    Examples:
        >>> from pipeline import GenerateOptions
        >>> GenerateOptions("out", "Once upon a time", temperature=0.8, top_p=0.95, seed=1).top_p
        0.95
    """

    max_new_tokens: int | None = None
    repetition_penalty: float | None = None
    num_beams: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    no_repeat_ngram_size: int | None = None
    min_new_tokens: int | None = None
    length_penalty: float | None = None
    source_lang: str = ""
    target_lang: str = ""
    seed: int = 0
    stop: tuple[str, ...] = ()
    chat: bool = False
    system: str = ""
    history: Path | None = None
    huge_pages: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        super().__post_init__()
        if (self.system or self.history is not None) and not self.chat:
            name = "system" if self.system else "history"
            raise UsageError(f"--{name} is part of a chat", fix="add --chat")
        for name, (good, range_) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not good(value):
                raise UsageError(f"--{name.replace('_', '-')} {value} is not {range_}")
