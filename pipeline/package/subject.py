"""What is packaged: the graphs of one variant, and what belongs to their model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.artifacts import Folder, open_folder
from pipeline.errors import FolderError, UsageError
from pipeline.graph.files.model_file import load_model, save_model
from pipeline.ort.settings import SessionSettings, read_settings
from pipeline.received_json import parse_json
from pipeline.records.export import ExportRecord
from pipeline.records.optimize import OptimizeRecord
from pipeline.records.tokenizer import FILE as READING
from pipeline.stages.export.checkpoint import Checkpoint, read_checkpoint
from pipeline.stages.runners.decoding import WRITE_INDICES
from pipeline.stages.runners.kv_cache import PAST
from pipeline.tasks.variants import EXPORT_FIX, Wanted, files_of
from pipeline.tokenizer.open import CONFIG
from pipeline.types import Precision

# What transformers 5 calls a tokenizer that is whatever its tokenizer.json says, and 4 did.
NEW_CLASS, OLD_CLASS = "TokenizersBackend", "PreTrainedTokenizerFast"


@dataclass(frozen=True)
class Subject:
    """An artifact to be packaged.

    Attributes:
        folder: Where it lies.
        exported: What the export says of it.
        variant: The stage whose graphs are packaged.
        files: Those graphs, by part.
    """

    folder: Folder
    exported: ExportRecord
    variant: str
    files: Mapping[str, Path]

    @property
    def precision(self) -> str:
        """The precision of the graphs."""
        if self.variant == "export":
            return "fp32"
        return OptimizeRecord.of(self.folder.require(self.variant, EXPORT_FIX)).precision

    @property
    def steps(self) -> bool:
        """Whether it generates, one step after the other, through a cache that grows."""
        names = {entry.name for entry in self.exported.last_part.inputs}
        cached = any(name.startswith(PAST) for name in names)
        return self.exported.generation is not None and cached and WRITE_INDICES not in names

    @property
    def tokenizer(self) -> Path | None:
        """The folder of its tokenizer, None where it has none."""
        name = self.exported.tokenizer
        return None if name is None else self.folder.path / name

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint it was exported from; None for a preset or a function.

        Raises:
            FolderError: It is not where it was.
        """
        model = self.exported.model
        if model.kind != "hf" or model.path is None:
            return None
        path = (self.folder.path / model.path).resolve()
        if not path.exists():
            raise FolderError(
                "the checkpoint is gone, and with it the model's configuration",
                where=str(path),
                fix="put it back, or export it again from where it is",
            )
        return read_checkpoint(path)

    @cached_property
    def config(self) -> dict[str, Any] | None:
        """Its config.json; None where it never had one."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            return None
        if checkpoint.gguf is None:
            return dict(checkpoint.config)
        import transformers

        found = transformers.AutoConfig.from_pretrained(
            checkpoint.folder, gguf_file=checkpoint.gguf, local_files_only=True
        )
        told: dict[str, Any] = json.loads(found.to_json_string())
        told.pop("quantization_config", None)  # the graph holds weights of its own
        return told

    def settings(self, part: str) -> SessionSettings:
        """Return what ONNX Runtime is told about a part's graph."""
        return read_settings(self.files[part])

    def place_graph(self, part: str, target: Path) -> None:
        """Write a part's graph, and its weights beside it: blocks are shared where they can be."""
        target.parent.mkdir(parents=True, exist_ok=True)
        save_model(load_model(self.files[part]), target)

    def place_generation(self, target: Path) -> None:
        """Write what the export says of end marks and lengths, for a model that generates."""
        if self.steps and self.exported.generation is not None:
            text = json.dumps(self.exported.generation.told(), indent=2) + "\n"
            (target / "generation_config.json").write_text(text, encoding="utf-8")

    def place_preprocessor(self, target: Path) -> None:
        """Copy what the checkpoint says of images, sounds and the like."""
        for name in ("preprocessor_config.json", "processor_config.json"):
            if self.checkpoint is not None and (self.checkpoint.folder / name).is_file():
                shutil.copyfile(self.checkpoint.folder / name, target / name)

    def place_tokenizer(self, target: Path) -> None:
        """Copy the tokenizer's files, if there are any."""
        if self.tokenizer is None:
            return
        for file in sorted(self.tokenizer.iterdir()):
            if file.is_file() and file.name != READING:
                shutil.copyfile(file, target / file.name)
        settings = target / CONFIG
        if settings.is_file():
            told = parse_json(settings.read_text(encoding="utf-8"))
            if told.get("tokenizer_class") == NEW_CLASS:
                told["tokenizer_class"] = OLD_CLASS
                settings.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def open_subject(path: Path, variant: str, precision: Precision | None) -> Subject:
    """Return what is to be packaged.

    Raises:
        FolderError: There is no artifact, or its files are damaged.
        UsageError: There is no such variant.
    """
    folder = open_folder(path)
    exported = ExportRecord.of(folder.require("export", EXPORT_FIX))
    name, files = files_of(folder, exported, Wanted("ort", variant, precision))
    return Subject(folder, exported, name, files)


def refuse(subject: Subject, what: str, fix: str) -> UsageError:
    """Return the error for an artifact that a format cannot hold."""
    return UsageError(what, where=str(subject.folder.path), fix=fix)


def known_config(subject: Subject, runtime: str, classes: Mapping[str, str]) -> dict[str, Any]:
    """Return the config.json by which a runtime of one graph per model knows it.

    Args:
        subject: What is packaged.
        runtime: For the errors.
        classes: Its class for each task.

    Raises:
        UsageError: It has no class for the task, wants other graphs, or would not know the model.
    """
    task, parts = subject.exported.task, subject.exported.parts
    if task not in classes:
        fix = f"--format triton holds it; {runtime} has {', '.join(classes)}"
        raise refuse(subject, f"{runtime} has no class for {task}", fix)
    if len(parts) != 1:
        raise refuse(
            subject,
            f"{runtime} wants other graphs than {' and '.join(parts)}: its first decoder reads the "
            "encoder's states itself, ours takes the keys and values made of them",
            "--format triton holds it, or export such a model with Optimum",
        )
    if task == "text-generation" and not subject.steps:
        raise refuse(
            subject, f"{runtime} feeds a cache that grows", "export with --kv-cache concat"
        )
    if subject.config is None:
        raise refuse(
            subject,
            f"{subject.exported.model.source} has no config.json, by which transformers knows it",
            "package a Hugging Face checkpoint",
        )
    return {name: value for name, value in subject.config.items() if name != "auto_map"}


def refuse_written_in_place(subject: Subject, runtime: str) -> None:
    """Raise UsageError where a cache and what it becomes have to lie in one buffer."""
    if any(subject.settings(part).in_place for part in subject.files):
        raise refuse(
            subject,
            f"{subject.variant} writes its cache in place, which {runtime} does not do",
            "--variant exported, or export with --kv-cache concat",
        )
