"""What a file declares of its tensors: types, sizes and the names of sizes."""

from __future__ import annotations

import ast
from functools import lru_cache

import onnx_ir as ir

from pipeline.graph.inference.call import Info
from pipeline.graph.sizes.dims import Dim

_OPEN = Dim.of("$")  # a declared size that says nothing


def declared_info(graph: ir.Graph) -> dict[ir.Value, Info]:
    """Return what the file declares of inputs and, where names are already known, of the rest.

    A name means the same size wherever it occurs. An input axis without a name gets one of its
    own. Names that no input declares say nothing, since exporters number them freely.
    """
    result: dict[ir.Value, Info] = {}
    names = {
        d.value
        for v in graph.inputs
        if v.shape is not None
        for d in v.shape
        if isinstance(d, ir.SymbolicDim) and d.value
    }
    plain = frozenset(n for n in names if n.isidentifier())
    for value in graph.inputs:
        result[value] = Info(_input_shape(value, plain), value.dtype)
    for node in graph:
        for value in node.outputs:
            if value.dtype is None and value.shape is None:
                continue
            shape = None if value.shape is None else _known_shape(value.shape, plain)
            result[value] = Info(shape, value.dtype)
    return result


def _input_shape(value: ir.Value, names: frozenset[str]) -> tuple[Dim, ...] | None:
    if value.shape is None:
        return None
    dims = []
    for axis, dim in enumerate(value.shape):
        if isinstance(dim, int):
            dims.append(Dim.of(dim))
        elif not dim.value:
            dims.append(Dim.of(f"{value.name}.{axis}"))
        else:
            dims.append(parse_dim(dim.value, names) or Dim.of(dim.value.lstrip("$?") or "size"))
    return tuple(dims)


def _known_shape(shape: ir.Shape, names: frozenset[str]) -> tuple[Dim, ...]:
    dims = []
    for dim in shape:
        known = Dim.of(dim) if isinstance(dim, int) else parse_dim(dim.value or "", names)
        dims.append(known if known is not None else _OPEN)
    return tuple(dims)


@lru_cache(maxsize=1024)
def parse_dim(text: str, names: frozenset[str]) -> Dim | None:
    """Return a declared size such as `past + seq` as a Dim, None if it uses other names."""
    if len(text) > 200:
        return None
    try:
        return _term(ast.parse(text, mode="eval").body, names, 0)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _term(node: ast.expr, names: frozenset[str], depth: int) -> Dim | None:
    if depth > 30:
        return None
    if isinstance(node, ast.Name):
        return Dim.of(node.id) if node.id in names else None
    if isinstance(node, ast.Constant):
        return Dim.of(node.value) if type(node.value) is int and node.value < 2**40 else None
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _term(node.left, names, depth + 1), _term(node.right, names, depth + 1)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.FloorDiv) and right != 0:
        return left // right
    return None
