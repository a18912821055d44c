"""The ONNX operator TensorScatter as an operator of torch, and its way back into ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


@torch.library.custom_op("pipeline::tensor_scatter", mutates_args=())
def tensor_scatter(past: Tensor, update: Tensor, write_indices: Tensor) -> Tensor:
    """Return past [B, H, C, D] with update [B, H, T, D] written from write_indices [B] on."""
    batch, _, length, _ = update.shape
    positions = write_indices[:, None] + torch.arange(length, device=past.device)  # [B, T]
    index = positions[:, None, :, None].expand(batch, past.shape[1], length, past.shape[3])
    return past.scatter(2, index, update)


@tensor_scatter.register_fake
def _tensor_scatter_shape(past: Tensor, update: Tensor, write_indices: Tensor) -> Tensor:
    return torch.empty_like(past)


def visible(
    attention_mask: Tensor, write_indices: Tensor, length: int, window: int | None = None
) -> Tensor:
    """Return the mask [B, 1, T, C] under which each new token sees entries up to its own.

    Args:
        attention_mask: 1 where an entry counts, [B, C]; what lies beyond the new tokens is unseen.
        write_indices: Where each row's new tokens go, [B].
        length: Of the new tokens, T.
        window: How many entries, its own included, a token sees; None for all.
    """
    device = attention_mask.device
    last = (write_indices[:, None] + torch.arange(length, device=device))[:, None, :, None]
    position = torch.arange(attention_mask.shape[1], device=device)  # [C]
    allowed = position <= last  # [B, 1, T, C]
    if window is not None:
        allowed = allowed & (position > last - window)
    return allowed & attention_mask[:, None, None, :].to(torch.bool)


def translations() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """Return how the dynamo exporter writes the operators defined here."""
    from onnxscript.onnx_opset import opset24 as op

    def scatter(past: Any, update: Any, write_indices: Any) -> Any:
        return op.TensorScatter(past, update, write_indices, axis=-2, mode="linear")

    return {torch.ops.pipeline.tensor_scatter.default: scatter}
