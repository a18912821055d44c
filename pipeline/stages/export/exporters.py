"""The two exporters of PyTorch, each from an ExportPart to an unoptimised ONNX graph.

Neither is asked to optimise: torch's own step deletes `x + 1e-12` as adding nothing, which turns
the epsilon of a normalisation into NaN, and copies every weight it transposes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from pipeline.stages.export.boundaries import find_boundaries, note_boundaries
from pipeline.stages.export.parts import ExportPart, example_sizes, resized

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the exporters say about themselves; their failures still raise.

    torch prints whole programs beside a failure, which says all that is of use.
    """
    import logging

    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        said = io.StringIO()
        with warnings.catch_warnings(), redirect_stderr(said), redirect_stdout(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Turn off nn.TransformerEncoder's fused path, which no exporter can carry."""
    import torch

    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def export_dynamo(part: ExportPart, opset: int) -> ir.Model:
    """Return the part's graph as torch.export sees it; weights stay the module's own tensors."""
    import torch

    inputs = resized(part, example_sizes(part))
    dynamic = torch.export.Dim.DYNAMIC
    shapes = tuple(dict.fromkeys(part.axes.get(name, {}), dynamic) for name in inputs)
    with plain_kernels(), quiet():
        program = torch.export.export(
            _flat(part.module),
            tuple(inputs.values()),
            dynamic_shapes=(shapes,),
            strict=False,
        )
        exported: Any = torch.onnx.export(
            program,
            opset_version=opset,
            input_names=list(inputs),
            output_names=list(part.outputs),
            custom_translation_table=_translations() if part.capacity else None,
            dynamo=True,
            optimize=False,
            verbose=False,
        )
    model: ir.Model = exported.model
    note_boundaries(model, find_boundaries(program, part))
    return model


def _translations() -> Any:
    from pipeline.stages.export.tensor_scatter import translations

    return translations()


def export_torchscript(part: ExportPart, opset: int) -> ir.Model:
    """Return the part's graph as a trace of one call; weights are attached, not copied."""
    import onnx
    import onnx_ir as ir
    import torch

    inputs = resized(part, example_sizes(part))
    axes = {name: {a: _symbol(e) for a, e in axes.items()} for name, axes in part.axes.items()}
    flat, buffer = _flat(part.module), io.BytesIO()
    with plain_kernels(), quiet():
        if any(isinstance(module, torch.jit.ScriptModule) for module in flat.modules()):
            flat = torch.jit.trace(  # type: ignore[no-untyped-call]
                flat, tuple(inputs.values()), check_trace=False
            )
        torch.onnx.export(
            flat,
            tuple(inputs.values()),
            buffer,  # type: ignore[arg-type]  # in memory: without its weights it is small
            dynamo=False,
            opset_version=min(opset, 20),  # the last this exporter knows
            input_names=list(inputs),
            output_names=list(part.outputs),
            dynamic_axes=axes,
            do_constant_folding=False,
            export_params=False,
            keep_initializers_as_inputs=True,
        )
    model = ir.serde.deserialize_model(onnx.load_from_string(buffer.getvalue()))
    _attach_weights(model, flat)
    return model


def _flat(module: nn.Module) -> nn.Module:
    """Return the module behind a signature of positional tensors, with no path of its own.

    What is returned twice, or was given, is copied: an exporter would name one value twice.
    """
    import torch

    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat = module

        def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            seen = {id(tensor) for tensor in tensors}
            results = []
            for result in self.flat(*tensors):
                results.append(result.clone() if id(result) in seen else result)
                seen.add(id(result))
            return tuple(results)

    return Flat().eval()


def _symbol(expression: str) -> str:
    """Return a name this exporter accepts for a size or a sum of sizes."""
    return expression.replace(" + ", "_plus_")


def _attach_weights(model: ir.Model, flat: nn.Module) -> None:
    """Make the graph inputs that are parameters initializers holding the module's tensors."""
    import onnx_ir as ir
    from onnx_ir.tensor_adapters import TorchTensor

    weights = {**dict(flat.named_parameters()), **dict(flat.named_buffers())}
    graph = model.graph
    for value in list(graph.inputs):
        tensor = weights.get(value.name or "")
        if tensor is None:
            continue
        value.const_value = TorchTensor(tensor.detach(), name=value.name)
        value.shape = ir.Shape(tensor.shape)
        graph.inputs.remove(value)
        graph.register_initializer(value)
