"""What the text commands can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.options import settle
from pipeline.types import RunnerName


@dataclass(frozen=True)
class TextOptions:
    """What every text command takes.

    Attributes:
        folder: The artifact folder.
        texts: The texts, one answer each.
        runner: `ort` runs the optimized graphs (the exported ones where there are none), `torch`
            the PyTorch model, `tensorrt` the engines.
        threads: Threads inside one operator, 0 for the runtime's own choice.

    Examples:
        >>> from pipeline import TextOptions
        >>> TextOptions("out", ("one text", "another"), runner="torch").texts
        ('one text', 'another')
    """

    folder: Path
    texts: tuple[str, ...]
    runner: RunnerName = "ort"
    threads: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError where there is nothing to work on."""
        settle(self)
        if not any(text.strip() for text in self.texts):
            raise UsageError("no text was given", fix="put it after the folder, in quotes")


@dataclass(frozen=True)
class EmbedOptions(TextOptions):
    """How texts become vectors.

    Attributes:
        folder: The artifact folder.
        texts: The texts, one vector each.
        runner: `ort`, `torch` or `tensorrt`.
        threads: Threads inside one operator, 0 for the runtime's own choice.
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
        max_new_tokens: Most tokens per answer.
        repetition_penalty: Above 1 makes tokens that occurred less likely; 1 changes nothing.
        num_beams: Beams of the search; 1 is greedy or sampling.
        temperature: Above 0 samples; 0 takes the most likely token.
        top_k: Sample among this many most likely tokens, 0 for all.
        top_p: Sample among the most likely tokens that hold this much probability.
        seed: Decides what is sampled: the same tokens on every runner and machine, and those that
            transformers draws after torch.manual_seed.
        stop: Strings that end an answer.
        chat: Wrap each prompt in the tokenizer's chat template.
        huge_pages: Ask for huge pages for the weights on the CPU: faster tokens, and on some
            virtual machines slower loading. For long answers.

    Examples:
        >>> from pipeline import GenerateOptions
        >>> GenerateOptions("out", "Once upon a time", temperature=0.8, top_p=0.95, seed=1).top_p
        0.95
    """

    max_new_tokens: int = 64
    repetition_penalty: float = 1.0
    num_beams: int = 1
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    chat: bool = False
    huge_pages: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        super().__post_init__()
        for name, good, range_ in (
            ("max_new_tokens", self.max_new_tokens >= 1, "at least 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0"),
            ("num_beams", self.num_beams >= 1, "at least 1"),
            ("temperature", self.temperature >= 0, "0 or above"),
            ("top_k", self.top_k >= 0, "0 or above"),
            ("top_p", 0 < self.top_p <= 1, "above 0, at most 1"),
        ):
            if not good:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} {getattr(self, name)} is not {range_}")
