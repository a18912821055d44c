"""The stage `export`: MODEL in, an artifact with proven ONNX files out."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Artifact, Folder, StageContext, open_folder, run_stage
from pipeline.stages.export.load import LoadedParts, checkpoint_of, load_parts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.source import Source, own_models, resolve
from pipeline.types import SILENT, Json, Progress

if TYPE_CHECKING:
    from pipeline.stages.export.core import Exported


def export_model(options: ExportOptions, progress: Progress = SILENT) -> Artifact:
    """Return the export artifact in options.output, made now unless it is there and current.

    Raises:
        UsageError: MODEL names nothing, or options do not fit it.
        BadModelError: A checkpoint or a function's code is at fault; nothing is written.
        ExportError: No exporter carried the model faithfully.
        FolderError: The output folder is foreign, full or unwritable.
    """
    options = as_preset(options)
    source = resolve(options.model)
    folder = open_folder(options.output, create=True)
    loaded = load_parts(source, options) if source.kind == "function" else None
    recipe = {**plain_options(options), "model": identity(source, options, folder, loaded)}
    produce = functools.partial(_produce, options, source, loaded, progress)
    return run_stage(folder, "export", recipe, {}, produce)


def as_preset(options: ExportOptions) -> ExportOptions:
    """Return the options with a folder only models/ can read named as its preset's checkpoint.

    So Meta's layout and Baichuan 2 need neither glue nor remote code.
    """
    own_models()
    from models.presets import preset_of_folder

    path = Path(options.model)
    preset = preset_of_folder(path) if options.checkpoint is None and path.is_dir() else None
    return options if preset is None else replace(options, model=preset.name, checkpoint=path)


def plain_options(options: ExportOptions) -> dict[str, Json]:
    """Return the options that decide the result, without paths."""
    skipped = ("model", "output", "checkpoint")  # what lies there counts, by digest, not its path
    return {f.name: getattr(options, f.name) for f in fields(options) if f.name not in skipped}


def identity(
    source: Source, options: ExportOptions, folder: Folder, loaded: LoadedParts | None
) -> dict[str, Json]:
    """Return what the model is, by contents: digests of its files, or of a function's weights."""
    known: dict[str, Json] = {"kind": source.kind, "name": source.name}
    if source.kind == "preset":
        files = sorted(p for p in (options.checkpoint or Path()).rglob("*") if p.is_file())
        if options.checkpoint is not None:
            known["checkpoint"] = {
                p.relative_to(options.checkpoint).as_posix(): folder.digest_of(p) for p in files
            }
    elif loaded is not None:
        known["sources"] = {path.name: folder.digest_of(path) for path in loaded.sources}
        known["weights"] = digest_modules(loaded)
    else:
        checkpoint = checkpoint_of(source)
        known["files"] = {path.name: folder.digest_of(path) for path in checkpoint.files}
    return known


def digest_modules(loaded: LoadedParts) -> str:
    """Return a hash of every parameter and buffer, and of the example inputs."""
    import torch

    digest = hashlib.sha256()
    for part in loaded.parts:
        tensors = {**part.module.state_dict(), **part.inputs}
        for name, tensor in tensors.items():
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            digest.update(raw.numpy())
        digest.update(repr((part.axes, part.dims, part.outputs)).encode())
    return digest.hexdigest()


def _produce(
    options: ExportOptions,
    source: Source,
    loaded: LoadedParts | None,
    progress: Progress,
    context: StageContext,
) -> dict[str, Any]:
    """Write the files and return the facts."""
    from pipeline.stages.export.core import export_parts

    if loaded is None:
        progress.step(f"loading {source.name}")
        loaded = load_parts(source, options)
    notes = _Notes(progress, context)
    if loaded.random_weights:
        notes.note(f"{source.name} has random weights (seed {options.seed}): no checkpoint given")
    graphs = context.path("onnx")
    graphs.mkdir()
    exported = export_parts(loaded.parts, graphs, options.exporter, options.resolved_opset, notes)
    if exported.weights.name:
        context.place(graphs / exported.weights.name, f"onnx/{exported.weights.name}")
    if loaded.save_tokenizer is not None:
        folder = context.path("tokenizer")
        folder.mkdir()
        loaded.save_tokenizer(folder)
    elif loaded.generation is not None:
        notes.note("no tokenizer lies with the model: text commands will need one")
    return facts_of(options, source, loaded, exported)


def facts_of(
    options: ExportOptions, source: Source, loaded: LoadedParts, exported: Exported
) -> dict[str, Any]:
    """Return what the manifest says about the export."""
    told: dict[str, Json] = {**plain_options(options), "model": options.model}
    model: dict[str, Json] = {
        "source": source.name,
        "kind": source.kind,
        "random_weights": loaded.random_weights,
        "options": told,
    }
    if source.path is not None:
        told["model"] = source.name
        relative = os.path.relpath(source.path.resolve(), Path(options.output).resolve())
        model["path"] = relative + (f"::{source.function}" if source.function else "")
    if options.checkpoint is not None:
        base = Path(options.output).resolve()
        told["checkpoint"] = os.path.relpath(options.checkpoint.resolve(), base)
    return {
        "task": loaded.task,
        "model": model,
        "parts": exported.parts,
        "opset": max(int(str(part["opset"])) for part in _dicts(exported.parts)),
        "exporter": exported.exporter,
        "rejected_exporters": exported.rejected,
        "kv_cache": _cache_form(options, loaded),
        "weights": {
            "file": f"onnx/{exported.weights.name}" if exported.weights.name else None,
            "bytes": exported.weights.bytes,
            "tensors": exported.weights.tensors,
            "shared": exported.weights.shared,
        },
        "proof": {"largest_relative_difference": exported.differences},
        "tokenizer": "tokenizer" if loaded.save_tokenizer is not None else None,
        "generation": loaded.generation,
    }


def _dicts(parts: dict[str, Json]) -> list[dict[str, Json]]:
    return [part for part in parts.values() if isinstance(part, dict)]


def _cache_form(options: ExportOptions, loaded: LoadedParts) -> str | None:
    """Return how the exported decoder keeps its cache, None where it has none."""
    inputs = {name for part in loaded.parts for name in part.inputs}
    return options.kv_cache if any(n.startswith("past_key_values.") for n in inputs) else None


class _Notes:
    """A Progress that also keeps notes in the manifest's log."""

    def __init__(self, progress: Progress, context: StageContext) -> None:
        self._progress, self._context = progress, context

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Pass the step on."""
        self._progress.step(text, done, total)

    def note(self, text: str) -> None:
        """Pass the note on and log it."""
        self._progress.note(text)
        self._context.log(text)
