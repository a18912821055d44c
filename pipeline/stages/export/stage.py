"""The stage `export`: MODEL in, an artifact with proven ONNX files out."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import Artifact, Folder, StageContext, open_folder, run_stage
from pipeline.records.export import (
    ExportProof,
    ExportRecord,
    ModelSource,
    SavedState,
    SharedWeights,
    ToldOptions,
)
from pipeline.stages.export.consent import keep_consent
from pipeline.stages.export.load import LoadedParts, checkpoint_of, load_parts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.source import Source, own_models, resolve
from pipeline.types import SILENT, Json, Progress

if TYPE_CHECKING:
    from pipeline.stages.export.core import Exported

STATE = "state/model.safetensors"


def export_model(options: ExportOptions, progress: Progress = SILENT) -> Artifact:
    """Return the export artifact in options.output, made now unless it is there and current.

    Raises:
        UsageError: MODEL names nothing, or options do not fit it.
        BadModelError: A checkpoint or a function's code is at fault; nothing is written.
        ExportError: No exporter carried the model faithfully.
        FolderError: The output folder is foreign, full or unwritable.

    Examples:
        >>> from pipeline import ExportOptions, ExportRecord, export_model
        >>> made = export_model(ExportOptions("bert-tiny", "out"))
        >>> [tensor.name for tensor in ExportRecord.of(made).parts["model"].inputs]
        ['input_ids', 'attention_mask', 'token_type_ids']
    """
    options = as_preset(options)
    source = resolve(options.model)
    folder = open_folder(options.output, create=True)
    loaded = load_parts(source, options) if source.kind == "function" else None
    recipe = {**plain_options(options), "model": identity(source, options, folder, loaded)}
    produce = functools.partial(_produce, options, source, loaded, progress)
    artifact = run_stage(folder, "export", recipe, {}, produce, ExportRecord)
    keep_consent(source, options, loaded.sources if loaded is not None else ())
    return artifact


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
    # What lies at a path counts, by digest, and not the path.
    skipped = ("model", "output", "checkpoint", "adapter")
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
        checkpoint = checkpoint_of(source, options)
        base = Path(os.path.commonpath([path.parent for path in checkpoint.files]))
        known["files"] = {
            path.relative_to(base).as_posix(): folder.digest_of(path) for path in checkpoint.files
        }
    return known


def digest_modules(loaded: LoadedParts) -> str:
    """Return a hash of every parameter and buffer, and of the example inputs."""
    import torch

    digest = hashlib.sha256()
    for part in loaded.parts:
        module = part.module  # not its state_dict: that leaves buffers out, and may hold objects
        state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        tensors = {**state, **part.inputs}
        for name, tensor in tensors.items():
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            raw: Any = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            digest.update(raw)
        digest.update(repr((part.axes, part.dims, part.outputs, part.fixed)).encode())
    return digest.hexdigest()


def _produce(
    options: ExportOptions,
    source: Source,
    loaded: LoadedParts | None,
    progress: Progress,
    context: StageContext,
) -> ExportRecord:
    """Write the files and return what there is to say of them."""
    from pipeline.stages.export.core import export_parts
    from pipeline.stages.export.tokenizer_record import record_tokenizer

    if loaded is None:
        progress.step(f"loading {source.name}")
        loaded = load_parts(source, options)
    notes = _Notes(progress, context)
    if loaded.random_weights:
        notes.note(f"{source.name} has random weights (seed {options.seed}): no checkpoint given")
    for note in loaded.notes:
        notes.note(note)
    graphs = context.path("onnx")
    graphs.mkdir()
    exported = export_parts(loaded.parts, graphs, options.exporter, options.resolved_opset, notes)
    if exported.weights.name:
        context.place(graphs / exported.weights.name, f"onnx/{exported.weights.name}")
    state = _keep_state(loaded, exported, context) if source.kind == "function" else None
    if loaded.save_tokenizer is not None:
        folder = context.path("tokenizer")
        folder.mkdir()
        loaded.save_tokenizer(folder)
        record_tokenizer(folder)
    elif loaded.generation is not None:
        notes.note("no tokenizer lies with the model: text commands will need one")
    return record_of(options, source, loaded, exported, state)


def _keep_state(loaded: LoadedParts, exported: Exported, context: StageContext) -> SavedState:
    """Write what the function's module holds: another call may give other weights."""
    from pipeline.stages.export.state import save_state

    save_state(loaded.parts[0], exported.weights.placed, context.path(STATE))
    return SavedState(file=STATE, data=data_place(exported))


def data_place(exported: Exported) -> str | None:
    """Return where the data file of the graphs lies in the folder, None without one."""
    return f"onnx/{exported.weights.name}" if exported.weights.name else None


def record_of(
    options: ExportOptions,
    source: Source,
    loaded: LoadedParts,
    exported: Exported,
    state: SavedState | None,
) -> ExportRecord:
    """Return what the manifest says about the export."""
    written = exported.weights
    return ExportRecord(
        task=loaded.task,
        model=source_of(options, source, loaded, state),
        parts=exported.parts,
        opset=max(part.opset for part in exported.parts.values()),
        exporter=exported.exporter,
        rejected_exporters=exported.rejected,
        kv_cache=_cache_form(options, loaded),
        weights=SharedWeights(
            file=data_place(exported),
            bytes=written.bytes,
            tensors=written.tensors,
            shared=written.shared,
        ),
        proof=ExportProof(largest_relative_difference=exported.differences),
        tokenizer="tokenizer" if loaded.save_tokenizer is not None else None,
        generation=loaded.generation,
        embedding=loaded.embedding,
        classes=loaded.classes,
    )


def source_of(
    options: ExportOptions, source: Source, loaded: LoadedParts, state: SavedState | None
) -> ModelSource:
    """Return what the model was made from; its places are relative to the folder."""
    path, base = None, Path(options.output).resolve()
    if source.path is not None:
        path = os.path.relpath(source.path.resolve(), base)
        path += f"::{source.function}" if source.function else ""
    told = ToldOptions(
        model=options.model if source.path is None else source.name,
        task=options.task,
        dtype=options.dtype,
        opset=options.opset,
        exporter=options.exporter,
        kv_cache=options.kv_cache,
        capacity=options.capacity,
        logits=options.logits,
        trust_remote_code=options.trust_remote_code,
        seed=options.seed,
        checkpoint=_relative(options.checkpoint, base),
        adapter=_relative(options.adapter, base),
    )
    return ModelSource(
        source=source.name,
        kind=source.kind,
        random_weights=loaded.random_weights,
        options=told,
        path=path,
        state=state,
    )


def _relative(path: Path | None, base: Path) -> str | None:
    return None if path is None else os.path.relpath(path.resolve(), base)


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
