"""Sizes for the symbolic dims of a graph's inputs that agree with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from pipeline import errors
from pipeline.graph.dims import Dim
from pipeline.graph.facts import Facts
from pipeline.inputs.roles import Role

# Sizes per class of dim and variant; each class differs between variants, and between two
# names of one class, so that swapped dims cannot go unnoticed.
_CHOICES: dict[str, tuple[int, ...]] = {
    "batch": (2, 3, 1, 2),
    "sequence": (8, 5, 6, 11),
    "past": (3, 5, 0, 1),
    "image": (224, 192, 256, 224),
    "samples": (4000, 4480, 5120, 4000),
    "frames": (96, 128, 64, 96),
}
_SHIFT = {"sequence": 3, "past": 2, "image": 0, "frames": 32, "samples": 320}


@dataclass(frozen=True)
class Relation:
    """Two expressions over sizes that are equal whenever the graph is used as meant.

    Attributes:
        left: One side.
        right: The other.
        strict: Whether the graph cannot run otherwise; a broadcast also runs with a 1.
    """

    left: Dim
    right: Dim
    strict: bool


class Sizes:
    """The symbolic dims of a graph's inputs, what ties them, and how to choose them.

    Args:
        facts: Facts of the model.
        roles: Roles of its inputs, in order.
    """

    def __init__(self, facts: Facts, roles: Sequence[Role]) -> None:
        self._roles = roles
        self._names = _declared_names(facts, roles)
        self._classes = _classes(roles)
        total = key_length(facts, roles)
        self.relations = [
            *(Relation(a, b, True) for a, b in facts.equalities),
            *(Relation(a, b, False) for a, b in facts.assumed),
            *_mask_lengths(roles, self._classes, total),
        ]
        self.sequences = {s for s, kind in self._classes.items() if kind == "sequence"}
        self.pasts = {s for s, kind in self._classes.items() if kind == "past"}

    def choose(
        self, pins: Mapping[str, int] | None = None, variant: int = 0, *, short: bool = False
    ) -> dict[str, int]:
        """Return a size for every symbol.

        Args:
            pins: Sizes by declared name.
            variant: Which of several distinct assignments.
            short: Whether sequences have length 1 where nothing else is pinned.

        Raises:
            UsageError: a pin names no dim of an input, or pins contradict each other.
        """
        known = self._pinned(pins or {})
        for symbol in self._order():
            self._deduce(known, pins or {})
            if symbol not in known:
                one = short and symbol in self.sequences
                known[symbol] = 1 if one else self._default(symbol, variant)
        self._deduce(known, pins or {})
        self._check(known, pins or {})
        return known

    def named(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return the size of every declared name."""
        return {
            name: dim.evaluate(sizes)
            for name, dim in self._names.items()
            if dim.symbols <= sizes.keys()
        }

    def _pinned(self, pins: Mapping[str, int]) -> dict[str, int]:
        unknown = sorted(set(pins) - self._names.keys())
        if unknown:
            raise errors.UsageError(
                f"no input has a size named {', '.join(unknown)}",
                fix=f"the sizes are {', '.join(sorted(self._names)) or 'all fixed'}",
            )
        negative = [f"{name}={size}" for name, size in pins.items() if size < 0]
        if negative:
            raise errors.UsageError(f"sizes cannot be negative: {', '.join(negative)}")
        known: dict[str, int] = {}
        for name, size in pins.items():
            dim = self._names[name]
            if len(dim.symbols) == 1 and dim == Dim.of(next(iter(dim.symbols))):
                known[next(iter(dim.symbols))] = size
        return known

    def _order(self) -> list[str]:
        """Return the symbols, those that a relation defines alone on one side last."""
        defined = {
            str(side)
            for relation in self.relations
            for side, other in ((relation.left, relation.right), (relation.right, relation.left))
            if str(side) in self._classes and len(other.symbols) > 1
        }
        return sorted(self._classes, key=lambda symbol: symbol in defined)

    def _deduce(self, known: dict[str, int], pins: Mapping[str, int]) -> None:
        """Fill in symbols that a relation, or the name of a sum, leaves no choice for."""
        pinned = [Relation(self._names[n], Dim.of(size), True) for n, size in pins.items()]
        progress = True
        while progress:
            progress = False
            for relation in [*pinned, *self.relations]:
                difference = (relation.left - relation.right).substitute(
                    {name: Dim.of(size) for name, size in known.items()}
                )
                solved = _solved(difference)
                if solved is not None and solved[0] in self._classes and solved[1] >= 0:
                    known[solved[0]] = solved[1]
                    progress = True

    def _check(self, sizes: Mapping[str, int], pins: Mapping[str, int]) -> None:
        for name, size in pins.items():
            if self.named(sizes).get(name, size) != size:
                raise _contradiction(f"{name}={size}", f"{name} = {self._names[name]}", sizes)
        for relation in self.relations:
            if not (relation.left.symbols | relation.right.symbols) <= sizes.keys():
                continue
            left, right = relation.left.evaluate(sizes), relation.right.evaluate(sizes)
            excused = not relation.strict and 1 in (left, right)
            if left != right and not excused:
                raise _contradiction(
                    f"{left} and {right}", f"{relation.left} = {relation.right}", sizes
                )

    def _default(self, symbol: str, variant: int) -> int:
        kind = self._classes[symbol]
        choices = _CHOICES[kind]
        size = choices[variant % len(choices)]
        if kind == "batch" or symbol.startswith("$"):
            return size  # unnamed dims of one class are most likely the same
        peers = [s for s, other in self._classes.items() if other == kind and s[0] != "$"]
        return size + _SHIFT[kind] * peers.index(symbol) if size else 0


def _contradiction(what: str, rule: str, sizes: Mapping[str, int]) -> errors.UsageError:
    shown = ", ".join(f"{name}={size}" for name, size in sizes.items() if name[0] != "$")
    return errors.UsageError(
        f"the sizes contradict each other: {what}, where the graph needs {rule}",
        where=shown,
        fix="leave one of them out, and it is worked out from the others",
    )


def _solved(difference: Dim) -> tuple[str, int] | None:
    """Return the one symbol that is left and its value, None where there is no such thing."""
    symbols = difference.symbols
    if len(symbols) != 1:
        return None
    symbol = next(iter(symbols))
    at_zero = difference.substitute({symbol: Dim.of(0)}).const
    slope = difference.substitute({symbol: Dim.of(1)}).const
    if at_zero is None or slope is None or slope == at_zero:
        return None
    value, rest = divmod(-at_zero, slope - at_zero)
    exact = rest == 0 and difference.substitute({symbol: Dim.of(value)}).const == 0
    return (symbol, value) if exact else None


def _declared_names(facts: Facts, roles: Sequence[Role]) -> dict[str, Dim]:
    names: dict[str, Dim] = {}
    for role in roles:
        for declared, dim in zip(role.value.shape or (), role.shape, strict=False):
            name = getattr(declared, "value", None)
            if isinstance(name, str):
                names.setdefault(name, dim)
    for symbol in {s for role in roles for dim in role.shape for s in dim.symbols}:
        if symbol[0] not in "$?":
            names.setdefault(symbol, Dim.of(symbol))
    return names


def _classes(roles: Sequence[Role]) -> dict[str, str]:
    """Return what kind of size each symbol is, by where it stands."""
    found: dict[str, str] = {}
    for role in roles:
        for axis, dim in enumerate(role.shape):
            for symbol in sorted(dim.symbols):
                alone = dim == Dim.of(symbol)
                if symbol not in found or (alone and found[symbol] == "sequence"):
                    found[symbol] = found.get(symbol) or _class(role, axis)
    return found


def _class(role: Role, axis: int) -> str:
    rank, fixed = len(role.shape), [dim.is_const for dim in role.shape]
    if axis == 0 and rank > 1:
        return "batch"
    if role.kind != "floats":
        return "batch" if axis == 0 and role.kind in ("lengths",) else "sequence"
    if rank == 4 and axis >= 2:
        if axis == 2 and fixed[3] and not fixed[2] and not _feeds(role.value, _CONVOLUTIONS):
            return "past"
        return "image"
    if _feeds(role.value, _CONVOLUTIONS):
        return "samples" if rank == 2 else "frames"
    return "sequence"


_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "Resize", "AveragePool", "MaxPool"})
_THROUGH = frozenset(
    {"Unsqueeze", "Squeeze", "Reshape", "Transpose", "Cast", "Identity", "Pad", "Sub", "Div",
     "Mul", "Add", "InstanceNormalization", "LayerNormalization"}
)  # fmt: skip


def _feeds(value: ir.Value, kinds: Iterable[str], depth: int = 6) -> bool:
    """Return whether an input reaches such a node through nothing but preparation."""
    level = [value]
    for _ in range(depth):
        following: list[ir.Value] = []
        for here in level:
            for usage in here.uses():
                if usage.node.op_type in kinds:
                    return True
                if usage.node.op_type in _THROUGH:
                    following.extend(usage.node.outputs)
        level = following
    return False


def key_length(facts: Facts, roles: Sequence[Role]) -> Dim | None:
    """Return the key length of attention over a cache: a past plus what is new, None without.

    It is the last dim of the scores; no operator ties a mask's own length to it, since masks
    reach scores by indexing.
    """
    found: dict[Dim, None] = {}
    pasts = {
        s
        for role in roles
        for i, d in enumerate(role.shape)
        for s in d.symbols
        if _class(role, i) == "past"
    }
    graph = roles[0].value.graph if roles else None
    for node in graph or ():
        if node.op_type == "Softmax":
            shape = facts.shape(node.inputs[0])
            dim = shape[-1] if shape else None
        elif node.op_type == "Attention" and len(node.outputs) > 1:
            shape = facts.shape(node.outputs[1])
            dim = shape[2] if shape and len(shape) == 4 else None
        elif node.op_type == "Concat" and node.inputs[0] is not None:
            shape = facts.shape(node.outputs[0]) if node.inputs[0].is_graph_input() else None
            dim = shape[2] if shape and len(shape) == 4 else None
        else:
            continue
        if dim is not None and len(dim.symbols) > 1 and dim.symbols & pasts:
            found[dim] = None
    return next(iter(found), None)


def _mask_lengths(
    roles: Sequence[Role], classes: Mapping[str, str], total: Dim | None
) -> list[Relation]:
    """Return what ties the lengths only masks have: the keys they mask."""
    others = {s for role in roles if role.kind != "mask" for d in role.shape for s in d.symbols}
    lengths = [
        dim
        for role in roles
        if role.kind == "mask" and role.shape
        for dim in role.shape[-1:]
        if len(dim.symbols) == 1 and not dim.symbols & others
    ]
    if total is None:
        # Without a cache a mask is as long as the tokens.
        tokens = [r.shape[-1] for r in roles if r.kind == "ids" and len(r.shape) == 2]
        total = tokens[0] if tokens else None
    batches = [Dim.of(s) for s, kind in classes.items() if kind == "batch"]
    return [
        *(Relation(dim, total, False) for dim in lengths if total is not None),
        *(Relation(batches[0], other, False) for other in batches[1:]),
    ]
