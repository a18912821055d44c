"""A decoder over a cache of fixed size: each step writes its keys and values into the buffer.

    present = TensorScatter(past, update, write_indices)     opset 24, in place on TensorRT
    query q of row b sees position k  <=>  attention_mask[b, k] and k <= write_indices[b] + q

Source: ONNX operator TensorScatter-24; TensorRT reads it as its KV-cache update layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import CacheLayerMixin, DynamicCache

from pipeline.errors import ExportError, UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.hf_inputs import BATCH, parameters
from pipeline.stages.export.hf_wrappers import KINDS, flat_cache, given_cache, returned_cache
from pipeline.stages.export.parts import ExportPart
from pipeline.stages.export.tensor_scatter import tensor_scatter, visible

PAST = "past_key_values."
DEFAULT_CAPACITY = 2048  # positions, where the model allows more
FIRST = (3, 4)  # where the example rows write


class ScatterLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """A layer of the cache: a buffer, and where each row's new entries go."""

    is_compileable, is_sliding = True, False

    def __init__(self, keys: Tensor, values: Tensor, write_indices: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys: Tensor
        self.values: Tensor
        self.keys, self.values, self.write_indices = keys, values, write_indices
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Do nothing: the buffers are given."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new keys and values, and return the whole buffers."""
        self.keys = tensor_scatter(self.keys, key_states, self.write_indices)
        self.values = tensor_scatter(self.values, value_states, self.write_indices)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the length keys always have, and that it starts at position 0."""
        return self.keys.shape[2], 0

    def get_seq_length(self) -> int:
        """Return 0: positions are given, never counted."""
        return 0

    def get_max_length(self) -> int:
        """Return the buffer's positions."""
        return int(self.keys.shape[2])


class StaticDecoder(nn.Module):
    """A decoder step of any length over buffers of one fixed length."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.windows = mask_windows(model.config)
        self.additive = model.config._attn_implementation == "eager"

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor,
        write_indices: Tensor,
        *past: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return logits, then present.N.key and .value of the whole buffers."""
        cache = DynamicCache()
        for key, value in zip(past[0::2], past[1::2], strict=True):
            cache.layers.append(ScatterLayer(key, value, write_indices))
        masks = {
            kind: self._typed(
                visible(attention_mask, write_indices, input_ids.shape[1], window)  # [B, 1, T, C]
            )
            for kind, window in self.windows.items()
        }
        result = self.model(
            input_ids=input_ids,
            attention_mask=masks if len(masks) > 1 else next(iter(masks.values())),
            position_ids=position_ids,
            use_cache=True,
            **given_cache(self.model, cache),
        )
        return result.logits, *flat_cache(returned_cache(result))

    def _typed(self, allowed: Tensor) -> Tensor:
        """Return the mask in the form the model's attention takes it."""
        if not self.additive:
            return allowed
        dtype = self.model.dtype
        zero = torch.zeros((), dtype=dtype, device=allowed.device)
        return zero.masked_fill(~allowed, torch.finfo(dtype).min)


def mask_windows(config: Any) -> dict[str, int | None]:
    """Return the kinds of mask the model's layers want, each with its window or None."""
    window = getattr(config, "sliding_window", None)
    if getattr(config, "use_sliding_window", True) is False:
        window = None
    kinds = dict.fromkeys(getattr(config, "layer_types", None) or ())
    if len(kinds) > 1:
        return {kind: window if "sliding" in kind else None for kind in kinds}
    return {"only": window}


def static_decoder_part(model: Any, part: ExportPart, capacity: int | None) -> ExportPart:
    """Return the decoder of `part` over a cache of fixed capacity.

    Raises:
        UsageError: The model has fewer positions than the capacity asked for.
        ExportError: The model counts positions itself.
    """
    if not {"position_ids", "attention_mask"} <= parameters(model):
        raise ExportError(
            f"{type(model).__name__} takes no position_ids: it counts them off a growing cache",
            where="--kv-cache static",
            fix="export with --kv-cache concat",
        )
    most = part.dims["past"].max + 1
    if capacity is not None and capacity > most:
        raise UsageError(
            f"capacity {capacity} exceeds the model's {most} positions", where="--capacity"
        )
    capacity = capacity or min(DEFAULT_CAPACITY, most)
    inputs = _example(part, capacity)
    caches = [name for name in inputs if name.startswith(PAST)]
    axes = {"input_ids": {0: "batch", 1: "seq"}, "position_ids": {0: "batch", 1: "seq"}}
    axes |= {name: {0: "batch"} for name in ("attention_mask", "write_indices", *caches)}
    return ExportPart(
        part.name,
        StaticDecoder(model),
        inputs,
        axes,
        {"batch": part.dims["batch"], "seq": SizeRange(1, 1, capacity)},
        part.outputs,
        capacity=capacity,
    )


def _example(part: ExportPart, capacity: int) -> dict[str, Tensor]:
    """Return inputs whose rows write after their first entries, the last row padded on the left."""
    ids = part.inputs["input_ids"]
    write_indices = torch.tensor(FIRST)
    mask = torch.ones(BATCH, capacity, dtype=torch.int64)
    mask[-1, :2] = 0
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": write_indices[:, None] + torch.arange(ids.shape[1]),
        "write_indices": write_indices,
    }
    noise = torch.Generator().manual_seed(1)
    for name, tensor in part.inputs.items():
        if name.startswith(PAST) and name.endswith(KINDS):
            shape: Sequence[int] = (BATCH, tensor.shape[1], capacity, tensor.shape[3])
            inputs[name] = torch.randn(shape, generator=noise).to(tensor.dtype)
    return inputs
