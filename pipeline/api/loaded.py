"""An artifact opened once and asked many times: for text, for vectors, or with arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from pipeline.api.choosing import Choosing
from pipeline.api.stream import pieces_of
from pipeline.errors import UsageError
from pipeline.records.export import ExportRecord
from pipeline.tasks import classify, embed, fill_mask, rerank
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.settings import settled
from pipeline.tasks.source import TextSource
from pipeline.tasks.text import TASKS as GENERATING
from pipeline.tasks.text import Generation, generate
from pipeline.tasks.translate import TASKS as TRANSLATING
from pipeline.tasks.translate import translate
from pipeline.tokenizer.base import Pair
from pipeline.types import Precision, RunnerName

# what can be asked -> the tasks that answer it, besides `run`, which all do
_ANSWERS: dict[str, tuple[str, ...]] = {
    "generate": GENERATING,
    "stream": GENERATING,
    "translate": TRANSLATING,
    "embed": embed.TASKS,
    "classify": classify.TASKS,
    "rerank": classify.TASKS,
    "fill_mask": fill_mask.TASKS,
}


def load(
    folder: Path | str,
    runner: RunnerName = "ort",
    *,
    variant: str | None = None,
    precision: Precision | None = None,
    threads: int = 0,
    huge_pages: bool = False,
) -> LoadedModel:
    """Return the model in an artifact folder, open and ready to answer.

    Args:
        folder: What `pipeline run` or `export_model` made.
        runner: `ort` runs the optimized graphs (the exported ones where there are none), `torch`
            the PyTorch model, `tensorrt` the engines.
        variant: Which graphs or engines, such as `ort-cpu-fp32` or `exported`; None takes those
            for the runner that were made last.
        precision: Of which precision they are to be; None takes any.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        huge_pages: Ask for huge pages for the weights on the CPU: faster tokens, and on some
            virtual machines slower loading.

    Raises:
        FolderError: This is no artifact folder, or nothing in it suits the runner.
        UsageError: There is no such variant.
        EnvironmentMissingError: The runner's runtime or GPU is absent.

    Examples:
        >>> import pipeline
        >>> model = pipeline.load("translator")
        >>> model.translate("我今天很开心").texts
        ("I'm happy today",)
        >>> model.answers
        ('generate', 'stream', 'translate', 'run')
        >>> model.close()
    """
    source = TextSource(
        Path(folder),
        runner,
        variant=variant or "",
        precision=precision,
        threads=threads,
        huge_pages=huge_pages,
    )
    return LoadedModel(source, runner)


class LoadedModel:
    """A model that answers; `load` opens one. Close it, or use it in a `with`.

    Threads may share it. What it can be asked is in `answers`; asking for anything else raises
    UsageError, as does a model without a tokenizer where texts are given.

    Attributes:
        folder: Where it lies.
        runner: `ort`, `torch` or `tensorrt`.
        variant: What runs: an artifact's stage, or PyTorch.
        task: What it was exported for, such as `text-generation`.
        record: What its export says: parts with their inputs and outputs, where it came from.

    Examples:
        >>> import numpy as np, pipeline
        >>> with pipeline.load("out") as model:
        ...     ids = np.array([[5, 6, 7]])
        ...     others = {"attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
        ...     made = model.run({"input_ids": ids, **others})
        >>> made["last_hidden_state"].shape
        (1, 3, 32)
    """

    def __init__(self, source: TextSource, runner: RunnerName) -> None:
        self._source, self._open = source, True
        self.folder, self.runner = source.folder.path, runner
        self.variant, self.task = source.variant, source.task
        self.record: ExportRecord = source.exported

    @property
    def answers(self) -> tuple[str, ...]:
        """The methods that this model answers."""
        return (*(name for name, tasks in _ANSWERS.items() if self.task in tasks), "run")

    def generate(self, prompts: str | Sequence[str], **how: Unpack[Choosing]) -> Generation:
        """Return an answer to every prompt, and how fast its tokens came.

        Raises:
            UsageError: The model generates no text, or a prompt is too long.
        """
        return generate(self._asked("generate"), self._options(prompts, how))

    def stream(self, prompt: str, **how: Unpack[Choosing]) -> Iterator[str]:
        """Return the answer to one prompt piece by piece, each as soon as it is known.

        Leaving the loop early ends the generation.

        Raises:
            UsageError: The model generates no text, or more than one beam is asked for: what a
                search over beams answers is known only at its end.

        Examples:
            >>> import pipeline
            >>> with pipeline.load("storyteller") as model:
            ...     pieces = list(model.stream("Once upon a time", max_new_tokens=8))
            >>> len(pieces) > 1
            True
        """
        source, options = self._asked("stream"), self._options(prompt, how)
        beams = settled(options, source.generation, has_encoder=False).num_beams
        if beams > 1:
            raise UsageError(
                f"{beams} beams cannot be streamed",
                fix="num_beams=1, or .generate(...)",
            )
        return pieces_of(source, options)

    def translate(self, texts: str | Sequence[str], **how: Unpack[Choosing]) -> Generation:
        """Return the translation of every text; words the model does not know are in the notes.

        Raises:
            UsageError: The model does not translate, or a text is too long.
        """
        return translate(self._asked("translate"), self._options(texts, how))

    def embed(
        self, texts: str | Sequence[str], *, prompt: str | None = None, prompt_name: str = ""
    ) -> np.ndarray:
        """Return one vector per text, float64 [N, D], made as the checkpoint says.

        Args:
            texts: One text or several.
            prompt: Stands before every text; None takes the one of `prompt_name`.
            prompt_name: One of the model's prompts; empty takes its default, if it has one.

        Raises:
            UsageError: The model gives no states of tokens, or has no such prompt.

        Examples:
            >>> import pipeline
            >>> with pipeline.load("encoder") as model:
            ...     model.embed(["one text", "another"]).shape
            (2, 4)
        """
        source = self._asked("embed")
        made = embed.embed(source, _several(texts), prompt=prompt, prompt_name=prompt_name)
        return np.array([row.vector for row in made.rows])

    def classify(self, texts: str | Pair | Sequence[str | Pair]) -> tuple[classify.Classified, ...]:
        """Return the classes of every text, or of every pair of texts, likeliest first.

        Args:
            texts: One text or a list of several; a tuple of two is read together.

        Raises:
            UsageError: The model classifies no texts.
        """
        several = [texts] if isinstance(texts, (str, tuple)) else list(texts)
        return classify.classify(self._asked("classify"), several).rows

    def rerank(self, query: str, documents: Sequence[str]) -> tuple[rerank.Ranked, ...]:
        """Return documents with their scores under a query, the best first.

        Raises:
            UsageError: The model gives no single score.

        Examples:
            >>> import pipeline
            >>> with pipeline.load("reranker") as model:
            ...     {row.text for row in model.rerank("what purrs?", ["cats", "dogs"])} == {
            ...         "cats", "dogs"}
            True
        """
        return rerank.rerank(self._asked("rerank"), query, list(documents)).rows

    def fill_mask(self, texts: str | Sequence[str]) -> tuple[fill_mask.Filled, ...]:
        """Return the likeliest words for the masked places of every text.

        Raises:
            UsageError: The model fills no masks, or a text has none.
        """
        return fill_mask.fill(self._asked("fill_mask"), _several(texts)).rows

    def run(self, inputs: Mapping[str, np.ndarray], part: str = "model") -> dict[str, np.ndarray]:
        """Return every output of one graph for these arrays, by name.

        Args:
            inputs: One array for each input; `record.parts[part].inputs` has their names, types
                and sizes.
            part: `model`, or `encoder` or `decoder`.

        Raises:
            UsageError: There is no such part, or the names are not those of its inputs.
        """
        runner = self._asked("run").parts.get(part)
        if runner is None:
            parts = ", ".join(self._source.parts)
            raise UsageError(f"this model has no part {part!r}", fix=f"its parts: {parts}")
        if inputs.keys() != {*runner.input_names}:
            raise UsageError(
                f"the inputs given are {', '.join(inputs) or 'none'}",
                where=f"part {part}",
                fix=f"give one array for each of {', '.join(runner.input_names)}",
            )
        return runner.run({name: np.asarray(inputs[name]) for name in runner.input_names})

    def close(self) -> None:
        """Release the model's memory; it answers no more."""
        self._open = False
        self._source.close()

    def __enter__(self) -> LoadedModel:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the model."""
        self.close()

    def __repr__(self) -> str:
        """Return folder, task and what runs."""
        return f"<{type(self).__name__} {str(self.folder)!r}: {self.task}, {self.variant}>"

    def _asked(self, name: str) -> TextSource:
        """Return the source, if this model is open and answers what it is asked."""
        if not self._open:
            raise UsageError("this model was closed", fix="load it again")
        if name not in self.answers:
            raise UsageError(
                f"this model does {self.task}: it cannot {name}",
                where=str(self.folder),
                fix=f"it answers {', '.join(self.answers)}",
            )
        return self._source

    def _options(self, texts: str | Sequence[str], how: Choosing) -> GenerateOptions:
        return GenerateOptions(self.folder, _several(texts), self.runner, **how)


def _several(texts: str | Sequence[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)
