"""Recognises linear sites: products with constant matrices, and tables read by index.

    MatMul(x, W)   Gemm(x, W, b)   MatMul(x, W^T) + b      W float32, stored
    Gather(W, i)                                           axis 0

Anchor: MatMul, Gemm or Gather. A bias that is added to the result alone belongs to the site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.linear.site import LinearSite, TableSite
from pipeline.fusion.refusal import Kind, Refusal, Step
from pipeline.graph.inference.facts import Facts
from pipeline.operators import RESHAPES

STEPS = 5  # with the two of all lowerings
KIND = Step(1, STEPS, "whether a float32 matrix is stored", "optimize from a float32 export")
LARGE = Step(2, STEPS, "whether the table is worth it", "nothing to do: it is small")
TABLE_BYTES = 1 << 20
# One value in, one value out: a head stays one through them.
_ONWARD = RESHAPES | {"Transpose", "Slice", "Identity", "Cast", "Add", "Mul", "Div", "Tanh"}


def find_linears(graph: ir.Graph, facts: Facts) -> Iterator[LinearSite | Refusal]:
    """Yield every product with a stored matrix."""
    for node in anchors(graph):
        if node.domain or node.op_type not in ("MatMul", "Gemm") or len(node.inputs) < 2:
            continue
        found = _product(node, facts)
        if found is not None:
            yield found


def find_tables(graph: ir.Graph, facts: Facts) -> Iterator[TableSite | Refusal]:
    """Yield every table of which rows are taken by index."""
    for node in anchors(graph):
        table = node.inputs[0] if node.op_type == "Gather" and not node.domain else None
        shape = facts.shape(table)
        if table is None or not _stored(table) or shape is None or len(shape) != 2:
            continue
        tensor, indices = table.const_value, node.inputs[1]
        assert tensor is not None  # it is stored
        if not tensor.dtype.is_floating_point() or indices is None or facts.is_const(indices):
            continue
        if node.attributes.get_int("axis", 0) % 2:
            continue
        ends = (node.outputs[0],)
        site = TableSite(node, frozenset({node}), ends, table=table, indices=indices)
        if tensor.dtype != ir.DataType.FLOAT:
            yield Refusal(node, site.form, KIND, f"its values are {tensor.dtype}", node)
        elif tensor.nbytes < TABLE_BYTES:
            said = f"it holds {tensor.nbytes} bytes, below {TABLE_BYTES}"
            yield Refusal(node, site.form, LARGE, said, node, kind=Kind.LEFT_PLAIN)
        else:
            yield site


def with_noise(site: LinearSite, noise: Mapping[str, float]) -> LinearSite:
    """Return the site with what rounding its input would err."""
    return replace(site, noise=noise.get(site.x.name or ""))


def _product(node: ir.Node, facts: Facts) -> LinearSite | Refusal | None:
    x, right = node.inputs[0], node.inputs[1]
    if x is None or right is None or facts.is_const(x):
        return None
    weight, turned = _weight(right, facts)
    shape, dims = facts.shape(weight) if weight is not None else None, facts.shape(x)
    if weight is None or shape is None or len(shape) != 2 or dims is None or len(dims) < 2:
        return None
    tensor = weight.const_value
    assert tensor is not None
    if not tensor.dtype.is_floating_point():
        return None
    gemm = node.op_type == "Gemm"
    if gemm and not _plain(node):
        said = "a Gemm that scales or transposes what it multiplies"
        return Refusal(node, "product", KIND, said, node)
    if tensor.dtype != ir.DataType.FLOAT or facts.dtype(x) != ir.DataType.FLOAT:
        said = f"weights are {tensor.dtype}, activations {facts.dtype(x)}"
        return Refusal(node, "product", KIND, said, node)
    by_rows = turned != (gemm and node.attributes.get_int("transB", 0) == 1)
    inner, columns = (int(d) for d in (tensor.shape[::-1] if by_rows else tensor.shape))  # type: ignore[arg-type]
    nodes, output, bias = _with_bias(node, columns, facts)
    if gemm and len(node.inputs) > 2 and node.inputs[2] is not None and bias is None:
        return Refusal(node, "product", KIND, "a Gemm whose C is no stored vector", node)
    return LinearSite(
        node, nodes, (output,), x=x, weight=weight, by_rows=by_rows, bias=bias,
        head=_leads_out(output), inner=inner, columns=columns,
    )  # fmt: skip


def _weight(value: ir.Value, facts: Facts) -> tuple[ir.Value | None, bool]:
    """Return the stored matrix behind a factor, and whether it is transposed on the way."""
    node = value.producer()
    if node is not None and node.op_type == "Transpose" and not node.domain:
        rank = len(facts.shape(value) or ())
        source = node.inputs[0]
        if rank == 2 and source is not None and _stored(source):
            return source, list(node.attributes.get_ints("perm", [1, 0])) == [1, 0]
    return (value, False) if _stored(value) else (None, False)


def _stored(value: ir.Value) -> bool:
    return value.is_initializer() and value.const_value is not None and not value.is_graph_input()


def _plain(node: ir.Node) -> bool:
    get = node.attributes.get_float
    return (
        get("alpha", 1.0) == 1.0
        and get("beta", 1.0) == 1.0
        and not node.attributes.get_int("transA", 0)
    )


def _with_bias(
    node: ir.Node, columns: int, facts: Facts
) -> tuple[frozenset[ir.Node], ir.Value, ir.Value | None]:
    """Return the site's nodes, its output and its bias: the Gemm's own, or one added behind."""
    output = node.outputs[0]
    own = node.inputs[2] if len(node.inputs) > 2 else None
    if own is not None:
        return frozenset({node}), output, own if _is_vector(own, columns, facts) else None
    users = list(output.consumers())
    if len(users) == 1 and users[0].op_type == "Add" and not output.is_graph_output():
        add = users[0]
        for value in add.inputs:
            if value is not None and value is not output and _is_vector(value, columns, facts):
                return frozenset({node, add}), add.outputs[0], value
    return frozenset({node}), output, None


def _is_vector(value: ir.Value, size: int, facts: Facts) -> bool:
    shape = facts.shape(value)
    is_one = shape is not None and [d.const for d in shape] == [size]
    return is_one and _stored(value) and facts.dtype(value) == ir.DataType.FLOAT


def _leads_out(value: ir.Value) -> bool:
    """Whether all that is made of a value are outputs of the graph."""
    todo, ends = [value], False
    while todo:
        one = todo.pop()
        ends = ends or one.is_graph_output()
        for node in one.consumers():
            if node.op_type not in _ONWARD or node.domain:
                return False
            todo += node.outputs
    return ends
