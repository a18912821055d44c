"""Opening an artifact for text: which graphs run, and the tokenizer that came with them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import open_folder
from pipeline.errors import BadModelError, UsageError
from pipeline.records.export import ExportRecord, GenerationSpec
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.decoding import Decoder
from pipeline.stages.runners.open import open_runner
from pipeline.tasks.options import TextOptions
from pipeline.tasks.variants import EXPORT_FIX, Wanted, files_of
from pipeline.tokenizer.base import TextTokenizer
from pipeline.tokenizer.open import open_tokenizer
from pipeline.types import RunnerName

if TYPE_CHECKING:
    from models.zh_en.tokenizer import SentenceTokenizer


class TextSource:
    """An artifact folder opened for one runner, to be asked as often as needed.

    Close it, or use it in a `with`. Threads may share it.

    Args:
        folder: The artifact folder.
        runner: `ort`, `torch` or `tensorrt`.
        tasks: Tasks the model has to be for; any will do where there are none.
        variant: Which graphs or engines, such as `ort-cpu-fp32` or `exported`; empty takes those
            for the runner that were made last.
        precision: Of which precision they are to be; None takes any.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        huge_pages: Whether weights on the CPU may lie in huge pages.

    Attributes:
        variant: What runs: an artifact's stage, or PyTorch.
        parts: One runner per part.

    Raises:
        UsageError: The model is for another task, or there is no such variant.
        FolderError: There is no artifact for the runner.
        EnvironmentMissingError: The runner's runtime or GPU is absent.
    """

    def __init__(
        self,
        folder: Path,
        runner: RunnerName = "ort",
        *,
        tasks: Sequence[str] = (),
        variant: str = "",
        precision: str | None = None,
        threads: int = 0,
        huge_pages: bool = False,
    ) -> None:
        self._stack = ExitStack()
        self.folder = open_folder(folder)
        self.exported = ExportRecord.of(self.folder.require("export", EXPORT_FIX))
        self.task = self.exported.task
        if tasks:
            self.require(*tasks)
        self.variant, self.parts = "torch float32", dict[str, Runner]()
        try:
            self._open(runner, Wanted(runner, variant, precision), threads, huge_pages)
        except BaseException:
            self.close()
            raise

    @classmethod
    def of(
        cls, options: TextOptions, tasks: Sequence[str], *, huge_pages: bool = False
    ) -> TextSource:
        """Return the source that the options of a command name."""
        return cls(
            options.folder,
            options.runner,
            tasks=tasks,
            precision=options.precision,
            threads=options.threads,
            huge_pages=huge_pages,
        )

    def require(self, *tasks: str) -> None:
        """Raise UsageError unless the model is for one of these tasks."""
        if self.task not in tasks:
            raise UsageError(
                f"this model does {self.task}, not {' or '.join(tasks)}",
                where=str(self.folder.path),
                fix=f"use `pipeline {COMMAND.get(self.task, 'parity')}`",
            )

    def _open(self, runner: RunnerName, wanted: Wanted, threads: int, huge_pages: bool) -> None:
        if runner == "torch":
            if named := wanted.variant or wanted.precision:
                raise UsageError(f"torch runs the model itself, not {named!r}")
            self.parts = self._torch()
            return
        self.variant, files = files_of(self.folder, self.exported, wanted)
        for part, file in files.items():
            opened = open_runner(file, threads=threads, huge_pages=huge_pages)
            self.parts[part] = self._stack.enter_context(opened)

    def _torch(self) -> dict[str, Runner]:
        from pipeline.stages.export.load import reload_parts
        from pipeline.stages.runners.torch_runner import TorchRunner

        loaded = reload_parts(self.exported.model, self.folder.path)
        return {
            part.name: TorchRunner(part.module, tuple(part.inputs), part.outputs)
            for part in loaded.parts
        }

    @property
    def tokenizer_folder(self) -> Path:
        """Where the tokenizer lies.

        Raises:
            UsageError: None came with the model.
        """
        name = self.exported.tokenizer
        if name is None:
            raise UsageError(
                "no tokenizer came with this model",
                where=str(self.folder.path),
                fix="export a checkpoint folder that holds its tokenizer's files",
            )
        return self.folder.path / name

    @property
    def decoder(self) -> Decoder:
        """What steps the model through text.

        Raises:
            UsageError: The exported model has no cache to step through.
        """
        part = "decoder" if "decoder" in self.parts else next(iter(self.parts))
        return Decoder(self.parts, self.exported.parts[part].inputs)

    @property
    def generation(self) -> GenerationSpec:
        """What the model says about generating: special tokens and lengths."""
        return self.exported.generation or GenerationSpec()

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The tokenizer that came with the model.

        Raises:
            UsageError: None did.
            BadModelError: It cannot be read.
        """
        return open_tokenizer(self.tokenizer_folder)

    @cached_property
    def sentences(self) -> SentenceTokenizer | None:
        """The reader of sentences that knows which words a model of ours never saw, if it has one.

        Raises:
            BadModelError: It cannot be read.
        """
        folder = self.tokenizer_folder
        if not (folder / "words.json").is_file():
            return None
        from models.errors import ModelError
        from models.zh_en.tokenizer import SentenceTokenizer

        try:
            return SentenceTokenizer.from_folder(folder)
        except ModelError as error:
            raise BadModelError(error.what, where=error.where, fix=error.fix) from error

    def close(self) -> None:
        """Release every runner."""
        self._stack.close()

    def __enter__(self) -> TextSource:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Release every runner."""
        self.close()


COMMAND = {
    "translation": "translate",
    "text2text-generation": "generate",
    "text-generation": "generate",
    "text-classification": "classify",
    "feature-extraction": "embed",
    "fill-mask": "fill-mask",
}
