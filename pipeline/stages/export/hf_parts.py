"""The parts of a Hugging Face model for its task: one call, or a cached decoder, or both halves."""

from __future__ import annotations

from typing import Any

import torch

from pipeline.errors import ExportError, UsageError, first_line
from pipeline.records.tensors import SizeRange
from pipeline.stages.export import hf_wrappers as wrappers
from pipeline.stages.export.hf_inputs import (
    BATCH,
    LENGTH,
    Inputs,
    example_ids,
    lengths,
    model_inputs,
    padded_mask,
    parameters,
    past_lengths,
)
from pipeline.stages.export.options import KvCache
from pipeline.stages.export.parts import ExportPart, free_names
from pipeline.stages.export.static_cache import static_decoder_part

PAST = 5  # positions of the example cache
SEQ2SEQ = ("text2text-generation", "translation", "automatic-speech-recognition")
# What a result also carries, that is no answer: caches, and states kept for study.
NOT_OUTPUTS = ("loss", *wrappers.CACHE_NAMES, "hidden_states", "attentions",
               "decoder_hidden_states", "decoder_attentions", "cross_attentions",
               "encoder_hidden_states", "encoder_attentions",
               "reshaped_hidden_states")  # fmt: skip


def model_parts(model: Any, task: str, kv_cache: KvCache, capacity: int | None) -> list[ExportPart]:
    """Return what is exported of the model, the encoder first where there are two halves."""
    if kv_cache == "static" and task != "text-generation":
        raise UsageError(
            f"a static cache is for decoders that generate text, this is {task}",
            where="--kv-cache static",
            fix="leave it out",
        )
    if task == "text-generation":
        if kv_cache == "none":
            return [_uncached_decoder(model)]
        part = decoder_part(model)
        return [static_decoder_part(model, part, capacity) if kv_cache == "static" else part]
    if task in SEQ2SEQ and getattr(model.config, "is_encoder_decoder", False):
        return _two_halves(model, cached=kv_cache != "none")
    return [_single(model, task)]


def _single(model: Any, task: str) -> ExportPart:
    """Return the whole model as one call."""
    inputs = model_inputs(model, task)
    try:
        with torch.no_grad():
            result = model(**inputs.tensors)
    except Exception as err:
        raise ExportError(
            f"the model fails on example inputs: {type(err).__name__}: {first_line(err)}",
            where=f"{type(model).__name__}({', '.join(inputs.tensors)})",
            fix="name another --task, or wrap it in a function with inputs it takes",
        ) from err
    outputs = tuple(
        name
        for name, value in result.items()
        if isinstance(value, torch.Tensor) and name not in NOT_OUTPUTS
    )
    module = wrappers.OneCall(model, list(inputs.tensors), outputs)
    names = free_names(outputs, inputs.tensors)
    return ExportPart("model", module, inputs.tensors, inputs.axes, inputs.dims, names)


def _uncached_decoder(model: Any) -> ExportPart:
    """Return a decoder over all of its tokens at once."""
    inputs = decoder_inputs(model, 0)
    inputs.dims["seq"] = lengths(model)
    module = wrappers.OneCall(model, list(inputs.tensors), ("logits",), use_cache=False)
    return ExportPart("model", module, inputs.tensors, inputs.axes, inputs.dims, ("logits",))


def decoder_inputs(model: Any, past: int = PAST) -> Inputs:
    """Return input_ids, attention_mask over past and new, and position_ids where taken."""
    inputs, config = Inputs(), model.config
    total = "past + seq" if past else "seq"
    inputs.add("input_ids", example_ids(config, BATCH, LENGTH), axis_0="batch", axis_1="seq")
    mask = torch.ones(BATCH, past + LENGTH, dtype=torch.int64)
    mask[-1, :2] = 0  # padding on the left, as generation in batches has it
    inputs.add("attention_mask", mask, axis_0="batch", axis_1=total)
    if "position_ids" in parameters(model):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, past:]
        inputs.add("position_ids", positions, axis_0="batch", axis_1="seq")
    inputs.dims["seq"] = SizeRange(1, 1, lengths(model).max)
    return inputs


def decoder_part(model: Any) -> ExportPart:
    """Return a decoder whose one graph does prefill and decode, over a growing cache."""
    inputs = decoder_inputs(model)
    names = list(inputs.tensors)
    shape = _cache_shape(model)
    past = shape.names("past_key_values")
    for name, tensor in zip(past, shape.example(BATCH, PAST, model.dtype), strict=True):
        inputs.add(name, tensor, axis_0="batch", axis_2="past")
    inputs.dims["past"] = past_lengths(model)
    return ExportPart(
        "model",
        wrappers.CachedDecoder(model, names),
        inputs.tensors,
        inputs.axes,
        inputs.dims,
        ("logits", *shape.names("present")),
    )


def _cache_shape(model: Any) -> wrappers.CacheShape:
    """Return the shape of the cache the model itself makes.

    Raises:
        ExportError: It has none of the kind that can be an input of a graph.
    """
    try:
        with torch.no_grad():
            result = model(input_ids=example_ids(model.config, 1, 2), use_cache=True)
        return wrappers.cache_shape(wrappers.returned_cache(result))
    except (TypeError, AttributeError) as err:
        raise ExportError(
            f"the model has no key-value cache that a graph could take: {err}",
            where=type(model).__name__,
            fix="export it with --kv-cache none",
        ) from err


def _two_halves(model: Any, cached: bool) -> list[ExportPart]:
    """Return encoder and decoder; cached, the encoder also makes the cross-attention's cache."""
    source = _encoder_inputs(model)
    names, width = list(source.tensors), 0
    with torch.no_grad():
        states = wrappers.CrossEncoder(model, names, cached)(*source.tensors.values())
    width, frames = states[0].shape[-1], states[0].shape[1]
    cross_shape = wrappers.CacheShape(tuple((t.shape[1], t.shape[3]) for t in states[1:]))
    cross = cross_shape.names("cross")
    encoder = ExportPart(
        "encoder",
        wrappers.CrossEncoder(model, names, cached),
        source.tensors,
        source.axes,
        source.dims,
        ("last_hidden_state", *cross),
    )
    target = Inputs()
    ids = example_ids(model.config, BATCH, LENGTH)
    target.add("input_ids", ids, axis_0="batch", axis_1="target")
    target.dims["target"] = SizeRange(1, 1, lengths(model).max)
    length = {"source": "source"} if "attention_mask" in names else {}
    if length:
        target.add("attention_mask", padded_mask(BATCH, LENGTH), axis_0="batch", axis_1="source")
        target.dims["source"] = source.dims["source"]
        frames = LENGTH
    plain = list(target.tensors)
    if not cached:
        return [encoder, _plain_decoder(model, target, plain, width, frames, bool(length))]
    return [encoder, _cross_decoder(model, target, plain, width, frames, cross_shape)]


def _encoder_inputs(model: Any) -> Inputs:
    """Return the encoder's inputs: text with its mask, or sound."""
    if "input_ids" not in parameters(model):
        inputs = model_inputs(model, "automatic-speech-recognition")
        del inputs.tensors["decoder_input_ids"], inputs.axes["decoder_input_ids"]
        del inputs.dims["target"]
        return inputs
    inputs, config = Inputs(), model.config
    inputs.add("input_ids", example_ids(config, BATCH, LENGTH), axis_0="batch", axis_1="source")
    inputs.add("attention_mask", padded_mask(BATCH, LENGTH), axis_0="batch", axis_1="source")
    inputs.dims["source"] = lengths(model)
    return inputs


def _plain_decoder(
    model: Any, target: Inputs, plain: list[str], width: int, frames: int, dynamic: bool
) -> ExportPart:
    memory = wrappers.CacheShape(((1, width),)).example(BATCH, frames, model.dtype)[0][:, 0]
    axes = {"axis_0": "batch", **({"axis_1": "source"} if dynamic else {})}
    target.add("encoder_hidden_states", memory, **axes)
    module = wrappers.PlainDecoder(model, plain)
    return ExportPart("decoder", module, target.tensors, target.axes, target.dims, ("logits",))


def _cross_decoder(
    model: Any,
    target: Inputs,
    plain: list[str],
    width: int,
    frames: int,
    cross_shape: wrappers.CacheShape,
) -> ExportPart:
    with torch.no_grad():
        memory = torch.zeros(1, frames, width, dtype=model.dtype)
        result = model(
            encoder_outputs=wrappers.Encoded(last_hidden_state=memory),
            decoder_input_ids=example_ids(model.config, 1, 2),
            use_cache=True,
        )
    shape = wrappers.cache_shape(wrappers.returned_cache(result).self_attention_cache)
    for name, tensor in zip(
        shape.names("past_key_values"), shape.example(BATCH, PAST, model.dtype), strict=True
    ):
        target.add(name, tensor, axis_0="batch", axis_2="past")
    dynamic = {"axis_2": "source"} if "source" in target.dims else {}
    for name, tensor in zip(
        cross_shape.names("cross"), cross_shape.example(BATCH, frames, model.dtype), strict=True
    ):
        target.add(name, tensor, axis_0="batch", **dynamic)
    target.dims["past"] = past_lengths(model)
    return ExportPart(
        "decoder",
        wrappers.CrossDecoder(model, plain, len(shape.heads) // 2, width),
        target.tensors,
        target.axes,
        target.dims,
        ("logits", *shape.names("present")),
    )
