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
    positions = write_indices[:, None] + torch.arange(length)  # [B, T]
    index = positions[:, None, :, None].expand(batch, past.shape[1], length, past.shape[3])
    return past.scatter(2, index, update)


@tensor_scatter.register_fake
def _tensor_scatter_shape(past: Tensor, update: Tensor, write_indices: Tensor) -> Tensor:
    return torch.empty_like(past)


def translations() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """Return how the dynamo exporter writes the operators defined here."""
    from onnxscript.onnx_opset import opset24 as op

    def scatter(past: Any, update: Any, write_indices: Any) -> Any:
        return op.TensorScatter(past, update, write_indices, axis=-2, mode="linear")

    return {torch.ops.pipeline.tensor_scatter.default: scatter}
