"""Opening an artifact for text: which graphs run, and the tokenizer that came with them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact, Folder, open_folder
from pipeline.errors import FolderError, UsageError
from pipeline.records.export import ExportRecord
from pipeline.records.tensors import TensorSpec
from pipeline.records.variant import variant_record
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.open import open_runner
from pipeline.tasks.options import TextOptions

EXPORT_FIX = "pipeline export MODEL -o DIR"
PREFERRED = ("optimize.ort-cpu-fp32", "optimize.ort-cpu", "optimize.onnx", "export")


class TextSource:
    """An artifact folder opened for one runner; close it, or use it in a `with`.

    Args:
        options: Folder, runner and threads.
        tasks: Tasks the command is for.
        huge_pages: Whether weights on the CPU may lie in huge pages.

    Raises:
        UsageError: The model is for another task, or no tokenizer lies with it.
        FolderError: There is no artifact for the runner.
        EnvironmentMissingError: The runner's runtime or GPU is absent.
    """

    def __init__(
        self, options: TextOptions, tasks: tuple[str, ...], *, huge_pages: bool = False
    ) -> None:
        self._stack = ExitStack()
        self.folder = open_folder(options.folder)
        self.exported = ExportRecord.of(self.folder.require("export", EXPORT_FIX))
        self.task = self.exported.task
        if self.task not in tasks:
            raise UsageError(
                f"this model does {self.task}, not {' or '.join(tasks)}",
                where=str(options.folder),
                fix=f"use `pipeline {COMMAND.get(self.task, 'parity')}`",
            )
        self.variant, self.parts = "", dict[str, Runner]()
        self._open(options, huge_pages)

    def _open(self, options: TextOptions, huge_pages: bool) -> None:
        try:
            if options.runner == "torch":
                self.variant, self.parts = "torch float32", self._torch()
            else:
                self.variant, files = _files(self.folder, self.exported, options.runner)
                for part, file in files.items():
                    runner = open_runner(file, threads=options.threads, huge_pages=huge_pages)
                    self.parts[part] = self._stack.enter_context(runner)
        except BaseException:
            self.close()
            raise

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

    def tokenizer(self) -> Any:
        """Return the transformers tokenizer of the artifact."""
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        folder = self.tokenizer_folder
        if (folder / "tokenizer_config.json").is_file():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
        fast: Any = PreTrainedTokenizerFast
        return fast(tokenizer_file=str(folder / "tokenizer.json"))

    def inputs(self, part: str) -> tuple[TensorSpec, ...]:
        """Return what a part takes."""
        return self.exported.parts[part].inputs

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


def _files(folder: Folder, exported: ExportRecord, runner: str) -> tuple[str, dict[str, Path]]:
    """Return the best variant for the runner and its files by part."""
    if runner == "tensorrt":
        names = [name for name in folder.stages() if name.startswith("build-engine")]
        fix = "pipeline build-engine DIR -o DIR"
    else:
        names = [n for prefix in PREFERRED for n in folder.stages() if n.startswith(prefix)]
        fix = EXPORT_FIX
    for name in names:
        artifact: Artifact = folder.require(name, fix)
        record = exported if name == "export" else variant_record(artifact)
        files = {part: folder.path / about.file for part, about in record.parts.items()}
        if files.keys() >= exported.parts.keys():
            return name, files
    raise FolderError(f"nothing here runs on {runner}", where=str(folder.path), fix=fix)
