"""What the norm lowerings share: weights as vectors, and axes moved to the end and back."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.fusion.norm.site import Affine, NormSite, trailing
from pipeline.graph.rewriting.emit import Emitter


def emit_norm(site: NormSite, emit: Emitter, op: str) -> ir.Value:
    """Return the site's output made by one norm operator over the last axes."""
    inputs = [normalised_last(site, emit), vector(site, site.weight, emit)]
    if not site.bias.is_zero:
        inputs.append(vector(site, site.bias, emit))
    attrs = {"axis": -len(site.axes), "epsilon": site.epsilon, "stash_type": 1}
    return moved_back(site, emit, emit.one(op, inputs, attrs))


def normalised_last(site: NormSite, emit: Emitter) -> ir.Value:
    """Return the site's x with the normalised axes moved to the end."""
    if trailing(site.axes):
        return site.x
    return emit.one("Transpose", [site.x], {"perm": _order(site, emit)})


def moved_back(site: NormSite, emit: Emitter, result: ir.Value) -> ir.Value:
    """Return a result of `normalised_last` with its axes where they were."""
    if trailing(site.axes):
        return result
    order = _order(site, emit)
    return emit.one("Transpose", [result], {"perm": [order.index(i) for i in range(len(order))]})


def _order(site: NormSite, emit: Emitter) -> list[int]:
    rank = len(emit.facts.shape(site.x) or ())
    return [i for i in range(rank) if i - rank not in site.axes] + [a + rank for a in site.axes]


def vector(site: NormSite, affine: Affine, emit: Emitter) -> ir.Value:
    """Return a weight or bias with the sizes of the normalised axes and the type of x."""
    kind = emit.facts.dtype(site.x) or ir.DataType.FLOAT
    if affine.value is None:
        return emit.const(np.full(site.sizes, affine.offset, dtype=kind.numpy()))
    value = affine.value
    if emit.facts.dtype(value) != kind:
        value = emit.one("Cast", [value], {"to": kind.value})
    if affine.factor != 1.0:
        value = emit.one("Mul", [value, np.asarray(affine.factor, dtype=kind.numpy())])
    if affine.offset != 0.0:
        value = emit.one("Add", [value, np.asarray(affine.offset, dtype=kind.numpy())])
    return _shaped(value, site.sizes, emit)


def _shaped(value: ir.Value, sizes: tuple[int, ...], emit: Emitter) -> ir.Value:
    """Return the value reshaped, or repeated where it holds fewer elements."""
    shape = emit.facts.shape(value) or ()
    if shape == sizes:
        return value
    known = [d.const or 0 for d in shape if d != 1]
    if known == [s for s in sizes if s != 1]:
        return emit.one("Reshape", [value, emit.ints(sizes)])
    tail = shape[max(0, len(shape) - len(sizes)) :]
    if len(tail) < len(shape):
        value = emit.one("Reshape", [value, emit.ints([d.const or 1 for d in tail])])
    return emit.one("Expand", [value, emit.ints(sizes)])
