"""A decoder of ours over a cache of fixed size, its own code unchanged.

Its blocks join past and new by torch.cat and take one mask [B, 1, T, L]. The past is given as an
object that answers torch.cat by TensorScatter, and the mask by one that ends at the position each
row writes to. ALiBi's bias falls linearly with the key, so its row may start anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.parts import ExportPart
from pipeline.stages.export.tensor_scatter import tensor_scatter, visible

PAST = "past_key_values."
DEFAULT_CAPACITY = 2048  # positions, where the model allows more


class Buffer:
    """A cache tensor [B, H, C, D] that new entries are written into rather than joined to."""

    def __init__(self, tensor: Tensor, write_indices: Tensor, length: int) -> None:
        self.tensor, self.write_indices = tensor, write_indices
        batch, heads, capacity, width = tensor.shape
        self.shape = (batch, heads, capacity - length, width)  # so that past + new is the capacity

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer torch.cat((buffer, new), dim=2); nothing else is asked of a past."""
        if function is not torch.cat:
            return NotImplemented
        buffer, update = args[0]
        return tensor_scatter(buffer.tensor, update, buffer.write_indices)


class StaticPart(nn.Module):
    """Calls a part whose cache grows with one that does not."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.part, self.names = module, tuple(names)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return logits, then present.N.key and .value of the whole buffers."""
        given = dict(zip(self.names, inputs, strict=True))
        write_indices = given.pop("write_indices")
        length = given["input_ids"].shape[1]
        mask = visible(given["attention_mask"], write_indices, length)
        arguments = [
            Buffer(tensor, write_indices, length) if name.startswith(PAST) else tensor
            for name, tensor in given.items()
        ]

        def replace(_: nn.Module, old: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(mask if _is_mask(value) else value for value in old)

        blocks = self.part.get_submodule("model.blocks")
        hooks = [block.register_forward_pre_hook(replace) for block in blocks.children()]
        try:
            return tuple(self.part(*arguments))
        finally:
            for hook in hooks:
                hook.remove()


def _is_mask(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool and value.dim() == 4


def static_part(part: ExportPart, capacity: int | None) -> ExportPart:
    """Return a decoder-only part over buffers of a fixed capacity.

    Raises:
        UsageError: The model has fewer positions, or is no decoder of this form.
    """
    if not any(name.startswith(PAST) for name in part.inputs) or "source" in part.dims:
        raise UsageError(
            "a static cache is for decoders that generate text",
            where="--kv-cache static",
            fix="leave it out",
        )
    most = part.dims["past"].max + 1
    if capacity is not None and capacity > most:
        raise UsageError(
            f"capacity {capacity} exceeds the model's {most} positions", where="--capacity"
        )
    capacity = capacity or min(DEFAULT_CAPACITY, most)
    new = next(name for axis, name in part.axes["input_ids"].items() if axis == 1)
    inputs = _example(part, capacity)
    axes = {
        name: {axis: size for axis, size in part.axes.get(name, {0: "batch"}).items() if axis == 0}
        for name in inputs
    }
    for name in ("input_ids", "position_ids"):
        if name in inputs:
            axes[name] = {0: "batch", 1: new}
    return ExportPart(
        part.name,
        StaticPart(part.module, tuple(inputs)),
        inputs,
        axes,
        {"batch": part.dims["batch"], new: SizeRange(1, 1, capacity)},
        part.outputs,
        prefix=f"part.{part.prefix}",
        capacity=capacity,
    )


def _example(part: ExportPart, capacity: int) -> dict[str, Tensor]:
    """Return inputs whose rows write after their first entries, one row padded on the left."""
    batch = part.inputs["input_ids"].shape[0]
    write_indices = torch.arange(batch) % 2 + 3
    mask = torch.ones(batch, capacity, dtype=torch.int64)
    mask[-1, :2] = 0
    noise = torch.Generator().manual_seed(1)
    inputs: dict[str, Tensor] = {}
    for name, tensor in part.inputs.items():
        if name.startswith(PAST):
            shape = (batch, tensor.shape[1], capacity, tensor.shape[3])
            inputs[name] = torch.randn(shape, generator=noise).to(tensor.dtype)
        else:
            inputs[name] = mask if name == "attention_mask" else tensor
    first = [name for name in inputs if not name.startswith(PAST)]
    rest = [name for name in inputs if name.startswith(PAST)]
    ordered = {name: inputs[name] for name in first} | {"write_indices": write_indices}
    return ordered | {name: inputs[name] for name in rest}
