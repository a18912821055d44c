"""From an exporter's raw graph to the one we ship: same computation, readable, weights untouched.

inline functions -> short module paths -> merge tied weights -> fold small constants
-> transposed weights by reference -> names, CSE, unused nodes away
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.stages.export.masked_rows import restore_masked_rows

if TYPE_CHECKING:
    import onnx_ir as ir

SCOPES = "pkg.torch.onnx.name_scopes"  # torch's key for the path of modules around a node


def clean_model(model: ir.Model, prefix: str) -> ir.Model:
    """Tidy the graph in place and return it; `prefix` is the user's model inside the part."""
    import onnx_ir.passes.common as passes
    from onnxscript.optimizer import fold_constants

    passes.InlinePass()(model)
    _shorten_paths(model, f"flat.{prefix}" if prefix else "flat")
    passes.IdentityEliminationPass()(model)
    restore_masked_rows(model)
    merge_tied(model)
    for _ in range(2):
        fold_constants(model, should_fold=_should_fold, onnx_shape_inference=True)
        passes.RemoveUnusedNodesPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.LiftSubgraphInitializersToMainGraphPass()(model)
    passes.DeduplicateInitializersPass()(model)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.IdentityEliminationPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.RemoveUnusedFunctionsPass()(model)  # type: ignore[no-untyped-call]
    passes.RemoveUnusedOpsetsPass()(model)
    passes.OutputFixPass()(model)
    passes.NameFixPass()(model)
    model.producer_name, model.producer_version = "pipeline", None
    model.doc_string, model.graph.doc_string = None, None
    return model


def _should_fold(node: ir.Node) -> bool | None:
    """Return False for a transposed weight, which `transpose_by_reference` takes, else None."""
    if node.op_type == "Transpose" and _is_weight(node.inputs[0]):
        return False
    return None


def _is_weight(value: ir.Value | None) -> bool:
    return value is not None and value.is_initializer() and torch_data(value) is not None


def torch_data(value: ir.Value) -> Any | None:
    """Return the torch tensor behind an initializer, None where it is another kind of constant."""
    import torch

    raw = getattr(value.const_value, "raw", None)
    return raw if isinstance(raw, torch.Tensor) else None


def _shorten_paths(model: ir.Model, prefix: str) -> None:
    """Keep one metadata key, the module path, with the wrapper's own levels cut off."""
    for node in model.graph.all_nodes():
        scopes = node.metadata_props.get(SCOPES) or _scopes_from_name(node.name or "")
        node.metadata_props.clear()
        node.doc_string = None
        node.metadata_props[SCOPES] = str(shorten_scopes(_parse(scopes), prefix))
    graph = model.graph
    for value in list(graph.initializers.values()):
        name = value.name or ""
        short = _cut(name, prefix)
        if short and short != name and short not in graph.initializers:
            value.name = short
    for value in _values(model):
        value.metadata_props.clear()


def _parse(scopes: str) -> list[str]:
    try:
        parsed = ast.literal_eval(scopes)
    except (ValueError, SyntaxError):
        return []
    return [str(item) for item in parsed] if isinstance(parsed, list) else []


def shorten_scopes(scopes: Iterable[str], prefix: str) -> list[str]:
    """Return the module paths relative to the user's model, its root written ''."""
    short: list[str] = []
    for scope in ("", *scopes):
        cut = "" if scope.startswith("_empty_nn_module_stack") else _cut(scope, prefix)
        if cut or not short:
            short.append(cut)
    return short


def _cut(path: str, prefix: str) -> str:
    while prefix:
        if path == prefix:
            return ""
        if path.startswith(prefix + "."):
            return path[len(prefix) + 1 :]
        prefix = prefix.rpartition(".")[0]
    return path


def _scopes_from_name(name: str) -> str:
    """Return the module paths of a TorchScript node, whose name lists them: /a/a.b/MatMul."""
    parts = [part for part in name.split("/") if part]
    paths: list[str] = []
    for part in parts[:-1]:
        paths.append(f"{paths[-1]}.{part}" if paths else part)
    return str(["", *paths, *parts[-1:]])


def merge_tied(model: ir.Model) -> int:
    """Make initializers that are the same memory one initializer; return how many went."""
    seen: dict[Any, ir.Value] = {}
    merged = 0
    for name, value in list(model.graph.initializers.items()):
        key = storage_key(value)
        if key is None:
            continue
        first = seen.setdefault(key, value)
        if first is not value:
            value.replace_all_uses_with(first, replace_graph_outputs=True)
            del model.graph.initializers[name]
            merged += 1
    return merged


def storage_key(value: ir.Value) -> tuple[Any, ...] | None:
    """Return what identifies the memory and its layout, None where torch does not hold it."""
    tensor = torch_data(value)
    if tensor is None or tensor.numel() == 0:
        return None
    return (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)


def transpose_by_reference(models: Iterable[ir.Model]) -> int:
    """Replace Transpose(weight) by the weight's transposed view; return how many.

    Nothing is copied: the view is written out row by row when the file is. A weight that any
    part also reads as it is (a tied embedding) keeps its Transpose, so that it is stored once.
    """
    graphs = [model.graph for model in models]
    direct = {
        storage_key(value)
        for graph in graphs
        for value in graph.initializers.values()
        if any(node.op_type != "Transpose" for node in value.consumers())
    }
    count = 0
    for graph in graphs:
        for node in list(graph):
            source = node.inputs[0] if node.op_type == "Transpose" else None
            if source is None or not _is_weight(source) or storage_key(source) in direct:
                continue
            _replace_by_view(graph, node, source)
            count += 1
    return count


def _replace_by_view(graph: ir.Graph, node: ir.Node, source: ir.Value) -> None:
    import onnx_ir as ir
    from onnx_ir.tensor_adapters import TorchTensor

    weight = torch_data(source)
    assert weight is not None
    permutation = node.attributes.get("perm")
    order = list(permutation.as_ints()) if permutation else list(range(weight.dim()))[::-1]
    if order == sorted(order):
        node.outputs[0].replace_all_uses_with(source, replace_graph_outputs=True)
        graph.remove(node, safe=True)
        return
    name = f"{source.name}.T" if order == [1, 0] else f"{source.name}.permuted{order}"
    view = graph.initializers.get(name)
    if view is None:
        tensor = TorchTensor(weight.detach().permute(order), name=name)
        view = ir.Value(name=name, const_value=tensor)
        view.shape, view.type = ir.Shape(tensor.shape), ir.TensorType(tensor.dtype)
        graph.register_initializer(view)
    node.outputs[0].replace_all_uses_with(view, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    if not source.uses():
        graph.initializers.pop(source.name or "", None)


def _values(model: ir.Model) -> Iterable[ir.Value]:
    yield from model.graph.inputs
    yield from model.graph.initializers.values()
    for node in model.graph.all_nodes():
        yield from node.outputs


def name_sizes(
    model: ir.Model,
    axes: Mapping[str, Mapping[int, str]],
    outputs: Mapping[str, Sequence[int | str]],
) -> None:
    """Give inputs the sizes named in `axes`, outputs their shapes, and what lies between the same.

    Sizes an exporter invented and that no axis explains are dropped from intermediate shapes.
    """
    import onnx_ir as ir

    known: dict[str, str] = {}
    for value in model.graph.inputs:
        for axis, expression in axes.get(value.name or "", {}).items():
            dim = value.shape[axis] if value.shape is not None else None
            if isinstance(dim, ir.SymbolicDim):
                known.setdefault(str(dim.value), expression)
    for value in _values(model):
        if value.shape is not None and not value.is_initializer():
            value.shape = ir.Shape([_renamed(dim, known) for dim in value.shape])
    for value in model.graph.inputs:
        if value.shape is not None:
            dims: list[Any] = list(value.shape)
            for axis, expression in axes.get(value.name or "", {}).items():
                dims[axis] = expression
            value.shape = ir.Shape(dims)
    for value in model.graph.outputs:
        value.shape = ir.Shape(outputs[value.name or ""])


def _renamed(dim: Any, known: Mapping[str, str]) -> int | str | None:
    if isinstance(dim, int):
        return dim
    text = str(dim.value) if dim.value is not None else ""
    names = set(re.findall(r"[A-Za-z_]\w*", text))
    if not text or not names <= known.keys():
        return None
    return re.sub(r"[A-Za-z_]\w*", lambda m: known[m.group()], text)
