"""Sizes at which a traced program would have gone another way, read off what its trace relied on.

torch.export follows forward() once. Each comparison of a size that it met on the way became a
guard, such as `length <= 100`: the program is right where all guards hold. Guards that fail inside
the declared range mark a boundary; whether the results differ beyond it, a run there tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.stages.export.parts import ExportPart, evaluate, example_sizes

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch.export import ExportedProgram

_KEY = "pipeline.boundaries"
MOST = 6  # boundaries looked at, those nearest to the traced sizes first


@dataclass(frozen=True)
class Boundary:
    """The nearest sizes in the range at which a guard fails.

    Attributes:
        sizes: The sizes.
        rule: The guard, in names of sizes.
        proven: The range of the one size that differs from the traced ones, in words.
    """

    sizes: dict[str, int]
    rule: str
    proven: str


def find_boundaries(program: ExportedProgram, part: ExportPart) -> list[Boundary]:
    """Return where the program's guards fail inside the part's ranges, the nearest first."""
    symbols, guards = _guards(program, part)
    base = example_sizes(part)
    names = [name for name in part.dims if name in base]
    numbers = {int(n) for guard in guards for n in _integers(guard)}
    found: dict[str, Boundary] = {}
    for name in names:
        tried = _candidates(part, name, numbers, base[name])
        holds = {size: _broken(guards, symbols, {**base, name: size}) for size in tried}
        for size in tried:
            guard = holds[size]
            if guard is None:
                continue
            rule = _in_names(guard, symbols)
            low, high = _around(base[name], holds)
            found.setdefault(rule, Boundary({**base, name: size}, rule, f"{name} {low} to {high}"))
    return list(found.values())[:MOST]


def note_boundaries(model: ir.Model, boundaries: list[Boundary]) -> None:
    """Keep them with the graph they were found for."""
    model.meta[_KEY] = boundaries


def boundaries_of(model: ir.Model) -> list[Boundary]:
    """Return what was noted of a graph, nothing for exporters that tell nothing."""
    noted: list[Boundary] = model.meta.get(_KEY, [])
    return noted


def _guards(program: ExportedProgram, part: ExportPart) -> tuple[dict[Any, str], list[Any]]:
    """Return symbol -> size expression of the part, and the guards of the trace."""
    import torch

    wanted = set(program.graph_signature.user_inputs)
    places = (node for node in program.graph.nodes if node.op == "placeholder")
    values = [node.meta["val"] for node in places if node.name in wanted]
    symbols: dict[Any, str] = {}
    environment = None
    for name, value in zip(part.inputs, values, strict=True):
        for axis, expression in part.axes.get(name, {}).items():
            size = value.shape[axis]
            if isinstance(size, torch.SymInt):
                environment = size.node.shape_env
                if size.node.expr.is_Symbol:
                    symbols.setdefault(size.node.expr, expression)
    return symbols, [guard.expr for guard in environment.guards] if environment else []


def _integers(guard: Any) -> Iterable[Any]:
    import sympy

    return (n for n in guard.atoms(sympy.Integer) if abs(int(n)) < 2**31)


def _candidates(part: ExportPart, name: str, numbers: set[int], traced: int) -> list[int]:
    """Return sizes of one name worth trying, the nearest to the traced one first."""
    limits = part.dims[name]
    tried = {limits.min, limits.opt, limits.max, *(n + d for n in numbers for d in (-1, 0, 1))}
    inside = (size for size in tried if limits.min <= size <= limits.max and size != traced)
    return sorted(inside, key=lambda size: (abs(size - traced), size))


def _broken(guards: list[Any], symbols: Mapping[Any, str], sizes: Mapping[str, int]) -> Any | None:
    """Return the first guard that does not hold at these sizes; those of other symbols hold."""
    import sympy

    known = {symbol: evaluate(expression, sizes) for symbol, expression in symbols.items()}
    for guard in guards:
        if guard.free_symbols <= known.keys() and guard.subs(known) == sympy.false:
            return guard
    return None


def _around(traced: int, holds: Mapping[int, Any | None]) -> tuple[int, int]:
    """Return the ends of the tried sizes around the traced one up to which all guards hold."""
    ends = []
    for side in (-1, 1):
        end = traced
        for size in sorted((s for s in holds if (s - traced) * side > 0), key=lambda s: s * side):
            if holds[size] is not None:
                break
            end = size
        ends.append(end)
    return ends[0], ends[1]


def _in_names(guard: Any, symbols: Mapping[Any, str]) -> str:
    import sympy

    named = {symbol: sympy.Symbol(expression) for symbol, expression in symbols.items()}
    text = str(guard.subs(named))
    return text if len(text) <= 120 else "the sizes are near those it was traced at"
