"""How many nodes a file stands for once its functions are written out; bombs are refused here.

A few functions that call each other twice stand for more nodes than any memory holds, and one
that calls itself for infinitely many. Counted in time linear in what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadModelError

if TYPE_CHECKING:
    import onnx

MAX_NODES = 250_000  # real graphs have at most some ten thousand
_MANY = 10**15  # where counting stops: numbers as long as the file would be a bomb themselves
Name = tuple[str, str, str]


def check_size(model: onnx.ModelProto, path: Path) -> None:
    """Raise BadModelError if the model has absurdly many nodes, functions written out."""
    calls = {_name_of(f): Counter(_callees(f.node)) for f in model.functions}
    check_calls(Counter(_callees(model.graph.node)), calls, str(path))


def check_calls(main: Counter[Name], calls: dict[Name, Counter[Name]], where: str) -> None:
    """Raise BadModelError if a graph is absurdly large once its functions are written out.

    Args:
        main: How often the graph has each operator or function.
        calls: The same of every function.
        where: What to name in the error.
    """
    total = _total(main, _sizes(calls, where))
    if total > MAX_NODES:
        count = total if total < _MANY else f"over {_MANY}"
        functions = " once its functions are written out" if calls else ""
        raise BadModelError(
            f"The graph has {count} nodes{functions}, more than {MAX_NODES}.",
            where=where,
            fix="Export the model with loops or layers left whole instead of unrolled.",
        )


def _sizes(calls: dict[Name, Counter[Name]], where: str) -> dict[Name, int]:
    """Return how many nodes each function stands for; innermost first, without recursion."""
    sizes: dict[Name, int] = {}
    open_: set[Name] = set()
    stack = [(name, False) for name in calls]
    while stack:
        name, ready = stack.pop()
        if ready:
            sizes[name] = _total(calls[name], sizes)
            open_.discard(name)
        elif name not in sizes and name in open_:
            raise BadModelError(
                f"The function {name[1]!r} calls itself.",
                where=where,
                fix="Export the model again; ONNX has no recursion.",
            )
        elif name not in sizes:
            open_.add(name)
            stack.append((name, True))
            stack += [(other, False) for other in calls[name] if other in calls]
    return sizes


def _total(callees: Counter[Name], sizes: dict[Name, int]) -> int:
    return min(_MANY, sum(n * max(sizes.get(name, 1), 1) for name, n in callees.items()))


def _callees(nodes: Iterable[onnx.NodeProto]) -> Iterator[Name]:
    """Yield what every node calls, those in bodies included."""
    todo = [nodes]
    while todo:
        for node in todo.pop():
            yield (node.domain, node.op_type, node.overload)
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    todo.append(attribute.g.node)
                todo += [graph.node for graph in attribute.graphs]


def _name_of(function: onnx.FunctionProto) -> Name:
    return (function.domain, function.name, function.overload)
