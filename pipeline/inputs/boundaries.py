"""Numbers at which a graph changes what it does: windows, buckets, thresholds on lengths.

A length below such a number never shows what stands behind it: a sliding window of 16 tokens hides
nothing in 12.
"""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts

COMPARISONS = frozenset({"Less", "LessOrEqual", "Greater", "GreaterOrEqual"})
_ARITHMETIC = COMPARISONS | {"Add", "Sub", "Min", "Max", "Mod", "Clip"}
_WINDOWS = ("local_window_size",)
_LEAST, _MOST = 2, 2**16  # below there is nothing to miss, above are fills and ids


def boundaries_of(model: ir.Model, facts: Facts) -> dict[int, str]:
    """Return the whole numbers that positions or sizes meet, each with the node that holds it.

    Args:
        model: The graph; calls of functions are taken to be written out.
        facts: Facts of it.
    """
    found: dict[int, str] = {}
    for node in model.graph:
        for number in [*_windows(node), *_met(node, facts)]:
            if _LEAST <= number <= _MOST and number == int(number):
                found.setdefault(int(number), f"{node.op_type} {node.name or ''}".strip())
    return dict(sorted(found.items()))


def _windows(node: ir.Node) -> list[float]:
    return [float(node.attributes.get_int(name, -1)) for name in _WINDOWS]


def _met(node: ir.Node, facts: Facts) -> list[float]:
    """Return the constants that a node of index arithmetic holds against what varies."""
    if node.op_type not in _ARITHMETIC:
        return []
    numbers = [facts.scalar(value) for value in node.inputs]
    varies = [v for v, n in zip(node.inputs, numbers, strict=True) if v is not None and n is None]
    if not any(_is_whole(value, facts) for value in varies):
        return []
    return [abs(number) for number in numbers if number is not None]


def _is_whole(value: ir.Value, facts: Facts) -> bool:
    dtype = facts.dtype(value)
    if dtype is not None and not dtype.is_floating_point():
        return True
    # Positions are cast to floats where their logarithm is taken, or a slope scales them.
    node = value.producer()
    source = facts.dtype(node.inputs[0]) if node is not None and node.op_type == "Cast" else None
    return source is not None and not source.is_floating_point()
