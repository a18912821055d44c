"""Opening an artifact for text: which graphs run, and the tokenizer that came with them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import Artifact, Folder, open_folder
from pipeline.artifacts.strays import unlisted
from pipeline.errors import BadModelError, FolderError, UsageError
from pipeline.records.export import ExportRecord, GenerationSpec
from pipeline.records.variant import variant_record
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.decoding import Decoder
from pipeline.stages.runners.open import open_runner
from pipeline.tasks.options import TextOptions
from pipeline.tokenizer.base import TextTokenizer
from pipeline.tokenizer.open import open_tokenizer
from pipeline.types import RunnerName

if TYPE_CHECKING:
    from models.zh_en.tokenizer import SentenceTokenizer

EXPORT_FIX = "pipeline export MODEL -o DIR"
GRAPHS = ("optimize.", "export")
PREFERRED = ("optimize.ort-cpu-fp32", "optimize.ort-cpu", "optimize.onnx", "export")


class TextSource:
    """An artifact folder opened for one runner, to be asked as often as needed.

    Close it, or use it in a `with`. Threads may share it.

    Args:
        folder: The artifact folder.
        runner: `ort`, `torch` or `tensorrt`.
        tasks: Tasks the model has to be for; any will do where there are none.
        variant: Which graphs or engines, such as `ort-cpu-fp32` or `exported`; empty takes those
            that suit the runner best.
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
            self._open(runner, variant, threads, huge_pages)
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

    def _open(self, runner: RunnerName, variant: str, threads: int, huge_pages: bool) -> None:
        if runner == "torch":
            if variant:
                raise UsageError(f"torch runs the model itself, not {variant!r}")
            self.parts = self._torch()
            return
        self.variant, files = _files(self.folder, self.exported, runner, variant)
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


def _files(
    folder: Folder, exported: ExportRecord, runner: str, variant: str
) -> tuple[str, dict[str, Path]]:
    """Return the variant asked for, or the best one for the runner, and its files by part."""
    stages = folder.stages()
    if runner == "tensorrt":
        names = [name for name in stages if name.startswith("build-engine")]
        fix = "pipeline build-engine DIR -o DIR"
    else:
        names = [n for prefix in PREFERRED for n in stages if n.startswith(prefix)]
        fix = EXPORT_FIX
    if variant:
        runs = names if runner == "tensorrt" else [n for n in stages if n.startswith(GRAPHS)]
        known = {name.partition(".")[2] or "exported": name for name in runs}
        if variant not in known:
            raise UsageError(
                f"{runner} has no variant {variant!r} here",
                where=str(folder.path),
                fix=f"there are {', '.join(known) or 'none'}",
            )
        names = [known[variant]]
    elif stray := _stray(folder, exported):
        raise FolderError(
            f"{stray} belongs to no artifact: the manifest of its stage is missing",
            where=str(folder.path),
            fix="run that stage again, or remove the file to go on without it",
        )
    for name in names:
        artifact: Artifact = folder.require(name, fix)
        record = exported if name == "export" else variant_record(artifact)
        files = {part: folder.path / about.file for part, about in record.parts.items()}
        if files.keys() >= exported.parts.keys():
            return name, files
    raise FolderError(f"nothing here runs on {runner}", where=str(folder.path), fix=fix)


def _stray(folder: Folder, exported: ExportRecord) -> str:
    """Return a graph or engine of these parts that no manifest lists, empty if there is none.

    Another one would answer in its place, and nobody would see that it did.
    """
    names = (Path(name) for name in unlisted(folder.path))
    of_parts = (n for n in names if n.suffix in (".onnx", ".plan"))
    found = (n.as_posix() for n in of_parts if n.name.partition(".")[0] in exported.parts)
    return next(found, "")
