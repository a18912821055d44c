"""From MODEL to parts: the one place that knows every kind of source.

Other stages come here too when they need the PyTorch model an artifact was exported from.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.errors import BadModelError, FolderError, UsageError
from pipeline.records.export import GenerationSpec, ModelSource
from pipeline.records.task import ClassesSpec, EmbeddingSpec
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.checkpoint import Checkpoint, read_checkpoint
from pipeline.stages.export.consent import require_consent
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.parts import ExportPart
from pipeline.stages.export.source import Source, resolve


@dataclass(frozen=True)
class LoadedParts:
    """A model in memory, cut into the parts that are exported.

    Attributes:
        parts: The encoder before the decoder where there are two.
        task: What the model is for; "custom" for a function's.
        random_weights: Whether no weights were given.
        generation: Special tokens and lengths that a decoding loop needs, or None.
        save_tokenizer: Writes the tokenizer into an empty folder; None where there is none.
        sources: The user's own files the model was made from.
        embedding: How a sentence encoder is used; None for any other model.
        classes: What a classifier's scores stand for; None for any other model.
        notes: What was done to the model, in words.
    """

    parts: tuple[ExportPart, ...]
    task: str
    random_weights: bool = False
    generation: GenerationSpec | None = None
    save_tokenizer: Callable[[Path], None] | None = None
    sources: tuple[Path, ...] = field(default=())
    embedding: EmbeddingSpec | None = None
    classes: ClassesSpec | None = None
    notes: tuple[str, ...] = ()


def load_parts(source: Source, options: ExportOptions) -> LoadedParts:
    """Return the parts of the model, in eval mode and in the type the options ask for.

    Raises:
        UsageError: The options do not fit the model.
        BadModelError: A checkpoint or a user's function is at fault.
        ExportError: The model has no form that the options ask for.
    """
    if options.checkpoint is not None and source.kind != "preset":
        raise UsageError(
            "a checkpoint goes with a preset",
            where=f"--checkpoint {options.checkpoint}",
            fix="give the folder itself as MODEL, or name a preset",
        )
    if options.adapter is not None and source.kind in ("preset", "function"):
        raise UsageError(
            "an adapter goes with a Hugging Face checkpoint",
            where=f"--adapter {options.adapter}",
            fix="give the checkpoint's folder as MODEL",
        )
    if source.kind == "preset":
        return _preset(source, options)
    if source.kind == "function":
        return _function(source, options)
    return _hugging_face(checkpoint_of(source, options), options)


def checkpoint_of(source: Source, options: ExportOptions) -> Checkpoint:
    """Return the checked checkpoint folder of a Hugging Face source.

    Raises:
        BadModelError: It is not whole.
        UsageError: An adapter is of a kind that is not merged here, or its model is not here.
    """
    if source.kind == "hub":
        from pipeline.stages.export.hub import download

        return read_checkpoint(download(source.name), options.adapter)
    assert source.path is not None
    return read_checkpoint(source.path, options.adapter)


def reload_parts(model: ModelSource, folder: Path, named: str = "") -> LoadedParts:
    """Return the PyTorch parts an export artifact was made from.

    Args:
        model: What the artifact's record says it came from.
        folder: The artifact's folder; a model given by path is found relative to it.
        named: The model as the user names it now, which lets code run that was not exported here.

    Raises:
        UnconfirmedCodeError: It came from code that nobody here had run; nothing of it is.
        ChangedModelError: A function returns another model than the one that was exported.
        FolderError: The state kept of a function's model is not what was written.
        PipelineError: The model is no longer where it was.
    """
    told: dict[str, Any] = vars(model.options)  # each value is checked by ExportOptions
    if model.path:
        head, colon, function = model.path.partition("::")
        place = os.path.normpath(folder / head) + (f":{function}" if colon else "")
        told = {**told, "model": place}
    if model.options.checkpoint:
        given = Path(os.path.normpath(folder / model.options.checkpoint))
        told = {**told, "checkpoint": given}
    if model.options.adapter:
        told = {**told, "adapter": Path(os.path.normpath(folder / model.options.adapter))}
    options = ExportOptions(output=folder, **told)
    source = resolve(options.model)
    require_consent(source, options, folder, named)
    loaded = load_parts(source, options)
    return _as_exported(loaded, model, folder) if source.kind == "function" else loaded


def _as_exported(loaded: LoadedParts, model: ModelSource, folder: Path) -> LoadedParts:
    """Return what a function gave now with the state that was exported."""
    from pipeline.artifacts import open_folder
    from pipeline.stages.export.state import restore_state

    fix = f"pipeline export {model.source} -o DIR"
    if model.state is None:
        raise FolderError("the export holds no state of its model", where=str(folder), fix=fix)
    open_folder(folder).require("export", fix)  # its bytes are those that were written
    state = model.state
    data = folder / state.data if state.data else None
    part = restore_state(loaded.parts[0], folder / state.file, data, model.source)
    return replace(loaded, parts=(part,))


def _hugging_face(checkpoint: Checkpoint, options: ExportOptions) -> LoadedParts:
    from pipeline.stages.export.adapter import merge_adapter
    from pipeline.stages.export.classes import classes_of
    from pipeline.stages.export.hf_load import load_checkpoint, widened
    from pipeline.stages.export.hf_parts import model_parts
    from pipeline.stages.export.last_logits import last_logits, refuse_unless_generating
    from pipeline.stages.export.tokenizer import generation_spec, padding_id, tokenizer_writer

    writer = tokenizer_writer(checkpoint, options)  # first: cheap, and it may refuse
    loaded = load_checkpoint(checkpoint, options)
    notes = tuple(merge_adapter(loaded.model, adapter) for adapter in checkpoint.adapters)
    notes += widened(checkpoint, loaded.model)
    config = loaded.model.config
    if loaded.task == "text-classification" and config.pad_token_id is None:
        config.pad_token_id = padding_id(checkpoint, options)  # where a shorter text ends
    parts = model_parts(loaded.model, loaded.task, options.kv_cache, options.capacity)
    if options.logits == "last":
        refuse_unless_generating(loaded.task)
        model: Any = loaded.model
        parts = [last_logits(part, model.get_output_embeddings()) for part in parts]
    embedding: EmbeddingSpec | None = None
    if checkpoint.sentence is not None and loaded.task == "feature-extraction":
        from pipeline.stages.export.sentence import sentence_part

        part, embedding = sentence_part(parts[0], checkpoint.sentence)
        parts = [part]
    return LoadedParts(
        tuple(parts),
        loaded.task,
        generation=generation_spec(loaded.model),
        save_tokenizer=writer,
        embedding=embedding,
        classes=classes_of(config, loaded.task),
        notes=notes,
    )


def _function(source: Source, options: ExportOptions) -> LoadedParts:
    from pipeline.stages.export.seeds import seeded
    from pipeline.stages.export.user_code import call_function
    from pipeline.stages.export.user_parts import user_part

    if options.kv_cache == "static":
        raise UsageError(
            "a function's model keeps the cache it has",
            where="--kv-cache static",
            fix="leave it out",
        )
    if options.logits == "last":
        raise UsageError(
            "a function's model gives the logits it gives",
            where="--logits last",
            fix="leave it out",
        )
    result = call_function(source, options.seed)
    with seeded(options.seed):  # a lazy module draws its weights when it is called
        part = user_part(result.value, source.name)
    if options.dtype != "auto":
        part = _cast(part, options.dtype)
    task = "custom" if options.task == "auto" else options.task
    return LoadedParts((part,), task, sources=result.sources)


def _preset(source: Source, options: ExportOptions) -> LoadedParts:
    from models.errors import ModelError
    from models.presets import PRESETS
    from pipeline.stages.export.last_logits import last_logits, refuse_unless_generating
    from pipeline.stages.export.tokenizer import preset_generation

    preset = PRESETS[source.name]
    task = preset.task if options.task == "auto" else options.task
    if task not in preset.tasks:
        raise UsageError(
            f"{source.name} is not for {task}",
            where="--task",
            fix=f"leave it out, or choose one of: {', '.join(preset.tasks)}",
        )
    if options.logits == "last":
        refuse_unless_generating(task)
    dtype = "float32" if options.dtype == "auto" else options.dtype
    spool = options.output if options.output.is_dir() else None
    try:
        model = preset.build(options.seed, options.checkpoint, task, dtype, spool)
    except ModelError as err:
        raise BadModelError(err.what, where=err.where, fix=err.fix) from err
    parts = [_from_preset(name, part) for name, part in preset.parts(model).items()]
    parts = [_cast(part, dtype) for part in parts]
    if options.logits == "last":
        parts = [last_logits(part, model.get_submodule("norm")) for part in parts]
    parts = [_with_cache(part, options) for part in parts]
    return LoadedParts(
        tuple(parts),
        task,
        random_weights=preset.random_weights and options.checkpoint is None,
        generation=preset_generation(model),
        save_tokenizer=_tokenizer_of(preset, options.checkpoint),
    )


def _tokenizer_of(preset: Any, checkpoint: Path | None) -> Callable[[Path], None] | None:
    from models.errors import ModelError

    if not preset.tokenizer_files(checkpoint):
        return None

    def save(target: Path) -> None:
        try:
            preset.save_tokenizer(target, checkpoint)
        except ModelError as err:
            raise BadModelError(err.what, where=err.where, fix=err.fix) from err

    return save


def _from_preset(name: str, part: Any) -> ExportPart:
    """Return our part for one of models/parts.py."""
    axes = {key: axes for key, axes in part.dynamic_axes.items() if key in part.example_inputs}
    return ExportPart(
        name,
        part.module,
        dict(part.example_inputs),
        axes,
        {key: SizeRange(*limits) for key, limits in part.dims.items()},
        tuple(part.output_names),
    )


def _with_cache(part: ExportPart, options: ExportOptions) -> ExportPart:
    """Return the part in the form of cache the options ask for."""
    if options.kv_cache == "static":
        from pipeline.stages.export.preset_static import static_part

        return static_part(part, options.capacity)
    cached = any(name.startswith("past_key_values.") for name in part.inputs)
    if not cached or options.kv_cache == "concat":
        return part
    from pipeline.stages.export.preset_cache import without_cache

    return without_cache(part)


def _cast(part: ExportPart, dtype: str) -> ExportPart:
    """Return the part with weights and floating inputs of another type."""
    import torch

    kind = getattr(torch, dtype)
    inputs = {n: t.to(kind) if t.is_floating_point() else t for n, t in part.inputs.items()}
    return replace(part, module=part.module.to(kind), inputs=inputs)
