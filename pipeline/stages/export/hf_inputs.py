"""Example inputs of a Hugging Face model, from its forward signature and its configuration."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.parts import Axes

BATCH, LENGTH = 2, 7  # of the examples; they are resized before use
BATCHES = SizeRange(1, 1, 16)
LONGEST = 4096  # the largest size suggested to an engine where the model allows more


@dataclass
class Inputs:
    """Inputs by name, what their axes are called, and how far those may go."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    axes: Axes = field(default_factory=dict)
    dims: dict[str, SizeRange] = field(default_factory=lambda: {"batch": BATCHES})

    def add(self, name: str, tensor: Tensor, **axes: str) -> None:
        """Add one input; axes are written axis_0="batch"."""
        self.tensors[name] = tensor
        self.axes[name] = {int(key.removeprefix("axis_")): value for key, value in axes.items()}


def setting(config: Any, *names: str, default: Any = None) -> Any:
    """Return the first of these settings the configuration, or its text or vision half, has."""
    halves = ("text_config", "vision_config", "audio_config")
    for part in (config, *(getattr(config, half, None) for half in halves)):
        for name in names:
            value = getattr(part, name, None)
            if value is not None:
                return value
    return default


def parameters(module: nn.Module) -> set[str]:
    """Return the names of the arguments of the module's forward."""
    return set(inspect.signature(module.forward).parameters)


def longest_input(model: nn.Module) -> int:
    """Return how many positions a text may have, a long one where nothing limits it."""
    return max(known_positions(model) or LONGEST, 4)


def known_positions(model: nn.Module) -> int | None:
    """Return how many positions a model has: the configuration's, less a padding offset.

    Tables that reserve rows up to their padding id (RoBERTa's) have that many fewer positions.
    None where the configuration names no number.
    """
    names = ("max_target_positions", "max_position_embeddings", "n_positions")
    limit: int | None = setting(model.config, *names, default=None)
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith("position_embeddings"):
            limit = min(limit or module.num_embeddings, module.num_embeddings)
            if module.padding_idx is not None:
                limit -= module.padding_idx + 1
    return limit


def lengths(model: nn.Module) -> SizeRange:
    """Return the range of a text's length."""
    longest = min(longest_input(model), LONGEST)
    return SizeRange(1, min(128, longest), longest)


def past_lengths(model: nn.Module) -> SizeRange:
    """Return the range of a cache's length: one position is left for a new token."""
    most = lengths(model).max - 1
    return SizeRange(0, min(128, most), most)


def example_ids(config: Any, *shape: int) -> Tensor:
    """Return seeded ids inside the vocabulary that avoid the special ones where they can."""
    vocabulary = int(setting(config, "vocab_size", default=32))
    told = [setting(config, f"{kind}_token_id") for kind in ("pad", "eos", "bos")]
    told.append(getattr(config, "decoder_start_token_id", None))
    special = {i for ids in told for i in (ids if isinstance(ids, list) else [ids])}
    allowed = [i for i in range(min(vocabulary, 4096)) if i not in special] or [0]
    noise = torch.Generator().manual_seed(0)
    return torch.tensor(allowed)[torch.randint(len(allowed), shape, generator=noise)]


def padded_mask(*shape: int) -> Tensor:
    """Return a mask of ones whose last row ends in padding."""
    mask = torch.ones(shape, dtype=torch.int64)
    mask[-1, ..., -2:] = 0
    return mask


def model_inputs(model: Any, task: str) -> Inputs:
    """Return the inputs of one call: text, image or audio, whatever forward takes.

    Raises:
        UsageError: Its main input is of a kind nothing is known about.
    """
    accepted, config, inputs = parameters(model), model.config, Inputs()
    main = getattr(model, "main_input_name", "input_ids")
    if "input_ids" in accepted:
        _add_text(inputs, model, accepted, task)
    if "pixel_values" in accepted:
        _add_image(inputs, model)
    if "input_features" in accepted:
        _add_spectrogram(inputs, config)
    if "input_values" in accepted:
        _add_audio(inputs, model)
    if main not in inputs.tensors:
        raise UsageError(
            f"the model takes {main!r}, and nothing is known about its shape",
            where=type(model).__name__,
            fix="wrap it in a function that returns the model and example inputs",
        )
    halves = getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in accepted
    if halves and task in ("feature-extraction", "automatic-speech-recognition"):
        ids = example_ids(config, BATCH, LENGTH - 2)
        inputs.add("decoder_input_ids", ids, axis_0="batch", axis_1="target")
        inputs.dims["target"] = lengths(model)
    return inputs


def _add_text(inputs: Inputs, model: Any, accepted: set[str], task: str) -> None:
    config = model.config
    shape = (BATCH, 3, LENGTH) if task == "multiple-choice" else (BATCH, LENGTH)
    names = {0: "batch", 1: "choices", 2: "seq"} if len(shape) == 3 else {0: "batch", 1: "seq"}
    axes = {f"axis_{axis}": name for axis, name in names.items()}
    inputs.add("input_ids", example_ids(config, *shape), **axes)
    if "attention_mask" in accepted:
        inputs.add("attention_mask", padded_mask(*shape), **axes)
    if "token_type_ids" in accepted and int(setting(config, "type_vocab_size", default=0)) > 1:
        types = torch.zeros(shape, dtype=torch.int64)
        types[..., 3:] = 1
        inputs.add("token_type_ids", types, **axes)
    inputs.dims["seq"] = lengths(model)
    if len(shape) == 3:
        inputs.dims["choices"] = SizeRange(2, 4, 8)


def _noise(model_dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(model_dtype)


def _add_image(inputs: Inputs, model: Any) -> None:
    size = setting(model.config, "image_size", default=224)
    height, width = (size, size) if isinstance(size, int) else (size[0], size[1])
    channels = int(setting(model.config, "num_channels", default=3))
    inputs.add("pixel_values", _noise(model.dtype, BATCH, channels, height, width), axis_0="batch")


def _add_spectrogram(inputs: Inputs, config: Any) -> None:
    frames = 2 * int(setting(config, "max_source_positions", default=1500))
    bins = int(setting(config, "num_mel_bins", "feature_size", default=80))
    inputs.add("input_features", _noise(torch.float32, BATCH, bins, frames), axis_0="batch")


def _add_audio(inputs: Inputs, model: Any) -> None:
    """Add a waveform, longer than what the convolutions in front take; or a spectrogram."""
    config = model.config
    kernels, strides = setting(config, "conv_kernel") or [], setting(config, "conv_stride") or []
    bins = setting(config, "num_mel_bins")
    if not kernels and bins:
        frames = int(setting(config, "max_length", default=1024))
        inputs.add("input_values", _noise(torch.float32, BATCH, frames, int(bins)), axis_0="batch")
        return
    told = list(zip(kernels, strides, strict=False))
    least = max(2 * _shortest(told), 2 * _shortest(_convolutions(model)), 400)
    inputs.add("input_values", _noise(torch.float32, BATCH, least), axis_0="batch", axis_1="time")
    inputs.dims["time"] = SizeRange(least, 16_000, 16_000 * 30)


def _convolutions(model: nn.Module) -> list[tuple[int, int]]:
    """Return (kernel, stride) of what shortens a signal, in the order of the modules."""
    return [
        (module.kernel_size[0], module.stride[0])
        for module in model.modules()
        if isinstance(module, nn.Conv1d) and module.padding == (0,)
    ]


def _shortest(convolutions: Sequence[tuple[int, int]]) -> int:
    """Return how many samples give one frame."""
    least = 1
    for kernel, stride in reversed(convolutions):
        least = (least - 1) * stride + kernel
    return least
