"""A decoder without its cache as an input and output: the past is empty and not returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from pipeline.stages.export.parts import ExportPart, resized

PAST = "past_key_values."


class WithoutCache(nn.Module):
    """Calls a cached decoder with a past of length 0 and keeps its first output."""

    def __init__(self, module: nn.Module, names: Sequence[str], empty: Sequence[Tensor]) -> None:
        super().__init__()
        self.part, self.names = module, tuple(names)
        self.shapes = tuple(tuple(tensor.shape[1:]) for tensor in empty)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of the given tokens."""
        given, batch = dict(zip(self._plain(), inputs, strict=True)), inputs[0].shape[0]
        weight, shapes = next(self.part.parameters()), iter(self.shapes)
        every = [
            weight.new_zeros(batch, *next(shapes)) if name.startswith(PAST) else given[name]
            for name in self.names
        ]
        return (self.part(*every)[0],)

    def _plain(self) -> list[str]:
        return [name for name in self.names if not name.startswith(PAST)]


def without_cache(part: ExportPart) -> ExportPart:
    """Return the part with neither past inputs nor present outputs."""
    sizes = {name: limits.min for name, limits in part.dims.items()} | {"past": 0}
    empty = [tensor for name, tensor in resized(part, sizes).items() if name.startswith(PAST)]
    plain = {name: tensor for name, tensor in part.inputs.items() if not name.startswith(PAST)}
    axes = {
        name: {axis: text.removeprefix("past + ") for axis, text in part.axes[name].items()}
        for name in plain
        if name in part.axes
    }
    return replace(
        part,
        module=WithoutCache(part.module, tuple(part.inputs), empty),
        inputs=plain,
        axes=axes,
        dims={name: limits for name, limits in part.dims.items() if name != "past"},
        outputs=part.outputs[:1],
        prefix=f"part.{part.prefix}",
    )
