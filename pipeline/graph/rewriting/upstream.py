"""Walking from a value up to where it is computed from."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir


def border_above(value: ir.Value, inside: Callable[[ir.Value], bool]) -> list[ir.Value]:
    """Return the nearest values above one that are not inside; those inside are walked through."""
    found: list[ir.Value] = []
    todo, seen = [value], {value}
    while todo:
        node = todo.pop().producer()
        for source in node.inputs if node is not None else ():
            if source is not None and source not in seen:
                seen.add(source)
                (todo if inside(source) else found).append(source)
    return found
