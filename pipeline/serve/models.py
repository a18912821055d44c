"""The models that are served: each opened once, with what answers its requests."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.serve.batches import Batcher
from pipeline.serve.generator import Generator
from pipeline.serve.options import ServeOptions
from pipeline.tasks import classify, embed
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.source import TextSource
from pipeline.tasks.text import TASKS as GENERATING
from pipeline.tasks.text import generate
from pipeline.tasks.translate import TASKS as TRANSLATING
from pipeline.tasks.translate import translate
from pipeline.tokenizer.base import Pair


class ServedModel:
    """One artifact and what it answers.

    Args:
        folder: The artifact folder.
        options: How it is served.

    Attributes:
        name: What clients call it, the folder's name.
        created: When it was opened, seconds since 1970.
        source: The open artifact.
        generator: Decodes answers; None for a model without a cache of its own to step through.
        batchers: By what is asked: `embed`, `classify`, `rerank`, `translate`,
            `generate`.

    Raises:
        UsageError: It has no tokenizer, or answers nothing that can be served.
    """

    def __init__(self, folder: Path, options: ServeOptions) -> None:
        self.name, self.created = folder.resolve().name, int(time.time())
        self.source = TextSource(
            folder,
            options.runner,
            precision=options.precision,
            threads=options.threads,
            huge_pages=options.huge_pages,
        )
        self.generator: Generator | None = None
        self.batchers: dict[str, Batcher[Any]] = {}
        try:
            self._open(options)
        except BaseException:
            self.close()
            raise

    def _open(self, options: ServeOptions) -> None:
        source = self.source
        _ = source.tokenizer  # a model without one answers no text
        limits = {"size": options.max_batch, "waiting": options.max_queue}
        if source.task in GENERATING and source.decoder.encoder is None:
            apart = source.generation.rows_share_angles  # a text is read alone, and whole
            self.generator = Generator(
                source.decoder,
                rows=1 if apart else options.max_batch,
                waiting=options.max_queue,
                name=self.name,
                prefix_bytes=0 if apart else options.prompt_cache_mb * 1_000_000,
            )
        for asked, tasks, work in (
            ("embed", embed.TASKS, self._embed),
            ("classify", classify.TASKS, self._classify),
            ("rerank", classify.TASKS, self._rerank),
            ("translate", TRANSLATING, self._translate),
            ("generate", GENERATING, self._generate),
        ):
            if source.task in tasks and self._can(asked):
                name = f"{self.name} {asked}"
                self.batchers[asked] = Batcher(work, **limits, name=name)
        if not self.answers:
            raise UsageError(
                f"a model for {source.task} cannot be served", where=str(source.folder.path)
            )

    def _can(self, asked: str) -> bool:
        """Return whether a model of the right task answers this."""
        if asked == "rerank":
            classes = self.source.exported.classes
            return classes is not None and len(classes.labels) == 1
        return not (asked == "generate" and self.generator)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are; 0 where the model does not say."""
        outputs = (one for part in self.source.exported.parts.values() for one in part.outputs)
        sizes = (one.shape[-1] for one in outputs if one.name == "logits")
        return next((size for size in sizes if isinstance(size, int)), 0)

    @property
    def answers(self) -> tuple[str, ...]:
        """What it can be asked."""
        return (*(("generate",) if self.generator else ()), *self.batchers)

    @property
    def alive(self) -> bool:
        """Whether every thread of it works."""
        threads = (*self.batchers.values(), *((self.generator,) if self.generator else ()))
        return all(thread.alive for thread in threads)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        own = self.generator.waiting if self.generator else 0
        return own + sum(batcher.waiting for batcher in self.batchers.values())

    @property
    def running(self) -> int:
        """How many answers are being decoded together."""
        return self.generator.running if self.generator else 0

    def close(self) -> None:
        """End its threads and release its memory."""
        if self.generator is not None:
            self.generator.close()
        for batcher in self.batchers.values():
            batcher.close()
        self.source.close()

    def _embed(self, texts: Sequence[str], asked: None) -> Sequence[tuple[float, ...]]:
        return [row.vector for row in embed.embed(self.source, texts).rows]

    def _classify(self, texts: Sequence[str | Pair], asked: None) -> Sequence[classify.Classified]:
        return classify.classify(self.source, texts).rows

    def _rerank(self, texts: Sequence[Pair], asked: None) -> Sequence[tuple[float, float]]:
        logits, scores, _ = classify.scored(self.source, texts)
        return list(zip(scores[:, 0].tolist(), logits[:, 0].tolist(), strict=True))

    def _translate(self, texts: Sequence[str], asked: GenerateOptions) -> Sequence[str]:
        return translate(self.source, replace(asked, texts=tuple(texts))).texts

    def _generate(self, texts: Sequence[str], asked: GenerateOptions) -> Sequence[Any]:
        made = generate(self.source, replace(asked, texts=tuple(texts)))
        return list(zip(made.texts, made.tokens, strict=True))


class Models:
    """Everything that is served, by name. Close it, or use it in a `with`."""

    def __init__(self, options: ServeOptions) -> None:
        self._stack = ExitStack()
        self._models: dict[str, ServedModel] = {}
        try:
            for folder in options.folders:
                model = ServedModel(folder, options)
                self._stack.callback(model.close)
                self._models[model.name] = model
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Any:
        """Yield every model."""
        return iter(self._models.values())

    def get(self, name: str) -> ServedModel | None:
        """Return the model of this name."""
        return self._models.get(name)

    def close(self) -> None:
        """Close every model."""
        self._stack.close()

    def __enter__(self) -> Models:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close every model."""
        self.close()
